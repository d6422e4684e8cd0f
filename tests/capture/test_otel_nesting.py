"""callspan and OpenTelemetry in one program: spans nest both ways, headers carry our IDs, no context is harmed."""

from __future__ import annotations

import asyncio
import logging

import pytest
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

import callspan
from callspan.capture.openers import turn_on
from callspan.guard import guard
from callspan.recording.otel import get_context, set_context
from callspan.recording.recorder import Recorder
from callspan.recording.sampling import bound_of
from callspan.testing import capture


@pytest.fixture
def sdk():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("theirs"), exporter


def hexed(span):
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_ours_under_theirs(sdk):
    tracer, _ = sdk
    with capture() as spans, tracer.start_as_current_span("server") as server:
        with callspan.span("ours"):
            pass
        assert trace.get_current_span() is server
    assert (spans[0].trace_id, spans[0].parent_id) == hexed(server)


def test_theirs_under_ours(sdk):
    tracer, exporter = sdk
    with capture() as spans, callspan.span("ours") as ours:
        assert trace.get_current_span() is ours
        with tracer.start_as_current_span("http"):
            callspan.observe(lambda: None, name="inner")()
        assert trace.get_current_span() is ours
    (theirs,) = exporter.get_finished_spans()
    assert (f"{theirs.context.trace_id:032x}", f"{theirs.parent.span_id:016x}") == hexed(ours)
    assert spans.one("inner").parent_id == f"{theirs.context.span_id:016x}"
    assert len({span.trace_id for span in spans}) == 1


async def test_both_ways_in_async_code(sdk):
    tracer, exporter = sdk

    @callspan.observe
    async def ours():
        with tracer.start_as_current_span("theirs"):
            await asyncio.gather(inner(), inner())

    @callspan.observe
    async def inner():
        await asyncio.sleep(0)

    with capture() as spans:
        await ours()
    (theirs,) = exporter.get_finished_spans()
    assert spans[-1].span_id == f"{theirs.parent.span_id:016x}"
    assert {span.parent_id for span in spans[:2]} == {f"{theirs.context.span_id:016x}"}


def test_an_unsampled_parent_of_theirs_means_nothing_is_recorded_below():
    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    with capture() as spans, provider.get_tracer("t").start_as_current_span("unsampled"):
        with callspan.span("below") as below:
            assert not below.is_recording()
        callspan.observe(lambda: None)()
    assert spans == []


def test_a_remote_parent_that_is_only_a_context():
    remote = trace.NonRecordingSpan(trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1)))
    with capture() as spans, trace.use_span(remote), callspan.span("ours"):
        pass
    assert (int(spans[0].trace_id, 16), int(spans[0].parent_id, 16)) == (7, 8)


def test_an_invalid_parent_makes_a_root():
    with capture() as spans, trace.use_span(trace.INVALID_SPAN), callspan.span("ours"):
        pass
    assert spans[0].parent_id is None
    assert int(spans[0].trace_id, 16) > 0


def test_the_plain_api_without_sdk_passes_our_context_on():
    tracer = trace.NoOpTracerProvider().get_tracer("none")
    with capture() as spans, callspan.span("ours") as ours, tracer.start_as_current_span("noop"):
        callspan.observe(lambda: None, name="inner")()
        assert trace.get_current_span().get_span_context().span_id == ours.span_id
    assert spans.tree() == "chain ours\n  chain inner"


def test_a_parent_whose_context_cannot_be_read_is_noted_and_the_call_goes_on():
    class Broken(trace.NonRecordingSpan):
        def get_span_context(self):
            raise ArithmeticError

    guard.strict = False
    with capture() as spans, trace.use_span(Broken(trace.INVALID_SPAN_CONTEXT)):
        assert callspan.observe(lambda: 5)() == 5
        with callspan.span("x"):
            pass
    assert spans == []
    assert guard.counts == {"opening a call": 1, "opening a block": 1}


def test_inject_gives_our_traceparent():
    headers: dict[str, str] = {}
    with capture(), callspan.span("ours") as ours:
        propagate.inject(headers)
    trace_id, span_id = hexed(ours)
    assert headers["traceparent"] == f"00-{trace_id}-{span_id}-01"


def test_trace_state_of_a_parent_goes_on():
    state = trace.TraceState([("vendor", "x")])
    remote = trace.NonRecordingSpan(
        trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1), trace_state=state)
    )
    headers: dict[str, str] = {}
    with capture(), trace.use_span(remote), callspan.span("a"), callspan.span("b"):
        propagate.inject(headers)
    assert headers["tracestate"] == "vendor=x"


def test_use_span_records_exceptions_into_ours():
    with capture() as spans, callspan.span("ours") as ours, pytest.raises(ValueError), trace.use_span(ours):
        raise ValueError("inside")
    assert spans[0].events[0].attributes["exception.message"] == "inside"
    assert (spans[0].status, spans[0].status_message) == ("error", "ValueError: inside")


# -- sampling ----------------------------------------------------------------------------------------------------------


def sampled(rate, count=2000):
    kept = []
    recorder = Recorder(kept.append, bound_of(rate))
    turn_on(recorder)
    for _ in range(count):
        with callspan.span("root"):
            callspan.observe(lambda: None)()
    return kept, recorder


