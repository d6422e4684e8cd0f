"""Spans of other tracers in our pipeline: through `callspan.tracer_provider()`, nested both ways."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

import callspan
from callspan.testing import capture


@pytest.fixture
def tracer():
    return callspan.tracer_provider().get_tracer("opentelemetry.instrumentation.shop", "1.2")


def test_it_is_a_provider_of_the_interface_and_always_the_same(tracer):
    assert isinstance(callspan.tracer_provider(), trace.TracerProvider)
    assert callspan.tracer_provider() is callspan.tracer_provider()
    assert isinstance(tracer, trace.Tracer)


def test_everything_a_span_is_given_is_kept(tracer):
    other = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
    with capture() as spans:
        span = tracer.start_span(
            "GET /", kind=SpanKind.CLIENT, attributes={"http.method": "GET"}, links=[Link(other, {"why": "retry"})]
        )
        assert span.is_recording()
        span.set_attribute("http.status", 200)
        span.add_event("sent", {"bytes": 3}, timestamp=5)
        span.set_status(Status(StatusCode.OK))
        span.update_name("GET /socks")
        span.end()
        span.end()

    (record,) = spans
    assert (record.name, record.kind, record.status, record.outcome) == ("GET /socks", "chain", "ok", "ok")
    assert record.attributes == {
        "http.method": "GET",
        "http.status": 200,
        "otel.scope.name": "opentelemetry.instrumentation.shop",
        "otel.scope.version": "1.2",
    }
    assert [(event.name, event.time_unix_ns, event.attributes) for event in record.events] == [
        ("sent", 5, {"bytes": 3})
    ]
    assert [(link.trace_id, link.span_id, link.attributes) for link in record.links] == [
        (f"{7:032x}", f"{8:016x}", {"why": "retry"})
    ]


@pytest.mark.parametrize(
    ("attributes", "kind", "component"),
    [
        ({}, "chain", None),
        ({"gen_ai.operation.name": "chat"}, "llm", None),
        ({"gen_ai.operation.name": "execute_tool"}, "tool", None),
        ({"gen_ai.operation.name": "invoke_workflow"}, "chain", "workflow"),
        ({"openinference.span.kind": "RETRIEVER"}, "retriever", None),
        ({"openinference.span.kind": "AGENT", "gen_ai.operation.name": "chat"}, "agent", None),
        ({"traceloop.span.kind": "workflow"}, "chain", "workflow"),
        ({"openinference.span.kind": 3, "gen_ai.operation.name": ["chat"]}, "chain", None),
    ],
)
def test_the_kind_follows_from_attributes_even_those_set_later(tracer, attributes, kind, component):
    with capture() as spans:
        tracer.start_span("one", attributes=attributes).end()
        later = tracer.start_span("two")
        later.set_attributes(attributes)
        later.end()

    assert [(record.kind, record.component) for record in spans] == [(kind, component)] * 2


def test_the_kind_of_the_interface_goes_to_the_wire(tracer):
    from callspan.encoding.outline import span_kind

    sealed = []
    with capture():
        for kind in SpanKind:
            span = tracer.start_span("x", kind=kind)
            sealed.append(span)
            span.end()
        tracer.start_span("x", kind="nonsense").end()
    assert [span_kind(span) for span in sealed] == [1, 2, 3, 4, 5]


def test_spans_nest_both_ways(tracer):
    with capture() as spans, callspan.span("ours"):
        with tracer.start_as_current_span("theirs") as theirs:
            assert trace.get_current_span() is theirs
            with callspan.span("ours again"):
                tracer.start_span("not current").end()
        assert callspan.current_span().name == "ours"

    by_name = {record.name: record for record in spans}
    assert by_name["theirs"].parent_id == by_name["ours"].span_id
    assert by_name["ours again"].parent_id == by_name["theirs"].span_id
    assert by_name["not current"].parent_id == by_name["ours again"].span_id
    assert len({record.trace_id for record in spans}) == 1


def test_a_context_can_be_given(tracer):
    remote = NonRecordingSpan(SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1)))
    with capture() as spans, callspan.span("here"):
        tracer.start_span("below", context=trace.set_span_in_context(remote)).end()
        tracer.start_span("root", context=otel_context.Context()).end()

    below, root, _ = spans
    assert (below.trace_id, below.parent_id) == (f"{7:032x}", f"{8:016x}")
    assert root.parent_id is None


def test_an_exception_is_recorded_and_goes_on(tracer):
    error = ValueError("no socks")
    with capture() as spans, pytest.raises(ValueError) as caught, tracer.start_as_current_span("sell"):
        raise error

    assert caught.value is error
    (record,) = spans
    assert (record.status, record.outcome) == ("error", "error")
    assert (record.error.type, record.error.message) == ("ValueError", "no socks")


def test_who_does_not_want_exceptions_recorded_is_heard(tracer):
    block = tracer.start_as_current_span("sell", record_exception=False, set_status_on_exception=False)
    with capture() as spans, contextlib.suppress(ValueError), block:
        raise ValueError

    (record,) = spans
    assert (record.status, record.error, record.events) == ("unset", None, [])


def test_a_span_may_stay_open_beyond_its_block(tracer):
    with capture() as spans:
        with tracer.start_as_current_span("open", end_on_exit=False) as span:
            pass
        assert span.is_recording()
        assert list(spans) == []
        span.end()
    assert [record.name for record in spans] == ["open"]


def test_it_decorates_functions_and_coroutine_functions(tracer):
    @tracer.start_as_current_span("plain")
    def plain():
        return 1

    @tracer.start_as_current_span("awaited")
    async def awaited():
        await asyncio.sleep(0)
        return callspan.current_span().name

    with capture() as spans:
        assert plain() == 1
        assert asyncio.run(awaited()) == "awaited"
    assert [record.name for record in spans] == ["plain", "awaited"]


def test_times_can_be_given(tracer):
    with capture() as spans:
        tracer.start_span("past", start_time=1_000).end(end_time=5_000)
        span = tracer.start_span("until now", start_time=1_000)
        span.end()

    past, now = spans
    assert (past.start_time_unix_ns, past.end_time_unix_ns) == (1_000, 5_000)
    assert now.end_time_unix_ns > 1_600_000_000_000_000_000


def test_times_that_no_receiver_takes_are_now(tracer):
    with capture() as spans:
        span = tracer.start_span("odd", start_time=2**70)
        span.add_event("before", timestamp=-5)
        span.add_event("after", timestamp=2**64)
        span.end(end_time=2**64)
    (odd,) = spans
    times = (odd.start_time_unix_ns, *(event.time_unix_ns for event in odd.events), odd.end_time_unix_ns)
    assert list(times) == sorted(times)
    assert times[0] > 1_600_000_000_000_000_000
    assert times[-1] < 2**62


def test_while_callspan_is_off_ids_are_handed_on_and_nothing_is_recorded(tracer):
    remote = NonRecordingSpan(SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1)))
    with trace.use_span(remote), tracer.start_as_current_span("nothing") as span:
        assert not span.is_recording()
        assert span.get_span_context().span_id == 8
    assert not tracer.start_span("nothing").get_span_context().is_valid


def test_suppressed_and_sampled_out(tracer):
    with capture() as spans, callspan.suppress():
        tracer.start_span("quiet").end()
    assert list(spans) == []

    callspan.configure(exporters=["memory"], sample_rate=0.0)
    with tracer.start_as_current_span("root") as root:
        assert root.get_span_context().is_valid
        assert not root.get_span_context().trace_flags.sampled
        assert tracer.start_span("below").get_span_context().trace_id == root.get_span_context().trace_id
    callspan.flush(5)
    assert callspan.stats()["memory"]["dropped"] == {"sampled": 1}


def test_nonsense_raises_nothing(tracer):
    with capture() as spans:
        tracer.start_span(3, attributes=7, links=[None, 5], start_time="now").end()
    assert [record.name for record in spans] == ["<int>"]


def test_arguments_that_break_when_looked_at_cost_the_span_only(tracer):
    from callspan.guard import guard

    class Odd:
        def __iter__(self):
            raise ArithmeticError

    guard.strict = False
    with capture():
        assert tracer.start_span("x", links=Odd()) is trace.INVALID_SPAN
    assert guard.counts["starting a span of a tracer"] == 1
