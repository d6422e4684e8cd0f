"""`inject` and `extract`: one trace and one conversation across processes, and nothing believed that makes no sense."""

from __future__ import annotations

import collections
import logging
from types import MappingProxyType

import httpx
import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator

import callspan
from callspan import ConfigurationError
from callspan.guard import guard
from callspan.recording.otel import get_context
from callspan.testing import capture

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@callspan.tool
def work():
    return callspan.current_span()


# -- inject ------------------------------------------------------------------------------------------------------------


def test_the_current_span_is_written():
    headers = {"accept": "*/*"}
    with capture(), callspan.span("caller") as span:
        callspan.inject(headers)
    assert headers == {"accept": "*/*", "traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-01"}


@pytest.mark.parametrize("make", [dict, httpx.Headers, collections.OrderedDict])
def test_headers_of_any_kind_that_can_be_assigned_to(make):
    headers = make()
    with capture(), callspan.span("caller"):
        assert callspan.inject(headers) is None
    assert headers["traceparent"].startswith("00-")


def test_headers_that_came_along_are_replaced_however_they_are_spelled():
    incoming = {"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate": "a=1"}
    with capture(), callspan.extract(incoming), callspan.span("forward") as span:
        outgoing = dict(incoming)
        callspan.inject(outgoing)
    assert outgoing == {
        "Traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{span.span_id:016x}-01",
        "Tracestate": "a=1",
    }


def test_a_span_of_another_tracer_is_written_with_its_state():
    state = trace.TraceState([("vendor", "1")])
    foreign = trace.NonRecordingSpan(trace.SpanContext(TRACE, PARENT, False, trace.TraceFlags(1), state))
    headers = {}
    with capture(), trace.use_span(foreign):
        callspan.inject(headers)
        with callspan.span("below"):
            below = {}
            callspan.inject(below)
    assert headers == {"traceparent": HEADER, "tracestate": "vendor=1"}
    assert below["tracestate"] == "vendor=1"
    assert below["traceparent"][:35] == HEADER[:35]


def test_a_trace_that_is_not_recorded_says_so():
    headers = {}
    callspan.configure(exporters=["memory"], sample_rate=0.0)
    with callspan.span("caller"):
        callspan.inject(headers)
    assert headers["traceparent"].endswith("-00")


def test_nothing_is_written_where_there_is_nothing():
    headers = {}
    callspan.inject(headers)  # off
    with capture():
        callspan.inject(headers)  # no span
        with callspan.span("caller"), callspan.suppress():
            callspan.inject(headers, conversation=True)
    assert headers == {}


def test_the_conversation_is_written_on_demand_only():
    plain, asked = {}, {"baggage": "team=7"}
    with capture(), callspan.conversation("c 1", user_id="u"), callspan.span("turn"):
        callspan.inject(plain)
        callspan.inject(asked, conversation=True)
    assert "baggage" not in plain
    expected = "team=7,gen_ai.conversation.id=c%201,callspan.conversation.step=1,user.id=u"
    assert asked["baggage"] == expected


def test_the_conversation_is_written_by_setting():
    callspan.configure(exporters=["memory"], propagate_conversation=True)
    headers, silent = {"Baggage": "a=1"}, {}
    with callspan.conversation("c"):
        callspan.inject(headers)
        callspan.inject(silent, conversation=False)
    assert headers == {"Baggage": "a=1,gen_ai.conversation.id=c"}
    assert silent == {}


def test_opentelemetry_reads_what_is_written():
    headers = {}
    with capture(), callspan.conversation("c,é", step=4), callspan.span("turn"):
        callspan.inject(headers, conversation=True)
    entries = W3CBaggagePropagator().extract(headers)
    from opentelemetry import baggage

    assert baggage.get_all(entries) == {"gen_ai.conversation.id": "c,é", "callspan.conversation.step": "4"}


@pytest.mark.parametrize("headers", [None, "x", 3, [("a", "b")], (), MappingProxyType({})])
def test_what_cannot_be_assigned_to_is_refused(headers):
    with pytest.raises(ConfigurationError, match="headers"):
        callspan.inject(headers)


def test_headers_that_raise_stop_nobody():
    class Locked(dict):
        def __setitem__(self, name, value):
            raise RuntimeError("locked")

    guard.strict = False
    with capture(), callspan.span("caller"):
        callspan.inject(Locked())
    assert guard.counts["injecting headers"] == 1


# -- extract -----------------------------------------------------------------------------------------------------------


def test_the_trace_goes_on():
    with capture() as spans:
        with callspan.extract({"traceparent": HEADER, "tracestate": "vendor=1"}):
            span = work()
        outside = work()
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert span.get_span_context().trace_state == {"vendor": "1"}
    assert outside.parent_id is None
    assert outside.trace_id != TRACE
    assert len(spans) == 2


async def test_it_is_an_asynchronous_block_too():
    with capture():
        async with callspan.extract({"traceparent": HEADER}):
            assert work().parent_id == PARENT
        assert work().parent_id is None


def test_one_block_can_be_entered_again():
    with capture():
        block = callspan.extract({"traceparent": HEADER})
        for _ in range(3):
            with block:
                assert work().parent_id == PARENT
            assert work().parent_id is None


def test_the_context_is_the_same_object_afterwards():
    with capture():
        before = get_context()
        with callspan.extract({"traceparent": HEADER, "baggage": "user.id=u"}, conversation=True):
            assert get_context() is not before
        assert get_context() is before


