"""B1 to B5: tasks that are cancelled, and streams that end in every way but the good one."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callspan
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from programs import check_conserved, run, times

pytestmark = pytest.mark.faults


class Recording:
    """A pipeline into a list."""

    def __init__(self) -> None:
        self.memory = MemoryExporter(100_000)
        callspan.configure(exporters=[self.memory])

    @property
    def spans(self) -> list[Any]:
        """Every span so far; checks that nothing was lost and nothing is current."""
        assert not callspan.current_span().is_recording()
        assert callspan.flush(30)
        check_conserved(callspan.stats())
        assert callspan.stats()["memory"]["delivered"] == len(self.memory.spans)
        return self.memory.spans

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of every span by its name, each of which ended once."""
        spans = self.spans
        assert len({span.name for span in spans}) == len(spans)
        return {span.name: span.outcome for span in spans}


@pytest.fixture
def recording() -> Iterator[Recording]:
    made = Recording()
    yield made
    assert made.spans is not None
    assert dict(guard.counts) == {}


# -- B1: cancelled -----------------------------------------------------------------------------------------------------


@callspan.observe
async def outer(seconds: float) -> str:
    return await inner(seconds)


@callspan.tool
async def inner(seconds: float) -> str:
    with callspan.span("block"):
        await asyncio.sleep(seconds)
    return "slept"


@callspan.observe
async def failing() -> None:
    await asyncio.sleep(0.01)
    raise ValueError("sibling")


def test_b01_a_cancelled_task_is_cancelled_and_so_are_its_spans(recording):
    """B1: `task.cancel` reaches the body with its message, the task is cancelled, each span ends once."""

    async def main():
        task = asyncio.ensure_future(outer(60))
        await asyncio.sleep(0.01)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as info:
            await task
        assert task.cancelled()
        return info.value.args

    assert asyncio.run(main()) == (("enough",) if sys.version_info >= (3, 11) else ())
    assert recording.outcomes == {"block": "cancelled", "inner": "cancelled", "outer": "cancelled"}
    assert {span.status for span in recording.spans} == {"unset"}


def test_b01_timeouts(recording):
    """B1: `asyncio.wait_for` and `asyncio.timeout` become TimeoutError outside and "cancelled" inside."""

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(outer(60), 0.01)
        if sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await outer(60)

    asyncio.run(main())
    assert {span.outcome for span in recording.spans} == {"cancelled"}
    assert len(recording.spans) == (6 if sys.version_info >= (3, 11) else 3)


def test_b01_a_sibling_that_fails(recording):
    """B1: the other tasks of a `gather` go on as without us, and those of a task group are cancelled."""

    async def gathered():
        slow = asyncio.ensure_future(outer(0.03))
        with pytest.raises(ValueError, match="sibling"):
            await asyncio.gather(slow, failing())
        return await slow

    assert asyncio.run(gathered()) == "slept"
    assert recording.outcomes == {"block": "ok", "inner": "ok", "outer": "ok", "failing": "error"}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups came with Python 3.11")
def test_b01_a_task_group_cancels_the_others(recording):
    """B1: a task that fails cancels the others of its group, whose spans say so."""

    async def grouped():
        async with asyncio.TaskGroup() as group:
            group.create_task(outer(60))
            group.create_task(failing())

    with pytest.raises(BaseExceptionGroup) as info:  # noqa: F821 - known since Python 3.11
        asyncio.run(grouped())
    assert [type(error) for error in info.value.exceptions] == [ValueError]
    assert recording.outcomes == {"block": "cancelled", "inner": "cancelled", "outer": "cancelled", "failing": "error"}


def test_b01_a_body_that_does_not_obey_is_not_cancelled(recording):
    """B1: who swallows the cancellation returns, and the span is what the call was: ok."""

    @callspan.observe
    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "stayed"

    async def main():
        task = asyncio.ensure_future(stubborn())
        await asyncio.sleep(0.01)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "stayed"
    assert [(span.outcome, span.output) for span in recording.spans] == [("ok", "stayed")]


# -- B2: abandoned -----------------------------------------------------------------------------------------------------


class Consumer(Exception):
    """What the consumer of a stream raises."""


def breaks(stream):
    for _ in stream:
        break


def raises(stream):
    try:
        for _ in stream:
            raise Consumer
    except Consumer:
        pass


def closes(stream):
    next(stream)
    stream.close()


def never(stream):
    del stream


def drops(stream):
    next(stream)
    del stream


def in_a_ring(stream):
    next(stream)
    ring = [stream]
    ring.append(ring)


