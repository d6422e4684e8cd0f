from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
from opentelemetry import metrics as otel_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import callspan
from callspan.guard import guard
from callspan.model.usage import Usage
from callspan.pipeline.metrics import SECONDS, TOKENS, Metrics
from spans import FIXED, finished

TAKES_BUCKETS = "explicit_bucket_boundaries_advisory" in signature(otel_metrics.Meter.create_histogram).parameters
COMMON = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "server.address": "api.openai.com",
    "server.port": 443,
}


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(otel_metrics, "get_meter_provider", lambda: provider)
    return reader


def told(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Return name -> (unit, points)."""
    data = reader.get_metrics_data()
    found = data.resource_metrics[0].scope_metrics[0].metrics if data is not None else []
    return {metric.name: (metric.unit, list(metric.data.data_points)) for metric in found}


def test_a_model_call_tells_durations_and_tokens(reader):
    span = FIXED["llm"]
    Metrics().record(span)
    found = told(reader)
    unit, (point,) = found["gen_ai.client.inference.duration"]
    assert (unit, point.sum) == ("s", 1.5)
    assert list(point.explicit_bounds) == SECONDS or not TAKES_BUCKETS
    assert dict(point.attributes) == COMMON
    assert found["gen_ai.client.inference.time_to_first_chunk"][1][0].sum == 0.25
    assert found["gen_ai.client.inference.time_per_output_chunk"][1][0].sum == pytest.approx(1.25 / 8)
    counts = {name.rpartition("usage.")[2]: points[0].value for name, (_, points) in found.items() if ".usage." in name}
    assert counts == {
        "input_tokens": 40,
        "output_tokens": 12,
        "cache_read.input_tokens": 16,
        "cache_write.input_tokens": 4,
        "reasoning.output_tokens": 3,
    }
    unit, (point,) = found["gen_ai.client.inference.operation.input_tokens"]
    assert (unit, point.sum) == ("{token}", 40)
    assert list(point.explicit_bounds) == TOKENS or not TAKES_BUCKETS


def test_the_names_of_1_41(reader):
    Metrics("genai-1.41").record(FIXED["llm"])
    found = told(reader)
    assert found["gen_ai.client.operation.duration"][1][0].sum == 1.5
    points = found["gen_ai.client.token.usage"][1]
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in points} == {"input": 40, "output": 12}
    assert not any("inference" in name for name in found)


def test_tokens_are_told_by_modality_as_far_as_that_is_known(reader):
    Metrics().record(
        finished(usage=Usage(input_tokens=10, audio_input_tokens=7, output_tokens=3, text_output_tokens=3))
    )
    found = told(reader)
    by = {
        p.attributes["gen_ai.token.modality"]: p.value for p in found["gen_ai.client.inference.usage.input_tokens"][1]
    }
    assert by == {"audio": 7, "unknown": 3}
    (point,) = found["gen_ai.client.inference.usage.output_tokens"][1]
    assert (point.attributes["gen_ai.token.modality"], point.value) == ("text", 3)


def test_a_call_without_usage_counts_as_nothing_and_one_told_elsewhere_not_at_all(reader):
    recorder = Metrics()
    recorder.record(finished())
    recorder.record(finished(usage_below=True, usage=Usage(input_tokens=5)))
    found = told(reader)
    (point,) = found["gen_ai.client.inference.usage.input_tokens"][1]
    assert (point.attributes["gen_ai.token.modality"], point.value) == ("unknown", 0)
    assert found["gen_ai.client.inference.duration"][1][0].count == 1
    assert "gen_ai.client.inference.operation.input_tokens" not in found


def test_other_kinds_have_durations_of_their_own(reader):
    recorder = Metrics()
    for kind in ("embedding", "retriever", "tool", "agent", "chain", "guardrail"):
        recorder.record(FIXED[kind])
    found = told(reader)
    assert set(found) == {
        "gen_ai.client.operation.duration",
        "gen_ai.execute_tool.duration",
        "gen_ai.invoke_agent.duration",
    }
    assert len(found["gen_ai.client.operation.duration"][1]) == 2
    assert dict(found["gen_ai.execute_tool.duration"][1][0].attributes) == {"gen_ai.tool.name": "weather"}


def test_recorded_spans_count_by_themselves_and_not_where_it_is_off(reader):
    for metrics in (True, False, "genai-1.41"):
        callspan.configure(exporters=["memory"], metrics=metrics)

        @callspan.llm
        def chat(prompt: str) -> str:
            return "x"

        chat("y")
        callspan.shutdown()
    found = told(reader)
    assert found["gen_ai.client.inference.duration"][1][0].count == 1
    assert found["gen_ai.client.operation.duration"][1][0].count == 1


def test_without_a_provider_nothing_happens():
    recorder = Metrics()
    recorder.record(FIXED["llm"])
    assert recorder._instruments == {}


def test_a_provider_that_fails_is_no_reason_to_lose_a_span(monkeypatch):
    guard.strict = False
    monkeypatch.setattr(otel_metrics, "get_meter_provider", object)
    Metrics().record(FIXED["llm"])
    assert guard.counts["recording metrics"] == 1


def test_a_wrong_word_is_named():
    with pytest.raises(callspan.ConfigurationError, match="metrics"):
        callspan.configure(exporters=["memory"], metrics="some")
