"""A decorated generator function next to the plain one: same protocol, same lifetime, and a span of its own."""

from __future__ import annotations

import gc
import inspect
import threading
import traceback
import weakref
from collections.abc import Callable, Generator, Iterator
from types import GeneratorType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callspan
from callspan.testing import capture

# -- the same transcript -----------------------------------------------------------------------------------------------

LEAVES = st.one_of(
    st.tuples(st.just("yield"), st.integers(0, 9)),
    st.tuples(st.just("catch"), st.integers(0, 9)),
    st.tuples(st.just("swallow"), st.integers(0, 9)),
    st.tuples(st.just("return"), st.integers(0, 9)),
    st.tuples(st.just("raise"), st.sampled_from([ValueError, StopIteration, KeyError, GeneratorExit])),
)
BODIES = st.recursive(
    st.lists(LEAVES, max_size=4),
    lambda inner: st.lists(st.one_of(LEAVES, st.tuples(st.just("from"), inner)), max_size=4),
    max_leaves=8,
)
SCRIPTS = st.lists(
    st.one_of(
        st.just(("next", None)),
        st.tuples(st.just("send"), st.sampled_from([None, 7])),
        st.tuples(st.just("throw"), st.sampled_from([ValueError, KeyError, StopIteration, GeneratorExit])),
        st.just(("close", None)),
    ),
    min_size=1,
    max_size=6,
)


def play(body: list[Any], log: list[Any]) -> Generator[Any, Any, Any]:
    """Do what the body's actions say, noting everything that arrives."""
    try:
        for action, value in body:
            if action == "yield":
                log.append((yield value))
            elif action == "catch":
                try:
                    log.append((yield value))
                except ValueError as error:
                    log.append(("caught", error.args))
            elif action == "swallow":
                try:
                    log.append((yield value))
                except BaseException as error:
                    log.append(("swallowed", type(error)))
            elif action == "return":
                return value
            elif action == "raise":
                raise value("raised")
            else:
                log.append((yield from play(value, log)))
    finally:
        log.append("finally")


def transcript(function: Callable[..., Any], body: list[Any], script: list[Any]) -> list[Any]:
    """Return what came out and what went in, up to an ignored GeneratorExit: then `yield from` drops the body."""
    log: list[Any] = []
    generator = function(body, log)
    seen = []
    for operation, value in script:
        try:
            if operation == "next":
                result = next(generator)
            elif operation == "send":
                result = generator.send(value)
            elif operation == "throw":
                result = generator.throw(value("thrown"))
            else:
                result = generator.close()
        except BaseException as error:
            seen.append((operation, type(error), error.args, type(error.__cause__), type(error.__context__)))
            if "generator ignored GeneratorExit" in error.args:
                return seen
        else:
            seen.append((operation, result))
        seen.append(inspect.getgeneratorstate(generator))
    try:
        generator.close()
    except BaseException as error:
        seen += [type(error), error.args]
        if "generator ignored GeneratorExit" in error.args:
            return seen
    return [*seen, *log]


@settings(max_examples=400, deadline=None)
@given(BODIES, SCRIPTS)
def test_every_script_has_the_same_transcript(body, script):
    plain = transcript(play, body, script)
    decorated = callspan.observe(play)
    assert transcript(decorated, body, script) == plain
    with capture() as spans:
        assert transcript(decorated, body, script) == plain
    assert len(spans) <= 1


@settings(max_examples=100, deadline=None)
@given(BODIES, SCRIPTS)
def test_the_same_transcript_through_yield_from(body, script):
    def around(function):
        def delegate(body, log):
            log.append((yield from function(body, log)))

        return delegate

    plain = transcript(around(play), body, script)  # differs from the one above: see PEP 380 on GeneratorExit
    with capture():
        assert transcript(around(callspan.observe(play)), body, script) == plain
        assert transcript(callspan.observe(around(callspan.observe(play))), body, script) == plain


# -- what it is --------------------------------------------------------------------------------------------------------


@callspan.observe
def numbers(count: int = 3) -> Iterator[int]:
    """Yield numbers."""
    yield from range(count)
    return "done"


def test_it_is_a_generator_with_its_own_name():
    generator = numbers()
    assert type(generator) is GeneratorType
    assert generator.__name__ == "numbers"
    assert generator.__qualname__ == "numbers"
    assert inspect.isgeneratorfunction(numbers)
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED


def test_span_holds_arguments_chunks_and_times():
    with capture(deterministic=True) as spans:
        assert [*numbers(2)] == [0, 1]
    (span,) = spans
    assert span.input == {"count": 2}
    assert span.output == [0, 1]
    assert span.chunk_count == 2
    assert span.time_to_first_chunk_s == 0.001
    assert span.outcome == "ok"


