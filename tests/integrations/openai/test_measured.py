"""`metrics="all"`: calls in traces that are not recorded are measured, and leave no span."""

from __future__ import annotations

import openai
import pytest
from opentelemetry import metrics as otel_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import callspan
from callspan.exporters import MemoryExporter
from openai_mock import HELLO, USAGE, Answer, Lines, chunk, client, completion, text_chunks

SECONDS = "gen_ai.client.inference.duration"
TOKENS = "gen_ai.client.inference.operation.input_tokens"
FIRST = "gen_ai.client.inference.time_to_first_chunk"


@pytest.fixture
def points(monkeypatch):
    """Return a function that tells the points by instrument, and checks that no span was made."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(otel_metrics, "get_meter_provider", lambda: provider)
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], metrics="all", sample_rate=0)

    def told():
        assert callspan.flush(5).ok
        assert memory.spans == []
        scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
        return {metric.name: list(metric.data.data_points) for metric in scopes[0].metrics}

    return told


def ask(answer, **more):
    return client(answer).chat.completions.create(model="gpt-4o-mini", messages=HELLO, **more)


def test_a_plain_call(points):
    ask(completion())
    found = points()
    (point,) = found[SECONDS]
    assert (point.count, found[TOKENS][0].sum) == (1, 9)
    assert dict(point.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "server.address": "api.openai.com",
        "server.port": 443,
    }


def test_a_stream(points):
    lines = Lines([*text_chunks("Hi", " there"), chunk(choices=[], usage=USAGE)])
    pieces = list(ask(lines, stream=True, stream_options={"include_usage": True}))
    assert len(pieces) == 5
    found = points()
    assert (found[SECONDS][0].count, found[FIRST][0].count, found[TOKENS][0].sum) == (1, 1, 9)


def test_an_error(points):
    with pytest.raises(openai.AuthenticationError):
        ask(Answer({"error": {"message": "no"}}, status=401))
    (point,) = points()[SECONDS]
    assert point.attributes["error.type"] == "openai.AuthenticationError"


def test_below_a_decorated_call_the_tokens_are_counted_once(points):
    @callspan.llm
    def chat():
        return ask(completion())

    chat()
    found = points()
    assert (sum(point.count for point in found[SECONDS]), found[TOKENS][0].sum) == (1, 9)