def test_all_and_none():
    assert bound_of(1.0) is None
    assert len(sampled(1.0, 10)[0]) == 20
    kept, recorder = sampled(0.0, 10)
    assert (kept, recorder.sampled_out) == ([], 10)


def test_a_share_of_the_traces_whole_ones_and_by_trace_id():
    kept, recorder = sampled(0.25)
    roots = [span for span in kept if span.parent_id is None]
    assert 380 < len(roots) < 620
    assert len(kept) == 2 * len(roots)
    assert recorder.sampled_out == 2000 - len(roots)
    assert all(span.trace_id & ((1 << 56) - 1) < (1 << 56) // 4 for span in kept)


def test_an_unsampled_root_is_current_and_says_so_to_others(sdk):
    tracer, exporter = sdk
    turn_on(Recorder(pytest.fail, bound_of(0.0)))
    headers: dict[str, str] = {}
    with callspan.span("root") as root:
        assert not root.is_recording()
        assert callspan.current_span() is root
        propagate.inject(headers)
        with tracer.start_as_current_span("theirs"):
            pass
    assert headers["traceparent"].endswith("-00")
    assert int(headers["traceparent"][3:35], 16) == root.trace_id
    assert exporter.get_finished_spans() == ()
    assert get_context() == {}


async def test_unsampled_calls_of_every_colour_pass_through():
    turn_on(Recorder(pytest.fail, bound_of(0.0)))

    @callspan.observe
    def function(fails=False):
        if fails:
            raise ValueError
        return callspan.current_span()

    @callspan.observe
    async def coroutine():
        return function()

    @callspan.observe
    def generator():
        got = yield callspan.current_span()
        yield got

    @callspan.observe
    async def async_generator():
        yield callspan.current_span()

    assert function().trace_id
    assert (await coroutine()).trace_id
    steps = generator()
    assert next(steps).trace_id
    assert not callspan.current_span().trace_id
    assert steps.send("sent") == "sent"
    assert [*steps] == []
    assert [span.trace_id > 0 async for span in async_generator()] == [True]
    with pytest.raises(ValueError):
        function(fails=True)
    stopped = generator()
    next(stopped)
    stopped.close()
    assert get_context() == {}


def test_a_sampled_parent_of_theirs_overrules_our_rate(sdk):
    tracer, _ = sdk
    kept = []
    turn_on(Recorder(kept.append, bound_of(0.0)))
    with tracer.start_as_current_span("server"), callspan.span("ours"):
        pass
    assert [span.name for span in kept] == ["ours"]


# -- contexts ----------------------------------------------------------------------------------------------------------


def test_spans_of_theirs_over_a_yield_are_as_without_us(sdk):
    tracer, _ = sdk
    seen = []

    def body():
        with tracer.start_as_current_span("inside") as inside:
            seen.append(trace.get_current_span() is inside)
            yield 1
            seen.append(trace.get_current_span() is inside)
            yield 2
        seen.append(trace.get_current_span() is inside)
        yield 3

    def consume(function):
        seen.clear()
        before = trace.get_current_span()
        for _ in function():
            name = getattr(trace.get_current_span(), "name", None)
            seen.append(name)
        seen.append(trace.get_current_span() is before)
        return [*seen]

    plain = consume(body)
    assert plain == [True, "inside", True, "inside", False, None, True]
    with capture() as spans:
        assert consume(callspan.observe(body)) == plain
    assert len(spans) == 1


def test_a_callspan_call_inside_their_span_inside_a_generator_is_its_child(sdk):
    tracer, exporter = sdk

    @callspan.observe
    def body():
        with tracer.start_as_current_span("theirs"):
            yield 1
            callspan.observe(lambda: None, name="child")()
            yield 2

    with capture() as spans:
        assert [*body()] == [1, 2]
        assert get_context() == {}
    (theirs,) = exporter.get_finished_spans()
    assert spans.one("child").parent_id == f"{theirs.context.span_id:016x}"


def test_tokens_of_the_user_work_inside_and_across(caplog):
    @callspan.observe
    def body():
        token = otel_context.attach(otel_context.set_value("mine", 1))
        yield otel_context.get_value("mine")
        yield otel_context.get_value("mine")
        otel_context.detach(token)
        yield otel_context.get_value("mine")

    with capture(), caplog.at_level(logging.DEBUG):
        assert [(item, otel_context.get_value("mine")) for item in body()] == [(1, 1), (1, 1), (None, None)]
    assert get_context() == {}
    assert caplog.text == ""


def test_what_a_function_attaches_stays():
    @callspan.observe
    def attach():
        otel_context.attach(otel_context.set_value("mine", 1))

    before = get_context()
    with capture(), callspan.span("outer") as outer:
        attach()
        assert otel_context.get_value("mine") == 1
        assert callspan.current_span() is outer
    assert get_context() == {**before, "mine": 1}
    set_context(before)


def test_a_block_left_open_by_a_function_stays_current():
    manager = callspan.span("open")

    @callspan.observe
    def start():
        manager.__enter__()

    with capture() as spans:
        start()
        assert callspan.current_span().name == "open"
        manager.__exit__(None, None, None)
    assert [span.name for span in spans][1] == "open"
    set_context(otel_context.Context())