def test_nothing_happens_before_the_first_step():
    ran = []

    @callspan.observe
    def lazy():
        ran.append(1)
        yield 1

    with capture() as spans:
        generator = lazy()
        assert ran == []
        generator.close()
        lazy()
    assert ran == []
    assert spans == []


def test_wrong_arguments_raise_when_the_first_item_is_asked_for_or_earlier():
    with capture() as spans, pytest.raises(TypeError, match=r"numbers\(\) got an unexpected keyword argument 'x'"):
        next(numbers(x=1))
    assert [span.outcome for span in spans] == ["error"]


def test_a_stream_without_items():
    with capture() as spans:
        assert [*numbers(0)] == []
    assert spans[0].output == []
    assert spans[0].chunk_count == 0
    assert spans[0].time_to_first_chunk_s is None


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_break_ends_the_span_when_the_generator_is_dropped():
    with capture() as spans:
        for _number in numbers(5):
            break
        assert [span.outcome for span in spans] == ["abandoned"]
    assert spans[0].output == [0]
    assert spans[0].status == "unset"
    assert spans[0].error is None


def test_close_that_the_body_swallows_is_still_given_up():
    @callspan.observe
    def polite():
        try:
            yield 1
        except GeneratorExit:
            return

    with capture() as spans:
        generator = polite()
        next(generator)
        generator.close()
    assert [span.outcome for span in spans] == ["abandoned"]


def test_an_error_while_closing_is_an_error():
    @callspan.observe
    def rude():
        try:
            yield 1
        finally:
            raise OSError("no cleanup")

    with capture() as spans:
        generator = rude()
        next(generator)
        with pytest.raises(OSError, match="no cleanup"):
            generator.close()
    assert [(span.outcome, span.error.type) for span in spans] == [("error", "OSError")]


def test_an_error_keeps_identity_and_adds_one_frame():
    error = ValueError("middle")

    @callspan.observe
    def failing():
        yield 1
        raise error

    with capture() as spans:
        generator = failing()
        next(generator)
        with pytest.raises(ValueError) as caught:
            next(generator)
    assert caught.value is error
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == [
        "test_an_error_keeps_identity_and_adds_one_frame",
        "wrapper",
        "failing",
    ]
    assert error.__context__ is None
    assert (spans[0].outcome, spans[0].error.message, spans[0].output) == ("error", "middle", [1])
    assert [frame.function for frame in spans[0].error.frames] == ["failing"]


def test_a_thrown_error_adds_one_frame_too():
    error = ValueError("thrown")

    @callspan.observe
    def passive():
        yield 1

    with capture():
        generator = passive()
        next(generator)
        with pytest.raises(ValueError) as caught:
            generator.throw(error)
    assert caught.value is error
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names == ["test_a_thrown_error_adds_one_frame_too", "wrapper", "passive"]


@pytest.mark.parametrize("thrown", [False, True])
def test_an_error_leaves_no_reference_cycle(thrown):
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)

    @callspan.observe
    def failing(value):
        yield 1
        raise ValueError

    gc.collect()
    gc.disable()
    try:
        with capture():
            generator = failing(held)
            next(generator)
            try:
                if thrown:
                    generator.throw(ValueError())
                else:
                    next(generator)
            except ValueError:
                pass
            del generator, held
        assert gone() is None
    finally:
        gc.enable()


# -- who is current ----------------------------------------------------------------------------------------------------


def test_calls_inside_are_children_and_the_consumer_s_are_not():
    @callspan.observe
    def work(where):
        return callspan.current_span().name

    @callspan.observe
    def stream():
        yield work("inside")
        yield work("inside")

    with capture() as spans:
        with callspan.span("consumer"):
            for _ in stream():
                assert callspan.current_span().name == "consumer"
                work("outside")
        assert not callspan.current_span().is_recording()
    consumer = spans.one("consumer")
    parents = {"inside": spans.one("stream").span_id, "outside": consumer.span_id}
    assert all(span.parent_id == parents[span.input["where"]] for span in spans if span.name == "work")


def test_a_block_of_the_body_that_is_open_over_a_yield_is_not_current_in_the_consumer():
    @callspan.observe
    def stream():
        with callspan.span("block"):
            yield 1
            yield callspan.current_span().name
        yield callspan.current_span().name

    with capture() as spans:
        with callspan.span("consumer"):
            seen = []
            for item in stream():
                seen += [item, callspan.current_span().name]
        assert not callspan.current_span().is_recording()
    assert seen == [1, "consumer", "block", "consumer", "stream", "consumer"]
    assert spans.one("block").parent_id == spans.one("stream").span_id


