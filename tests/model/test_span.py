"""A span's OpenTelemetry interface, open and sealed, and the span that records nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

import callspan
from callspan.model.span import NO_SPAN, STATUS_ERROR, STATUS_OK, STATUS_UNSET, InertSpan, Span
from callspan.testing import capture

TARGET = SpanContext(0x5B8AA5A2D2C872E8321CF37308D69DF2, 0x051581BF3CB55C13, is_remote=True)


@pytest.fixture
def spans():
    with capture(deterministic=True) as captured:
        yield captured


# -- the interface -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Span, InertSpan])
def test_every_method_of_the_interface_is_there_with_its_parameters(kind):
    assert issubclass(kind, trace.Span)
    for name, theirs in vars(trace.Span).items():
        if name.startswith("_") or not callable(theirs):
            continue
        ours = inspect.signature(getattr(kind, name))
        if "args" not in str(ours) and "_" not in ours.parameters:
            assert [*ours.parameters] == [*inspect.signature(theirs).parameters], name


def test_spans_have_no_dictionary(spans):
    with callspan.span("a") as span:
        pass
    for one in (span, InertSpan()):
        with pytest.raises(AttributeError):
            one.colour = "red"


def test_the_context(spans):
    with callspan.span("a") as span:
        context = span.get_span_context()
        assert trace.get_current_span() is span
    assert isinstance(context, SpanContext)
    assert (context.trace_id, context.span_id) == (span.trace_id, span.span_id)
    assert context.trace_flags == TraceFlags.SAMPLED
    assert not context.is_remote
    assert repr(span) == f"<callspan.Span chain 'a' {span.trace_id:032x}/{span.span_id:016x}>"


def test_the_model_alone_knows_no_opentelemetry():
    program = """
import sys
from callspan.model.span import NO_SPAN
assert "opentelemetry" not in sys.modules
try:
    NO_SPAN.get_span_context()
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "callspan.recording.otel has not been imported\n"


def test_what_is_set_is_recorded(spans):
    with callspan.span("a") as span:
        assert span.is_recording()
        assert span.set_input({"q": 1}).set_output([2]) is span
        span.set_attribute("text", "t")
        span.set_attributes({"number": 1, "flag": True, "ratio": 0.5, "nothing": None, "nested": {"a": [1, (2,)]}})
        span.set_attribute("number", 2)
        span.update_name("b")
    record = spans.one("b")
    assert (record.input, record.output) == ({"q": 1}, [2])
    assert record.attributes == {
        "text": "t",
        "number": 2,
        "flag": True,
        "ratio": 0.5,
        "nothing": None,
        "nested": {"a": [1, [2]]},
    }


def test_attributes_are_those_of_the_moment(spans):
    basket = ["sock"]
    with callspan.span("a") as span:
        span.set_attribute("basket", basket)
        span.add_event("sold", {"basket": basket})
        basket.append("shoe")
    assert spans[0].attributes == {"basket": ["sock"]}
    assert spans[0].events[0].attributes == {"basket": ["sock"]}


def test_keys_that_are_no_plain_strings(spans):
    class Key(str):
        __slots__ = ()

        def __str__(self):
            raise AssertionError("never asked")

    with callspan.span("a") as span:
        span.set_attribute(Key("mine"), 1)
        span.set_attribute(5, 2)
        span.set_attributes({None: 3})
    assert spans[0].attributes == {"mine": 1, "<int>": 2, "<NoneType>": 3}


def test_events(spans):
    with callspan.span("a") as span:
        span.add_event("first")
        span.add_event("second", {"n": 1}, 1_600_000_000_000_000_000)
        span.add_event("third", {}, timestamp=5)
    assert [(event.name, event.attributes) for event in spans[0].events] == [
        ("first", {}),
        ("second", {"n": 1}),
        ("third", {}),
    ]
    assert [event.time_unix_ns for event in spans[0].events][1:] == [1_600_000_000_000_000_000, 5]
    assert spans[0].events[0].time_unix_ns >= 1_700_000_000_000_000_000


def test_links(spans):
    with callspan.span("a") as span:
        span.add_link(TARGET)
        span.add_link(Link(TARGET).context, {"why": "retry"})
        span.add_link(None)
        span.add_link(trace.INVALID_SPAN_CONTEXT)
    assert [(link.trace_id, link.span_id, link.attributes) for link in spans[0].links] == [
        ("5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13", {}),
        ("5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13", {"why": "retry"}),
    ]


@pytest.mark.parametrize("field", ["attributes", "events", "links"])
def test_one_span_keeps_so_many_and_says_how_much_it_left_out(spans, field):
    with callspan.span("a") as span:
        for number in range(1027):
            if field == "attributes":
                span.set_attribute(f"k{number}", number)
            elif field == "events":
                span.add_event(f"e{number}")
            else:
                span.add_link(TARGET)
        span.set_attribute("k0", "changed")
    if field == "attributes":
        assert spans[0].attributes["k0"] == "changed"
    assert span.truncated[field] == 3 * 64


# -- status ------------------------------------------------------------------------------------------------------------


ERROR, OK, UNSET = StatusCode.ERROR, StatusCode.OK, StatusCode.UNSET