def test_what_the_block_attaches_itself_stays():
    with capture():
        block = callspan.extract({"traceparent": HEADER})
        with block:
            token = otel_context.attach(otel_context.set_value("mine", 1))
        assert otel_context.get_value("mine") == 1
        assert not trace.get_current_span().get_span_context().is_valid
        otel_context.detach(token)
        otel_context.attach(otel_context.Context())


def test_a_trace_that_was_not_sampled_is_not_recorded():
    with capture() as spans, callspan.extract({"traceparent": HEADER[:-1] + "0"}):
        work()
    assert len(spans) == 0


def test_a_local_span_of_the_same_trace_stays_the_parent():
    """As where an instrumented web server has made its span of the same headers."""
    server = trace.NonRecordingSpan(trace.SpanContext(TRACE, 5, False, trace.TraceFlags(1)))
    with capture(), trace.use_span(server), callspan.extract({"traceparent": HEADER}):
        assert work().parent_id == 5


def test_a_local_span_of_another_trace_does_not():
    """As where a loop that takes messages from a queue has a span of its own."""
    with capture(), callspan.span("loop"):
        with callspan.extract({"traceparent": HEADER}):
            assert work().parent_id == PARENT
        with callspan.extract({"traceparent": "garbage"}):
            assert work().parent_id == callspan.current_span().span_id


def test_there_and_back():
    headers = {}
    with capture() as spans:
        with callspan.conversation("c", user_id="u"):
            work()
            with callspan.span("second turn") as caller:
                callspan.inject(headers, conversation=True)
        with callspan.extract(headers, conversation=True):
            work()
            with callspan.conversation("c"):
                work()
    there = [span for span in spans if span.parent_id == f"{caller.span_id:016x}"]
    assert [(span.conversation_id, span.step, span.user_id) for span in there] == [("c", 2, "u")] * 2
    assert {span.trace_id for span in there} == {f"{caller.trace_id:032x}"}


@pytest.mark.parametrize(
    ("baggage", "expected"),
    [
        ("gen_ai.conversation.id=c", ("c", 1, None)),
        ("gen_ai.conversation.id=c,callspan.conversation.step=9", ("c", 9, None)),
        ("user.id=u", (None, None, "u")),
        ("other=1", (None, None, None)),
    ],
)
def test_the_conversation_is_read_on_demand(baggage, expected):
    headers = {"baggage": baggage}
    with capture() as spans:
        with callspan.extract(headers):
            work()
        with callspan.extract(headers, conversation=True):
            work()
    told = [(span.conversation_id, span.step, span.user_id) for span in spans]
    assert told == [(None, None, None), expected]


def test_the_conversation_is_read_by_setting(monkeypatch):
    monkeypatch.setenv("CALLSPAN_PROPAGATE_CONVERSATION", "true")
    callspan.configure(exporters=["memory"])
    with callspan.extract({"baggage": "gen_ai.conversation.id=c"}), callspan.span("turn") as span:
        assert span.scope.conversation_id == "c"
    with callspan.extract({"baggage": "gen_ai.conversation.id=c"}, conversation=False), callspan.span("turn") as span:
        assert span.scope is None


def test_off_it_reads_nothing():
    class Unread(dict):
        def items(self):
            raise AssertionError("read while off")

    with callspan.extract(Unread()):
        work()


@pytest.mark.parametrize("headers", [None, "traceparent", b"x", 3])
def test_what_cannot_hold_headers_is_refused(headers):
    with pytest.raises(ConfigurationError, match="headers"):
        callspan.extract(headers)


def test_headers_that_cannot_be_read_begin_a_new_trace():
    class Broken(dict):
        def items(self):
            raise RuntimeError("broken")

    guard.strict = False
    with capture(), callspan.extract(Broken()):
        assert work().parent_id is None
    assert guard.counts["extracting headers"] == 1


# -- G15: headers from outside -----------------------------------------------------------------------------------------

GARBAGE = [
    "",
    "00",
    "garbage",
    "00-" + "0" * 32 + "-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz",
    "00-" + "a" * 1_000_000 + "-b7ad6b7169203331-01",
    "\x00" * 55,
    HEADER + "\r\nx-injected: 1",
    "\u0660" * 55,
]


@pytest.mark.parametrize("traceparent", GARBAGE, ids=range(len(GARBAGE)))
def test_g15_a_garbled_parent_begins_a_new_trace(traceparent):
    with capture() as spans, callspan.extract({"traceparent": traceparent}):
        span = work()
    assert span.parent_id is None
    assert span.trace_id != TRACE
    assert len(spans) == 1


@pytest.mark.parametrize("tracestate", ["=", "a" * 1_000_000, "a=1," * 900, "\x00", "a=1,a=2"], ids=range(5))
def test_g15_a_garbled_state_costs_the_state_only(tracestate):
    with capture(), callspan.extract({"traceparent": HEADER, "tracestate": tracestate}):
        assert work().parent_id == PARENT


@pytest.mark.parametrize(
    "baggage",
    [
        "x" * 1_000_000,
        "gen_ai.conversation.id=c," * 40_000,
        "gen_ai.conversation.id=" + "%00" * 9,
        "=,=,=;;",
        "\x00\r\n",
    ],
    ids=range(5),
)
def test_g15_baggage_beyond_the_limits_is_ignored_in_silence(baggage, caplog):
    caplog.set_level(logging.DEBUG)
    with capture() as spans, callspan.extract({"traceparent": HEADER, "baggage": baggage}, conversation=True):
        work()
    (span,) = spans
    assert span.parent_id == f"{PARENT:016x}"
    assert (span.conversation_id, span.step, span.user_id) == (None, None, None)
    assert caplog.records == []
