"""`metrics="all"`: the model calls of traces that are not recorded are measured, and nothing else is done with them."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry import metrics as otel_metrics
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import callspan
from callspan.capture.switch import switch
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from callspan.model.span import InertSpan
from callspan.pipeline.measuring import Measuring
from callspan.pipeline.metrics import Metrics
from callspan.recording.otel import get_context
from spans import FIXED

SECONDS = "gen_ai.client.inference.duration"
FIRST = "gen_ai.client.inference.time_to_first_chunk"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(otel_metrics, "get_meter_provider", lambda: provider)
    return reader


@pytest.fixture
def memory() -> MemoryExporter:
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], metrics="all", sample_rate=0)
    return memory


def told(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Return the points by the names of the instruments, after everything was delivered."""
    assert callspan.flush(5).ok
    data = reader.get_metrics_data()
    found = data.resource_metrics[0].scope_metrics[0].metrics if data is not None else []
    return {metric.name: list(metric.data.data_points) for metric in found}


@callspan.llm(input=["nothing"], output=lambda _: pytest.fail("content is not asked for"))
def chat(prompt: str, model: str = "gpt-4o") -> Any:
    usage = {"prompt_tokens": 40, "completion_tokens": 12}
    return {"model": f"{model}-2024", "usage": usage, "choices": [{"message": {"content": prompt}}]}


def test_an_unsampled_call_is_measured_and_not_recorded(reader, memory):
    before = get_context()
    assert chat("private")["usage"]["prompt_tokens"] == 40
    assert get_context() is before
    found = told(reader)
    (point,) = found[SECONDS]
    assert point.count == 1
    assert dict(point.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024",
    }
    assert found["gen_ai.client.inference.operation.input_tokens"][0].sum == 40
    assert found["gen_ai.client.inference.usage.output_tokens"][0].value == 12
    assert memory.spans == []
    assert callspan.stats()["memory"]["dropped"] == {"sampled": 1}


def test_what_stands_below_an_unsampled_root_is_measured_too_and_once(reader, memory):
    @callspan.llm
    def outer() -> Any:
        return chat("x")

    @callspan.chain
    def root() -> None:
        chat("x")
        with callspan.span("answer", kind="llm") as span:
            span.set_output({"usage": {"prompt_tokens": 2}, "text": "private"}).set_attribute("a", 1)
            span.add_event("private")
            assert not span.is_recording()
            assert callspan.current_span() is span

    root()
    outer()
    found = told(reader)
    assert sum(point.count for point in found[SECONDS]) == 4
    assert sum(point.sum for point in found["gen_ai.client.inference.operation.input_tokens"]) == 40 * 3 + 2
    assert memory.spans == []


def test_below_a_measured_call_nothing_is_recorded_whoever_asks(reader, memory):
    seen: list[Any] = []

    @callspan.tool
    def tool() -> None:
        seen.append(get_context())

    @callspan.llm
    def ask() -> None:
        tool()
        current = trace.get_current_span().get_span_context()
        assert current.is_valid
        assert not current.trace_flags.sampled
        headers: dict[str, str] = {}
        callspan.inject(headers)
        seen.append(headers["traceparent"])

    ask()
    assert seen[1].endswith("-00")
    assert len(told(reader)[SECONDS]) == 1
    assert memory.spans == []


def test_streams_tell_the_time_to_their_first_chunk(reader, memory):
    @callspan.llm(reduce=lambda _: pytest.fail("content is not asked for"))
    def stream(model: str) -> Iterator[str]:
        yield from ("a", "b", "c")

    @callspan.llm
    async def read(model: str) -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def read_all() -> list[str]:
        return [chunk async for chunk in read("n")]

    assert list(stream(model="m")) == ["a", "b", "c"]
    assert asyncio.run(read_all()) == ["a", "b"]
    left = stream("m")
    assert next(left) == "a"
    left.close()
    found = told(reader)
    assert {point.attributes["gen_ai.request.model"]: point.count for point in found[FIRST]} == {"m": 2, "n": 1}
    assert sum(point.count for point in found["gen_ai.client.inference.time_per_output_chunk"]) == 2
    assert memory.spans == []


def test_errors_are_told_by_their_type(reader, memory):
    @callspan.llm
    async def fail() -> None:
        raise TimeoutError("private")

    with pytest.raises(TimeoutError):
        asyncio.run(fail())
    (point,) = told(reader)[SECONDS]
    assert point.attributes["error.type"] == "TimeoutError"


def test_below_a_parent_of_others_that_is_not_sampled(reader, memory):
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
    callspan.configure(exporters=[memory], metrics="all")
    with callspan.extract(headers):
        chat("x")
    assert sum(point.count for point in told(reader)[SECONDS]) == 1
    assert memory.spans == []


def test_recorded_calls_are_told_once(reader, memory):
    callspan.configure(exporters=[memory], metrics="all")
    chat.__wrapped__("x")
    with callspan.span("x", kind="llm"):
        pass
    assert sum(point.count for point in told(reader)[SECONDS]) == 1
    assert [span.kind for span in memory.spans] == ["llm"]


def test_what_is_suppressed_is_not_measured_and_other_kinds_are_not(reader, memory):
    @callspan.tool
    def tool() -> None:
        """Do nothing."""

    with callspan.suppress():
        chat("x")
    tool()
    assert told(reader) == {}


def test_by_default_what_is_left_out_is_not_measured(reader):
    callspan.configure(exporters=["memory"], sample_rate=0)
    chat("x")
    assert told(reader) == {}


def test_without_a_provider_nothing_is_made(memory):
    seen: list[Any] = []

    @callspan.llm
    def ask() -> None:
        seen.append(trace.get_current_span())

    ask()
    assert type(seen[0]) is InertSpan
    gc.collect()
    assert callspan.flush(5).ok


def test_the_rates_of_kinds_measure_what_they_leave_out_of_a_trace(reader, memory):
    callspan.configure(exporters=[memory], metrics="all", sample_rate=callspan.SampleRates(kinds={"llm": 0}))
    with callspan.span("turn"):
        chat("x")
    assert sum(point.count for point in told(reader)[SECONDS]) == 1
    assert [span.name for span in memory.spans] == ["turn"]


def test_the_queue_is_bounded_and_says_so(reader, caplog):
    measuring = Measuring(Metrics())
    for _ in range(10_003):
        measuring.offer(FIXED["llm"])
    measuring.record()
    data = reader.get_metrics_data()
    assert data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0].count == 10_000
    assert "3 calls came faster" in caplog.text


def test_a_fault_of_ours_is_no_error_of_the_users(reader, memory, monkeypatch):
    def fail(_: Any) -> None:
        raise ArithmeticError

    guard.strict = False
    monkeypatch.setattr(switch.recorder._measurer, "sink", fail)
    assert chat("x")["model"] == "gpt-4o-2024"
    assert guard.counts == {"measuring a call": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_measures_only_its_own_calls():
    measuring = Measuring(Metrics())
    measuring.offer(FIXED["llm"])
    measuring.reset()
    assert len(measuring._buffer) == 0
