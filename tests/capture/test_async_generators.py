"""A decorated asynchronous generator function next to the plain one, in the consumer's task and in no other."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import logging
import sys
import traceback
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import AsyncGeneratorType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callspan
from callspan.testing import capture

BODIES = st.lists(
    st.one_of(
        st.tuples(st.just("yield"), st.integers(0, 9)),
        st.tuples(st.just("catch"), st.integers(0, 9)),
        st.tuples(st.just("swallow"), st.integers(0, 9)),
        st.just(("await", None)),
        st.just(("return", None)),
        st.tuples(st.just("raise"), st.sampled_from([ValueError, StopAsyncIteration, StopIteration, KeyError])),
    ),
    max_size=5,
)
SCRIPTS = st.lists(
    st.one_of(
        st.just(("anext", None)),
        st.tuples(st.just("asend"), st.sampled_from([None, 7])),
        st.tuples(st.just("athrow"), st.sampled_from([ValueError, KeyError, StopAsyncIteration, GeneratorExit])),
        st.just(("aclose", None)),
    ),
    min_size=1,
    max_size=6,
)


async def play(body: list[Any], log: list[Any]) -> AsyncGenerator[Any, Any]:
    """Do what the body's actions say, noting everything that arrives."""
    try:
        for action, value in body:
            if action == "yield":
                log.append((yield value))
            elif action == "await":
                await asyncio.sleep(0)
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
                return
            else:
                raise value("raised")
    finally:
        log.append("finally")


async def step(generator: Any, operation: str, value: Any) -> Any:
    if operation == "anext":
        return await generator.__anext__()
    if operation == "asend":
        return await generator.asend(value)
    if operation == "athrow":
        return await generator.athrow(value("thrown"))
    return await generator.aclose()


async def transcript(function: Callable[..., Any], body: list[Any], script: list[Any]) -> list[Any]:
    """Return what came out and what went in, up to an ignored GeneratorExit."""
    log: list[Any] = []
    generator = function(body, log)
    seen: list[Any] = []
    for operation, value in [*script, ("aclose", None)]:
        try:
            seen.append((operation, await step(generator, operation, value)))
        except BaseException as error:
            seen.append((operation, type(error), error.args, type(error.__cause__), type(error.__context__)))
            if "async generator ignored GeneratorExit" in error.args:
                return seen
    return [*seen, *log]


@settings(max_examples=300, deadline=None)
@given(BODIES, SCRIPTS)
def test_every_script_has_the_same_transcript(body, script):
    plain = asyncio.run(transcript(play, body, script))
    decorated = callspan.observe(play)
    assert asyncio.run(transcript(decorated, body, script)) == plain
    with capture() as spans:
        assert asyncio.run(transcript(decorated, body, script)) == plain
    assert len(spans) <= 1


# -- what it is --------------------------------------------------------------------------------------------------------


@callspan.observe
async def numbers(count: int = 3) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def test_it_is_an_async_generator_with_its_own_name():
    generator = numbers()
    assert type(generator) is AsyncGeneratorType
    assert generator.__qualname__ == "numbers"
    assert inspect.isasyncgenfunction(numbers)


async def test_span_holds_arguments_chunks_and_times():
    with capture(deterministic=True) as spans:
        assert [item async for item in numbers(2)] == [0, 1]
    (span,) = spans
    assert (span.input, span.output, span.chunk_count, span.outcome) == ({"count": 2}, [0, 1], 2, "ok")
    assert span.time_to_first_chunk_s == 0.001


async def test_never_iterated_or_only_closed():
    with capture() as spans:
        await numbers().aclose()
        numbers()
    assert spans == []


async def test_an_error_keeps_identity_and_adds_one_frame():
    error = ValueError("middle")

    @callspan.observe
    async def failing():
        yield 1
        raise error

    with capture() as spans, pytest.raises(ValueError) as caught:
        async for _ in failing():
            pass
    assert caught.value is error
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names == ["test_an_error_keeps_identity_and_adds_one_frame", "wrapper", "failing"]
    assert error.__context__ is None
    assert (spans[0].outcome, spans[0].error.message, spans[0].output) == ("error", "middle", [1])


async def test_a_thrown_error_adds_one_frame_and_no_cycle():
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)

    @callspan.observe
    async def passive(value):
        yield 1

    gc.collect()
    gc.disable()
    try:
        with capture():
            generator = passive(held)
            await generator.__anext__()
            try:
                await generator.athrow(ValueError("thrown"))
            except ValueError as error:
                names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            del generator, held
        assert names == ["test_a_thrown_error_adds_one_frame_and_no_cycle", "wrapper", "passive"]
        assert gone() is None
    finally:
        gc.enable()


async def test_asend_and_athrow_reach_the_body():
    @callspan.observe
    async def echo():
        got = None
        while True:
            try:
                got = yield got
            except KeyError as error:
                got = error.args

    with capture() as spans:
        generator = echo()
        assert await generator.asend(None) is None
        assert await generator.asend(5) == 5
        assert await generator.athrow(KeyError("k")) == ("k",)
        await generator.aclose()
    assert (spans[0].outcome, spans[0].chunk_count) == ("abandoned", 3)