async def breaks_async(stream):
    async for _ in stream:
        break


async def raises_async(stream):
    try:
        async for _ in stream:
            raise Consumer
    except Consumer:
        pass


async def closes_async(stream):
    await stream.__anext__()
    await stream.aclose()


async def never_async(stream):
    del stream


async def drops_async(stream):
    await stream.__anext__()
    del stream


async def in_a_ring_async(stream):
    await stream.__anext__()
    ring = [stream]
    ring.append(ring)


WAYS = [breaks, raises, closes, never, drops, in_a_ring]
WAYS += [breaks_async, raises_async, closes_async, never_async, drops_async, in_a_ring_async]


@pytest.mark.parametrize("leave", WAYS)
def test_b02_a_stream_that_is_left_ends_once_and_is_closed_as_without_us(recording, leave):
    """B2: six ways to leave a stream, in both colours: the body is closed as the plain one is, in one span."""
    closed: list[str] = []

    def plain():
        try:
            yield "so"
            yield "cks"
        except GeneratorExit:
            closed.append("exit")
            raise
        finally:
            closed.append("finally")

    async def plain_async():
        try:
            yield "so"
            yield "cks"
        except GeneratorExit:
            await asyncio.sleep(0)
            closed.append("exit")
            raise
        finally:
            await asyncio.sleep(0)
            closed.append("finally")

    async def consume(function):
        made = leave(function())
        if inspect.isawaitable(made):
            await made
        before = [*closed]
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)
        return before, [*closed]

    function = plain_async if leave.__name__.endswith("_async") else plain
    expected = asyncio.run(consume(function))
    closed.clear()
    assert asyncio.run(consume(callspan.llm(function))) == expected
    told = [(span.outcome, span.chunk_count, span.output_messages) for span in recording.spans]
    if leave in (never, never_async):
        assert told == []
    else:
        assert told == [("abandoned", 1, [{"role": "assistant", "parts": [{"type": "text", "content": "so"}]}])]


# -- B3: finalised elsewhere -------------------------------------------------------------------------------------------


def test_b03_finalised_by_the_loop_or_the_interpreter_without_a_word(tmp_path):
    """B3: generators finalised in another context, closed in another task, and left over at the end of the process."""
    program = """
        import asyncio, contextvars, gc, logging, sys, threading
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="LOGGED %(name)s %(message)s")
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        ended = []

        @callspan.observe
        async def stream(name):
            try:
                with callspan.span("block " + name):
                    yield name
                    yield name
            finally:
                ended.append(name)

        @callspan.observe
        def items(name):
            try:
                with callspan.span("block " + name):
                    yield name
            finally:
                ended.append(name)

        async def first(generator):
            return await generator.__anext__()

        async def main():
            @callspan.observe
            async def inside():
                generator = stream("dropped")
                await generator.__anext__()
            await inside()
            gc.collect()
            await asyncio.sleep(0.01)
            generator = stream("task")
            await asyncio.ensure_future(first(generator))
            await asyncio.ensure_future(generator.aclose())
            generator = stream("context")
            step = generator.__anext__()
            try:
                contextvars.copy_context().run(step.send, None)
            except StopIteration:
                pass
            await generator.aclose()
            kept.append(stream("shutdown"))
            await kept[-1].__anext__()
            assert not callspan.current_span().is_recording()

        kept = []
        asyncio.run(main())
        made = items("thread")
        thread = threading.Thread(target=next, args=(made,))
        thread.start()
        thread.join()
        made.close()
        made = items("thread dropped")
        next(made)
        def drop():
            global made
            made = None
        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
        assert ended == ["dropped", "task", "context", "shutdown", "thread", "thread dropped"], ended
        assert not callspan.current_span().is_recording()
        assert callspan.flush()
        report()
        left = items("at exit")
        next(left)
    """
    ended = run(program, tmp_path)
    assert ended.stats["file"]["delivered"] == 6 * 2 + 1
    logged = [line for line in ended.err.splitlines() if "selector" not in line]
    assert logged == []


# -- B4: the generator's protocol --------------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 9)),
        st.tuples(st.just("throw"), st.sampled_from([ValueError, KeyError, RuntimeError])),
        st.just(("close", 0)),
    ),
    max_size=5,
)


def body(log: list[Any]) -> Any:
    """Answer what is sent, survive ValueError, turn KeyError into a result."""
    value = 0
    for _ in range(4):
        try:
            value = yield ("answer", value)
            log.append(value)
        except ValueError as error:
            log.append(error.args)
        except KeyError:
            return ("returned", value)
    return "end"