def test_a_conversation_inside_the_body_does_not_reach_the_consumer():
    @callspan.observe
    def stream():
        with callspan.conversation("inner"):
            yield 1
            with callspan.span("turn"):
                pass

    with capture() as spans:
        generator = stream()
        next(generator)
        with callspan.span("outside"):
            pass
        assert [*generator] == []
    assert spans.one("outside").conversation_id is None
    assert (spans.one("turn").conversation_id, spans.one("turn").step) == ("inner", 1)


def test_interleaved_generators_keep_apart():
    @callspan.observe
    def stream(name):
        for _ in range(3):
            with callspan.span(name):
                yield callspan.current_span().name

    with capture() as spans:
        assert [*zip(stream("a"), stream("b"), strict=True)] == [("a", "b")] * 3
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span.name in ("a", "b"):
            assert by_id[span.parent_id].input == {"name": span.name}
    assert not callspan.current_span().is_recording()


def test_consumed_in_another_thread():
    @callspan.observe
    def stream():
        yield callspan.current_span().name
        yield callspan.current_span().name

    seen = []

    def finish(generator):
        with callspan.span("other"):
            for item in generator:
                seen.append((item, callspan.current_span().name))

    with capture() as spans, callspan.span("creator"):
        generator = stream()
        assert next(generator) == "stream"
        thread = threading.Thread(target=finish, args=(generator,))
        thread.start()
        thread.join()
        assert callspan.current_span().name == "creator"
    assert seen == [("stream", "other")]
    assert spans.one("stream").parent_id == spans.one("creator").span_id
    assert spans.one("stream").chunk_count == 2


# -- what is kept of a stream ------------------------------------------------------------------------------------------


def test_reduce_gets_the_very_objects_that_were_yielded():
    class Chunk:
        def __init__(self, text):
            self.text = text

    given: list[Any] = []

    @callspan.llm(reduce=lambda chunks: given.extend(chunks) or "".join(chunk.text for chunk in chunks))
    def stream():
        yield from made

    made = [Chunk("so"), Chunk("ck"), Chunk("s")]
    with capture() as spans:
        assert [*stream()] == made
    assert all(got is chunk for got, chunk in zip(given, made, strict=True))
    assert spans[0].output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "socks"}]}]


def test_output_selects_from_the_list_of_what_was_yielded():
    @callspan.observe(output=sum)
    def stream():
        yield from (1, 2, 3)

    with capture() as spans:
        assert [*stream()] == [1, 2, 3]
    assert spans[0].output == 6


def test_no_output_keeps_the_count_and_no_chunk():
    class Chunk:
        pass

    made = [Chunk()]
    gone = weakref.ref(made[0])

    @callspan.observe(output=False)
    def stream():
        yield made.pop()

    with capture() as spans:
        [*stream()]
        assert gone() is None
    assert spans[0].output is None
    assert spans[0].chunk_count == 1
    assert spans[0].time_to_first_chunk_s is not None


def test_chunks_show_their_value_when_they_were_yielded():
    @callspan.observe
    def stream():
        row = {"n": [0]}
        for number in range(3):
            row["n"] = [number]
            yield row

    with capture() as spans:
        [*stream()]
    assert spans[0].output == [{"n": [0]}, {"n": [1]}, {"n": [2]}]


def test_a_long_stream_is_kept_up_to_a_bound_and_says_so():
    @callspan.observe
    def stream():
        for _ in range(100):
            yield "x" * 10_000

    with capture() as spans:
        assert sum(map(len, stream())) == 1_000_000
    (span,) = spans
    assert span.chunk_count == 100
    assert 262_144 <= sum(map(len, span.output)) <= 300_000
    assert span.truncated["output"] == 1_000_000


def test_output_set_in_the_body_is_final():
    @callspan.observe
    def stream():
        yield 1
        callspan.current_span().set_output("mine")

    with capture() as spans:
        [*stream()]
    assert spans[0].output == "mine"
    assert spans[0].chunk_count == 1


def test_close_returns_what_it_does_without_us():
    def stream():
        try:
            yield 1
        except GeneratorExit:
            return "value"

    def close(function):
        generator = function()
        next(generator)
        return generator.close()

    assert close(callspan.observe(stream)) == close(stream)
    with capture():
        assert close(callspan.observe(stream)) == close(stream)
        with callspan.suppress():
            assert close(callspan.observe(stream)) == close(stream)


def test_legacy_coroutines_stay_awaitable():
    import types

    @callspan.observe
    @types.coroutine
    def legacy():
        got = yield "to the loop"
        return got

    async def main():
        return await legacy()

    with capture() as spans:
        coroutine = main()
        assert coroutine.send(None) == "to the loop"
        with pytest.raises(StopIteration) as stop:
            coroutine.send(5)
    assert stop.value.value == 5
    assert spans[0].name.endswith("legacy")