@pytest.mark.parametrize(
    ("given", "status", "message", "outcome"),
    [
        ([], STATUS_UNSET, None, "ok"),
        ([(UNSET, "x")], STATUS_UNSET, None, "ok"),
        ([(OK, "ignored")], STATUS_OK, None, "ok"),
        ([(ERROR, "broken")], STATUS_ERROR, "broken", "error"),
        ([(ERROR, None)], STATUS_ERROR, None, "error"),
        ([(Status(ERROR, "broken"), None)], STATUS_ERROR, "broken", "error"),
        ([(Status(OK), None)], STATUS_OK, None, "ok"),
        ([(STATUS_ERROR, "by number")], STATUS_ERROR, "by number", "error"),
        ([(ERROR, "first"), (ERROR, "second")], STATUS_ERROR, "second", "error"),
        ([(ERROR, "first"), (UNSET, None)], STATUS_ERROR, "first", "error"),
        ([(ERROR, "first"), (OK, None)], STATUS_OK, None, "ok"),
        ([(OK, None), (ERROR, "late")], STATUS_OK, None, "ok"),
        ([("nonsense", None), (None, None), (7, None)], STATUS_UNSET, None, "ok"),
    ],
)
def test_status(spans, given, status, message, outcome):
    with callspan.span("a") as span:
        for code, description in given:
            span.set_status(code, description)
    assert (span.status, span.status_message, span.outcome) == (status, message, outcome)
    assert spans[0].status == ("unset", "ok", "error")[status]


def test_a_recorded_exception_is_an_event_and_no_status(spans):
    with callspan.span("a") as span:
        span.record_exception(ValueError("no sock"), {"exception.escaped": "False"}, timestamp=7)
    assert (spans[0].status, spans[0].outcome, spans[0].error) == ("unset", "ok", None)
    (event,) = spans[0].events
    assert (event.name, event.time_unix_ns) == ("exception", 7)
    assert event.attributes == {
        "exception.type": "ValueError",
        "exception.message": "no sock",
        "exception.escaped": "False",
    }


# -- the end -----------------------------------------------------------------------------------------------------------


def test_after_the_end_nothing_changes(spans):
    with callspan.span("a") as span:
        span.set_input(1)
        span.set_output(2)
        span.set_attribute("a", 1)
    before = spans[0].model_dump()
    span.set_input(5).set_output(6)
    span.set_status(OK)
    span.set_attribute("b", 2)
    span.set_attributes({"c": 3})
    span.add_event("late")
    span.add_link(TARGET)
    span.update_name("other")
    span.set_status(ERROR, "late")
    span.record_exception(ValueError("late"))
    assert not span.is_recording()
    assert len(spans) == 1
    assert spans[0].model_dump() == before
    assert (span.name, span.status, span.outcome) == ("a", STATUS_UNSET, "ok")
    assert not span.events
    assert not span.links
    assert span.get_span_context().span_id == span.span_id
    assert span.open_facts() is span.facts


def test_a_span_ends_once_at_the_time_it_is_told(spans):
    with callspan.span("a") as span:
        span.end(span.start_ns + 5_000_000)
        span.end()
    assert len(spans) == 1
    assert spans[0].duration_ms == 5.0


def test_a_span_does_not_end_before_it_began(spans):
    with callspan.span("a") as span:
        span.end(1)
    assert spans[0].duration_ms == 0.0


def test_a_span_as_a_block_of_its_own(spans):
    with callspan.span("a") as span, span as same:
        assert same is span
    assert not span.is_recording()
    assert (len(spans), spans[0].outcome) == (1, "ok")


def test_a_block_that_fails(spans):
    with callspan.span("a") as span, pytest.raises(KeyError), span:
        raise KeyError("sku")
    assert (spans[0].status, spans[0].outcome) == ("error", "error")
    assert (spans[0].error.type, spans[0].error.message) == ("KeyError", "'sku'")
    with pytest.raises(KeyError), span:  # ended before: what it says stays
        raise KeyError("late")
    assert span.error.message == "'sku'"


# -- the span that records nothing -------------------------------------------------------------------------------------


def test_an_inert_span_takes_everything_and_records_nothing(spans):
    span = callspan.current_span()
    assert span is NO_SPAN
    assert span.set_input(1).set_output(2) is span
    for nothing in (
        span.set_attribute("a", 1),
        span.set_attributes({"a": 1}),
        span.add_event("e", {"a": 1}, 5),
        span.add_link(TARGET, {"a": 1}),
        span.update_name("b"),
        span.set_status(ERROR, "x"),
        span.record_exception(ValueError(), {"a": 1}, timestamp=5, escaped=True),
        span.end(5),
        span.end(),
    ):
        assert nothing is None
    assert not span.is_recording()
    assert (span.name, span.kind, span.trace_id, span.span_id) == ("", "chain", 0, 0)
    assert repr(span) == "<callspan.InertSpan>"
    with pytest.raises(ValueError, match="mine"), span as same:
        assert same is span
        raise ValueError("mine")
    assert spans == []


def test_the_context_of_an_inert_span():
    assert not NO_SPAN.get_span_context().is_valid
    context = InertSpan(0x5B8AA5A2D2C872E8321CF37308D69DF2, 0x051581BF3CB55C13).get_span_context()
    assert context.is_valid
    assert context.trace_flags == TraceFlags.DEFAULT
    assert f"{context.span_id:016x}" == "051581bf3cb55c13"
