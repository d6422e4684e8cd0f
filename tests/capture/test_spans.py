"""`with callspan.span(...)` and `callspan.current_span()`."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

import callspan
from callspan import ConfigurationError
from callspan.guard import guard
from callspan.model.span import NO_SPAN, InertSpan, Span
from callspan.testing import capture


def test_a_block_is_a_span():
    with capture(deterministic=True) as spans:
        with callspan.span("plan", kind="agent", input={"q": 1}, tags=["t"], metadata={"m": 2}) as span:
            assert callspan.current_span() is span
            assert span.is_recording()
            span.set_output([1, 2])
            span.set_attribute("k", 1)
            span.set_attributes({"nested": {"a": [1]}, "none": None})
            span.add_event("picked", {"n": 1})
        assert not span.is_recording()
    (record,) = spans
    assert (record.name, record.kind, record.agent_name) == ("plan", "agent", "plan")
    assert (record.input, record.output) == ({"q": 1}, [1, 2])
    assert record.attributes == {"k": 1, "nested": {"a": [1]}, "none": None}
    assert (record.tags, record.metadata) == (["t"], {"m": 2})
    assert [(event.name, event.attributes) for event in record.events] == [("picked", {"n": 1})]
    assert record.end_time_unix_ns > record.events[0].time_unix_ns > record.start_time_unix_ns


async def test_async_with():
    with capture() as spans:
        async with callspan.span("later") as span:
            await asyncio.sleep(0)
            assert callspan.current_span() is span
    assert [record.name for record in spans] == ["later"]


def test_an_exception_is_recorded_and_goes_on():
    error = ValueError("no")
    with capture() as spans, pytest.raises(ValueError) as caught, callspan.span("failing"):
        raise error
    assert caught.value is error
    assert (spans[0].outcome, spans[0].status, spans[0].error.message) == ("error", "error", "no")


def test_output_of_a_block_that_fails_stays():
    with capture() as spans, pytest.raises(ValueError), callspan.span("failing") as span:
        span.set_output("half")
        raise ValueError
    assert spans[0].output == "half"


def test_children_and_siblings():
    with capture() as spans, callspan.span("root"):
        with callspan.span("a"), callspan.span("a.a"):
            pass
        with callspan.span("b"):
            pass
    assert spans.tree() == "chain root\n  chain a\n    chain a.a\n  chain b"


def test_the_same_block_entered_again_and_in_itself():
    block = callspan.span("block")
    with capture() as spans:
        with block:
            pass
        with block as outer, block as inner:
            assert outer is not inner
            assert callspan.current_span() is inner
    assert spans.tree() == "chain block\nchain block\n  chain block"


def test_a_block_that_is_not_recorded_inside_one_that_is():
    block = callspan.span("block")
    with capture() as spans, block as outer:
        with callspan.suppress(), block as inner:
            assert inner is NO_SPAN
        assert callspan.current_span() is outer
        assert outer.is_recording()
    assert len(spans) == 1


async def test_one_block_in_several_tasks():
    block = callspan.span("block")

    async def work(number):
        async with block as span:
            span.set_output(number)
            await asyncio.sleep(0.001 * (3 - number))
            assert callspan.current_span() is span

    with capture() as spans:
        await asyncio.gather(*(work(number) for number in range(3)))
    assert sorted(span.output for span in spans) == [0, 1, 2]
    assert not callspan.current_span().is_recording()


def test_one_block_in_several_threads():
    block = callspan.span("block")
    barrier = threading.Barrier(4)

    def work(number):
        with block as span:
            barrier.wait()
            span.set_output(number)
            barrier.wait()
        return callspan.current_span()

    with capture() as spans, ThreadPoolExecutor(4) as pool:
        assert {*pool.map(work, range(4))} == {NO_SPAN}
    assert sorted(span.output for span in spans) == [0, 1, 2, 3]


def test_left_without_having_been_entered():
    callspan.span("x").__exit__(None, None, None)
    with capture():
        callspan.span("x").__exit__(None, None, None)
    assert not guard.counts


def test_without_configure_everything_is_harmless():
    with callspan.span("off", input=object()) as span:
        assert span is NO_SPAN
        assert callspan.current_span() is NO_SPAN
        assert span.set_input(1) is span
        assert span.set_output(1) is span
        span.set_attribute("k", 1)
        span.set_attributes({})
        span.add_event("e")
        span.add_link(None)
        span.update_name("n")
        span.set_status(StatusCode.ERROR)
        span.record_exception(ValueError())
        span.end()
        with span as same:
            assert same is span
        assert not span.is_recording()
        assert not span.get_span_context().is_valid


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "bogus"}, "kind: got str; choose one of llm"),
        ({"kind": None}, "kind: got NoneType"),
        ({"tags": "t"}, "tags: got str"),
        ({"metadata": 5}, "metadata: got int"),
    ],
    ids=str,
)
def test_wrong_options(options, words):
    with pytest.raises(ConfigurationError) as error:
        callspan.span("x", **options)
    assert str(error.value).startswith(words)


# -- the span itself ---------------------------------------------------------------------------------------------------


def test_span_has_every_method_of_opentelemetrys():
    methods = {name for name in dir(trace.Span) if not name.startswith("_")} | {"__enter__", "__exit__"}
    for kind in (Span, InertSpan):
        assert methods <= {*dir(kind)}
        assert issubclass(kind, trace.Span)
        assert not hasattr(kind(), "__dict__")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (StatusCode.OK, ("ok", None, "ok")),
        (StatusCode.ERROR, ("error", "why", "error")),
        (StatusCode.UNSET, ("unset", None, "ok")),
        (Status(StatusCode.ERROR, "inside"), ("error", "why", "error")),
        ("nonsense", ("unset", None, "ok")),
    ],
)
def test_set_status(status, expected):
    with capture() as spans, callspan.span("x") as span:
        span.set_status(status, "why")
    assert (spans[0].status, spans[0].status_message, spans[0].outcome) == expected


def test_status_ok_is_final_and_a_description_comes_from_the_status():
    with capture() as spans:
        with callspan.span("final") as span:
            span.set_status(StatusCode.OK)
            span.set_status(StatusCode.ERROR)
        with callspan.span("described") as span:
            span.set_status(Status(StatusCode.ERROR, "inside"))
    assert [(record.status, record.status_message) for record in spans] == [("ok", None), ("error", "inside")]


def test_record_exception_is_an_event():
    with capture() as spans, callspan.span("x") as span:
        span.record_exception(ValueError("seen"), {"more": 1}, timestamp=5)
    (event,) = spans[0].events
    assert (event.name, event.time_unix_ns) == ("exception", 5)
    assert event.attributes == {"exception.type": "ValueError", "exception.message": "seen", "more": 1}
    assert spans[0].outcome == "ok"


def test_links():
    with capture() as spans:
        with callspan.span("first") as first:
            pass
        with callspan.span("second") as second:
            second.add_link(first.get_span_context(), {"why": "because"})
    (link,) = spans.one("second").links
    assert (link.trace_id, link.span_id) == (spans[0].trace_id, spans[0].span_id)
    assert link.attributes == {"why": "because"}


def test_update_name_and_explicit_end():
    with capture() as spans:
        with callspan.span("old") as span:
            span.update_name("new")
            span.end(span.start_ns + 7)
            span.end()
        with callspan.span("backwards") as span:
            span.end(5)
    assert (spans[0].name, spans[0].end_time_unix_ns - spans[0].start_time_unix_ns) == ("new", 7)
    assert spans[1].end_time_unix_ns == spans[1].start_time_unix_ns
    assert guard.counts["span ended twice"] == 1


def test_repr_never_shows_contents():
    with capture(), callspan.span("x", input="secret") as span:
        assert repr(span).startswith("<callspan.Span chain 'x' ")
        assert "secret" not in repr(span)
    assert repr(NO_SPAN) == "<callspan.InertSpan>"


def test_a_span_as_its_own_context_manager_ends_with_the_exception():
    with capture() as spans, callspan.span("x") as span, pytest.raises(ValueError), span:
        raise ValueError("inside")
    assert (spans[0].outcome, spans[0].error.message) == ("error", "inside")


class Rude:
    """Answers every question with an exception."""

    def __getattribute__(self, name):
        raise ArithmeticError(name)

    def __repr__(self):
        raise ArithmeticError

    __str__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __repr__


ODD = {
    "none": None,
    "int": 5,
    "bytes": b"x",
    "list": [],
    "dict": {},
    "tuple": ("a",),
    "nan": float("nan"),
    "half": "\ud800",
}


@pytest.mark.parametrize("name", [*ODD, "object", "rude"])
def test_odd_arguments_do_not_reach_the_user_as_exceptions_of_ours(name):
    odd = ODD[name] if name in ODD else {"object": object, "rude": Rude}[name]()
    guard.strict = False
    with capture() as spans, callspan.span("x") as span:
        span.set_attribute(odd, odd)
        span.set_attribute("key", odd)
        span.set_attributes(odd)
        span.add_event(odd, odd, odd)
        span.add_event("name", odd)
        span.add_link(odd, odd)
        span.set_status(odd, odd)
        span.record_exception(odd, odd)
        span.set_input(odd)
        span.set_output(odd)
        span.update_name(odd)
        span.end(odd)
    assert len(spans) == 1
    assert isinstance(spans[0].name, str)
    spans[0].to_json()
    for event in spans[0].events:
        assert isinstance(event.name, str)
        assert isinstance(event.time_unix_ns, int)
        assert isinstance(event.attributes, dict)
    assert all(isinstance(key, str) for key in spans[0].attributes)
    assert isinstance(spans[0].end_time_unix_ns, int)


def test_long_texts_in_attributes_count_and_are_cut():
    with capture() as spans, callspan.span("x") as span:
        before = span.size
        span.set_attribute("long", "x" * 1_000_000)
        assert span.size > before + 200_000
        span.set_status(StatusCode.ERROR, "y" * 1_000_000)
    assert len(spans[0].attributes["long"]) < 300_000
    assert len(spans[0].status_message) < 300_000


def test_current_span_of_other_tracers_is_none_of_ours():
    with capture(), trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        assert callspan.current_span() is NO_SPAN