def around(function: Callable[..., Any]) -> Callable[..., Any]:
    """Delegate to it twice, as code with `yield from` does."""

    def delegate(log):
        first = yield from function(log)
        log.append(first)
        return (first, (yield from function(log)))

    return delegate


def played(function: Callable[..., Any], script: list[Any]) -> list[Any]:
    """Return everything that is to be seen."""
    log: list[Any] = []
    generator = function(log)
    seen: list[Any] = [next(generator)]
    for action, value in script:
        try:
            if action == "send":
                seen.append(generator.send(value))
            elif action == "throw":
                seen.append(generator.throw(value("thrown")))
            else:
                seen.append(generator.close())
        except BaseException as error:
            seen.append((type(error), error.args))
        seen.append(inspect.getgeneratorstate(generator))
    generator.close()
    return [*seen, *log]


@settings(max_examples=times(60, 2000), deadline=None)
@given(ACTIONS)
def test_b04_delegating_to_decorated_generators_changes_nothing(script):
    """B4: decorated inside, outside and on both sides of a `yield from`, while a pipeline runs."""
    expected = played(around(body), script)
    callspan.configure(exporters=[memory := MemoryExporter()])
    assert played(around(callspan.observe(body)), script) == expected
    assert played(callspan.observe(around(body)), script) == expected
    assert played(callspan.observe(around(callspan.observe(body))), script) == expected
    assert callspan.flush(30)
    check_conserved(callspan.stats())
    assert 3 <= len(memory.spans) <= 6
    assert dict(guard.counts) == {}
    callspan.shutdown()


# -- B5: made here, consumed there -------------------------------------------------------------------------------------

SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("SEEN", default="")


def test_b05_consumed_step_by_step_in_many_threads(recording):
    """B5: each step in another thread: never current in the consumer, one parent throughout."""

    @callspan.observe
    def stream():
        for number in range(20):
            with callspan.span(f"step {number}"):
                pass
            yield callspan.current_span().name

    seen = []

    def step(generator):
        before = callspan.current_span()
        seen.append(next(generator))
        assert callspan.current_span() is before
        with callspan.span("consumer"):
            seen.append(next(generator))
            assert callspan.current_span().name == "consumer"
        assert callspan.current_span() is before

    with callspan.span("creator"):
        generator = stream()
        next(generator)
        for _ in range(8):
            thread = threading.Thread(target=step, args=(generator,))
            thread.start()
            thread.join()
        assert callspan.current_span().name == "creator"
        generator.close()
    spans = recording.spans
    assert seen == [spans[0].name and "stream"] * 16
    by_name = {span.name: span for span in spans}
    assert by_name["stream"].parent_id == by_name["creator"].span_id
    for number in range(17):
        assert by_name[f"step {number}"].parent_id == by_name["stream"].span_id
    assert [span.parent_id for span in spans if span.name == "consumer"] == [None] * 8


def test_b05_a_streaming_response(recording):
    """B5: as web frameworks do it: made in the handler's task, consumed in another one or in a pool of threads."""

    @callspan.observe
    async def answer(number):
        for part in range(3):
            await asyncio.sleep(0)
            with callspan.span("part", input=number):
                yield f"{number}.{part}"

    @callspan.observe
    def answer_plain(number):
        for part in range(3):
            with callspan.span("part", input=number):
                yield f"{number}.{part}"

    @callspan.observe
    async def handler(number):
        SEEN.set(str(number))
        return answer(number) if number % 2 else answer_plain(number)

    async def send(stream):
        sent = []
        if inspect.isasyncgen(stream):
            async for part in stream:
                assert not callspan.current_span().is_recording()
                sent.append(part)
        else:
            while (part := await asyncio.to_thread(next, stream, None)) is not None:
                assert not callspan.current_span().is_recording()
                sent.append(part)
        return sent

    async def serve(number):
        stream = await handler(number)
        assert SEEN.get() == str(number)
        return await asyncio.ensure_future(send(stream))

    async def main():
        return await asyncio.gather(*map(serve, range(20)))

    assert asyncio.run(main()) == [[f"{number}.{part}" for part in range(3)] for number in range(20)]
    by_id = {span.span_id: span for span in recording.spans}
    parts = [span for span in by_id.values() if span.name == "part"]
    assert len(parts) == 60
    for part in parts:
        stream = by_id[part.parent_id]
        assert stream.input == {"number": part.input}
        assert stream.trace_id == part.trace_id
        assert stream.chunk_count == 3