async def test_a_body_that_swallows_the_close_is_given_up_all_the_same():
    @callspan.observe
    async def polite():
        try:
            yield 1
        except GeneratorExit:
            return

    with capture() as spans:
        generator = polite()
        await generator.__anext__()
        await generator.aclose()
    assert [span.outcome for span in spans] == ["abandoned"]


# -- timeouts, cancellation and tasks ----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is new in 3.11")
async def test_a_timeout_inside_reaches_the_body():
    seen = []

    @callspan.observe
    async def slow():
        try:
            async with asyncio.timeout(0.01):
                yield 1
                await asyncio.sleep(5)
        except TimeoutError:
            seen.append("timeout")
            yield "late"

    with capture() as spans:
        assert [item async for item in slow()] == [1, "late"]
    assert seen == ["timeout"]
    assert spans[0].outcome == "ok"


async def test_steps_run_in_the_consumer_s_task():
    tasks = []

    @callspan.observe
    async def stream():
        tasks.append(asyncio.current_task())
        yield 1
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())
        yield 2

    with capture():
        async for _ in stream():
            pass
    assert tasks == [asyncio.current_task()] * 2


async def test_cancelled_while_waiting_inside():
    @callspan.observe
    async def stuck():
        yield 1
        await asyncio.sleep(5)

    async def consume():
        async for _ in stuck():
            pass

    with capture() as spans:
        task = asyncio.create_task(consume())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [(span.outcome, span.status, span.output) for span in spans] == [("cancelled", "unset", [1])]


async def test_stepped_by_several_tasks():
    @callspan.observe
    async def stream():
        for number in range(4):
            await asyncio.sleep(0)
            yield number, callspan.current_span().name

    async def one(generator, name):
        with callspan.span(name):
            item = await generator.__anext__()
            return item, callspan.current_span().name

    with capture() as spans:
        generator = stream()
        for number in range(4):
            assert await asyncio.create_task(one(generator, f"task {number}")) == ((number, "stream"), f"task {number}")
        await generator.aclose()
    assert spans.one("stream").parent_id == spans.one("task 0").span_id


async def test_context_variables_go_both_ways_as_without_us():
    variable = contextvars.ContextVar("variable", default="none")

    async def body():
        variable.set("from the body")
        seen.append(variable.get())
        yield 1
        seen.append(variable.get())

    for function in (body, callspan.observe(body)):
        seen: list[str] = []

        async def consume(function=function, seen=seen):
            async for _ in function():
                seen.append(variable.get())
                variable.set("from the consumer")

        with capture():
            await asyncio.create_task(consume())
        assert seen == ["from the body", "from the body", "from the consumer"]


async def test_inside_is_current_and_outside_is_not():
    @callspan.observe
    async def work():
        return callspan.current_span().name

    @callspan.observe
    async def stream():
        yield await work()
        with callspan.span("block"):
            yield await work()

    with capture() as spans, callspan.span("consumer"):
        async for item in stream():
            assert item == "work"
            assert callspan.current_span().name == "consumer"
    assert spans.tree() == "chain consumer\n  chain stream\n    chain work\n    chain block\n      chain work"


# -- finalised by others -----------------------------------------------------------------------------------------------


async def consume_one(function: Callable[..., Any]) -> None:
    async for _ in function():
        break


@pytest.mark.parametrize("ending", ["break", "loop shutdown", "no loop"])
def test_finalised_by_collector_or_loop(ending, caplog, capfd):
    closed = []

    @callspan.observe
    async def stream():
        try:
            yield 1
            yield 2
        finally:
            if ending != "no loop":  # where nobody can wait, waiting while being finalised fails without us, too
                await asyncio.sleep(0)
            closed.append(callspan.current_span().name)

    held: list[Any] = []

    async def main():
        if ending == "break":
            await consume_one(stream)
            gc.collect()
            await asyncio.sleep(0.01)
        else:
            generator = stream()
            held.append(generator)
            await generator.__anext__()

    with capture() as spans, caplog.at_level(logging.DEBUG):
        if ending == "no loop":
            with contextlib.suppress(StopIteration):
                main().send(None)
            held.clear()
        else:
            asyncio.run(main())
    assert closed == ["stream"]
    assert [span.outcome for span in spans] == ["abandoned"]
    assert capfd.readouterr().err == ""
    assert "different Context" not in caplog.text
    assert [record for record in caplog.records if record.name.startswith(("callspan", "opentelemetry"))] == []


async def test_the_loop_knows_only_the_outer_generator():
    """An inner generator that the loop tracked as well would be closed twice, the second time with an error."""
    known: list[Any] = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=known.append, finalizer=hooks.finalizer)
    try:
        with capture():
            generator = numbers()
            await generator.__anext__()
            assert known == [generator]
            assert sys.get_asyncgen_hooks().firstiter == known.append
            await generator.aclose()
    finally:
        sys.set_asyncgen_hooks(*hooks)


async def test_reduce_and_output_see_what_was_yielded():
    @callspan.llm(reduce=lambda chunks: "".join(chunk["text"] for chunk in chunks))
    async def stream():
        yield {"text": "so"}
        yield {"text": "cks"}

    with capture() as spans:
        async for _ in stream():
            pass
    assert spans[0].output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "socks"}]}]


async def test_unsampled_and_suppressed_streams_pass_through():
    with capture() as spans, callspan.suppress():
        assert [item async for item in numbers(2)] == [0, 1]
    assert spans == []
