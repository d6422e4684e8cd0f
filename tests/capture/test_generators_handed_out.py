"""Generators that a framework hands out: they end its span, and what their bodies call stands below it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from types import AsyncGeneratorType, GeneratorType, SimpleNamespace

import pytest

import callspan
from callspan.capture.generators import follow, is_generator, lazy_bodies
from callspan.capture.providers import open_provider_call
from callspan.capture.streams import StreamWatch
from callspan.capture.switch import switch
from callspan.recording.otel import get_context
from callspan.recording.sites import Site
from callspan.testing import capture

SITE = Site("ask", "llm", awaits_provider=True)


class Texts:
    """Collects everything."""

    def __init__(self):
        self.kept = []

    def add(self, chunk):
        self.kept.append(chunk)

    def compact(self):
        pass

    def is_complete(self):
        return False

    def close(self, span):
        span.set_output("".join(self.kept))


@pytest.fixture
def spans():
    before = get_context()
    with capture() as spans:
        yield spans
    gc.collect()
    assert not lazy_bodies
    assert get_context() is before


def handed_out(generator):
    """Open a span, and return the generator and the call that it keeps open."""
    call = switch.open_block(SITE, None)
    lazy_bodies.add(generator, SimpleNamespace(span=call.span))
    return follow(generator, StreamWatch(call, Texts())), call


def words(log, *more):
    try:
        for word in ("a", "b", *more):
            got = yield word
            log.append(got)
    finally:
        log.append("closed")
    return "done"


async def async_words(log, *more):
    try:
        for word in ("a", "b", *more):
            got = yield word
            log.append(got)
    finally:
        await asyncio.sleep(0)
        log.append("closed")


def test_a_generator_that_runs_out(spans):
    log = []
    generator, call = handed_out(words(log))
    assert type(generator) is GeneratorType
    assert next(generator) == "a"
    assert generator.send("x") == "b"
    assert spans == []
    with pytest.raises(StopIteration) as stop:
        generator.send("y")
    assert stop.value.value == "done"
    assert log == ["x", "y", "closed"]
    (span,) = spans
    assert (span.outcome, span.output) == ("ok", None)
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "ab"}]
    assert call.span.stream[0] == 2


def test_a_generator_that_fails(spans):
    def broken():
        yield "a"
        raise KeyError("k")

    generator, _ = handed_out(broken())
    next(generator)
    with pytest.raises(KeyError):
        next(generator)
    assert (spans[0].outcome, spans[0].error.type) == ("error", "KeyError")


def test_what_is_thrown_in_reaches_the_body(spans):
    seen = []

    def patient():
        try:
            yield "a"
        except ValueError as error:
            seen.append(error)
            yield "b"

    generator, _ = handed_out(patient())
    next(generator)
    thrown = ValueError("x")
    assert generator.throw(thrown) == "b"
    assert seen == [thrown]
    assert list(generator) == []
    assert spans[0].outcome == "ok"


def test_a_generator_that_is_closed(spans):
    log = []
    generator, _ = handed_out(words(log))
    next(generator)
    generator.close()
    assert log == ["closed"]
    assert spans[0].outcome == "abandoned"


@pytest.mark.parametrize("steps", [0, 1])
def test_a_generator_that_is_dropped(spans, steps):
    log = []
    generator, _ = handed_out(words(log))
    for _ in range(steps):
        next(generator)
    del generator
    gc.collect()
    assert log == ["closed"] * steps
    assert spans[0].outcome == "abandoned"


async def test_an_async_generator_that_runs_out(spans):
    log = []
    generator, _ = handed_out(async_words(log))
    assert type(generator) is AsyncGeneratorType
    assert await anext(generator) == "a"
    assert await generator.asend("x") == "b"
    with contextlib.suppress(StopAsyncIteration):
        await generator.asend("y")
    assert log == ["x", "y", "closed"]
    assert spans[0].outcome == "ok"


async def test_an_async_generator_that_is_closed(spans):
    log = []
    generator, _ = handed_out(async_words(log))
    await anext(generator)
    await generator.aclose()
    assert log == ["closed"]
    assert spans[0].outcome == "abandoned"


def test_an_async_generator_that_is_left_to_the_event_loop(spans):
    log = []

    async def main():
        generator, _ = handed_out(async_words(log))
        async for _ in generator:
            break
        del generator
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert log == ["closed"]
    assert spans[0].outcome == "abandoned"


async def test_an_async_generator_that_is_cancelled(spans):
    async def slow():
        yield "a"
        await asyncio.Event().wait()

    generator, _ = handed_out(slow())

    async def consume():
        async for _ in generator:
            started.set()

    started = asyncio.Event()
    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans[0].outcome == "cancelled"


# -- whose body runs ---------------------------------------------------------------------------------------------------


def asking():
    call = open_provider_call(Site("chat", "llm"))
    call.finish("Hi")
    yield "Hi"


def test_what_a_body_calls_belongs_to_the_span_that_handed_it_out(spans):
    generator, _ = handed_out(asking())
    with callspan.span("consumer"):
        assert list(generator) == ["Hi"]
    assert spans.tree() == "llm ask\nchain consumer"


def test_a_call_that_nobody_waits_for_is_a_child(spans):
    def twice():
        yield from asking()
        yield from asking()

    generator, _ = handed_out(twice())
    with callspan.span("consumer"):
        assert list(generator) == ["Hi", "Hi"]
    assert spans.tree() == "llm ask\n  llm chat\nchain consumer"


def test_the_innermost_body_counts(spans):
    inner, _ = handed_out(asking())

    def outer():
        yield from inner

    generator, call = handed_out(outer())
    call.span.update_name("outer")
    list(generator)
    assert spans.tree() == "llm ask\nllm outer"
    assert [span.output_messages[0]["parts"][0]["content"] for span in spans] == ["Hi", "Hi"]


async def test_the_body_of_an_async_generator(spans):
    async def ask():
        await asyncio.sleep(0)
        call = open_provider_call(Site("chat", "llm"))
        call.finish("Hi")
        yield "Hi"

    generator, _ = handed_out(ask())
    with callspan.span("consumer"):
        assert [word async for word in generator] == ["Hi"]
    assert spans.tree() == "llm ask\nchain consumer"


def test_another_thread_and_another_stack_are_not_meant(spans):
    generator, _ = handed_out(asking())
    with callspan.span("elsewhere"):
        open_provider_call(Site("chat", "llm")).finish("Hi")
    assert lazy_bodies.running() is None
    assert list(generator) == ["Hi"]
    assert spans.tree() == "llm ask\nchain elsewhere\n  llm chat"


def test_a_body_is_forgotten_with_its_span(spans):
    owner = SimpleNamespace(span=None)
    generator = words([])
    lazy_bodies.add(generator, owner)
    assert lazy_bodies
    lazy_bodies.forget(owner)
    assert not lazy_bodies
    generator.close()
    lazy_bodies.add(generator, owner)  # its body cannot run any more
    assert not lazy_bodies


def test_generators_are_told_by_their_types():
    assert is_generator(words([]))
    assert is_generator(async_words([]))
    assert not is_generator(iter([1]))
