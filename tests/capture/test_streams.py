"""Streams of providers: every way in which one can end, and the user's object untouched by it."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from callspan.capture.streams import StreamWatch, tee
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.recording.sites import Site
from callspan.testing import capture

SITE = Site("stream", "llm")
MS = 1_000_000


class Stream:
    """Shaped like the streams of providers: a generator inside that refers to the stream, and a close beside it."""

    def __init__(self, chunks=(1, 2, 3), error=None):
        self.chunks = chunks
        self.error = error
        self.closed = 0
        self._iterator = self._generate()

    def _generate(self):
        yield from self.chunks
        if self.error is not None:
            raise self.error

    def __iter__(self):
        for chunk in self._iterator:  # noqa: UP028 - as the client does: this leaves the inner one open
            yield chunk

    def __next__(self):
        return next(self._iterator)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closed += 1
        return "closed"


class AsyncStream(Stream):
    async def _generate(self):
        for chunk in self.chunks:
            await asyncio.sleep(0)
            yield chunk
        if self.error is not None:
            raise self.error

    async def __aiter__(self):
        async for chunk in self._iterator:
            yield chunk

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        self.closed += 1
        return "closed"


class Kept:
    """A collector that keeps all; complete when it has seen a 3."""

    def __init__(self):
        self.chunks = []
        self.compacted = 0

    def add(self, chunk):
        self.chunks.append(chunk)

    def compact(self):
        self.compacted += 1

    def is_complete(self):
        return 3 in self.chunks

    def close(self, span):
        span.set_output(self.chunks)


def watched(stream, collector=None, holder=None):
    watch = StreamWatch(switch.open_block(SITE, None), collector or Kept())
    stream._iterator = tee(stream._iterator, watch)
    watch.end_with(holder or stream)
    return stream


@pytest.fixture
def spans():
    with capture(deterministic=True) as spans:
        yield spans


def only(spans):
    (span,) = spans
    return span.outcome, span.output, span.chunk_count


# -- the ways to end ---------------------------------------------------------------------------------------------------


def test_exhausted(spans):
    stream = watched(Stream())
    assert list(stream) == [1, 2, 3]
    assert only(spans) == ("ok", [1, 2, 3], 3)
    assert list(stream) == []
    with pytest.raises(StopIteration):
        next(stream)
    assert stream.close() == "closed"
    assert stream.closed == 1
    assert len(spans) == 1


def test_next_by_next(spans):
    stream = watched(Stream())
    assert next(stream) == 1
    assert next(stream) == 2
    assert spans == []
    assert next(stream) == 3
    with pytest.raises(StopIteration):
        next(stream)
    assert only(spans) == ("ok", [1, 2, 3], 3)


def test_closed_half_way(spans):
    stream = watched(Stream())
    for chunk in stream:
        if chunk == 2:
            break
    assert spans == []
    assert stream.close() == "closed"
    assert only(spans) == ("abandoned", [1, 2], 2)
    assert spans[0].status == "unset"
    assert stream.closed == 1


def test_closed_when_all_that_matters_had_come(spans):
    with watched(Stream((3, 4))) as stream:
        next(stream)
    assert only(spans) == ("ok", [3], 1)


def test_a_with_block(spans):
    with watched(Stream()) as stream:
        next(stream)
    assert only(spans) == ("abandoned", [1], 1)
    assert stream.closed == 1


def test_the_consumer_raises(spans):
    stream = watched(Stream())
    with pytest.raises(KeyError, match="consumer"), stream:
        for _ in stream:
            raise KeyError("consumer")
    assert only(spans) == ("abandoned", [1], 1)
    assert spans[0].error is None


def test_the_provider_raises_half_way(spans):
    error = ValueError("half way")
    stream = watched(Stream((1, 2), error))
    with pytest.raises(ValueError, match="half way") as caught:
        list(stream)
    assert caught.value is error
    assert only(spans) == ("error", [1, 2], 2)
    assert spans[0].error.type == "ValueError"
    assert [frame.function for frame in spans[0].error.frames][-1] == "_generate"


def test_dropped_half_way(spans):
    stream = watched(Stream())
    assert next(stream) == 1
    del stream
    gc.collect()
    assert only(spans) == ("abandoned", [1], 1)


def test_dropped_after_a_for_loop(spans):
    for _ in watched(Stream()):
        break
    gc.collect()
    assert only(spans) == ("abandoned", [1], 1)


def test_never_iterated(spans):
    stream = watched(Stream())
    del stream
    gc.collect()
    assert only(spans) == ("abandoned", [], 0)
    assert spans[0].time_to_first_chunk_s is None


def test_the_inner_iterator_is_closed(spans):
    stream = watched(Stream())
    next(stream)
    stream._iterator.close()
    assert only(spans) == ("abandoned", [1], 1)


def test_dropped_when_all_that_matters_had_come(spans):
    stream = watched(Stream((3, 4)))
    next(stream)
    del stream
    gc.collect()
    assert only(spans) == ("ok", [3], 1)


# -- the same, asynchronously ------------------------------------------------------------------------------------------


async def test_exhausted_async(spans):
    stream = watched(AsyncStream())
    assert [chunk async for chunk in stream] == [1, 2, 3]
    assert only(spans) == ("ok", [1, 2, 3], 3)
    assert await stream.close() == "closed"


async def test_closed_half_way_async(spans):
    async with watched(AsyncStream()) as stream:
        async for _ in stream:
            break
        assert spans == []
    assert only(spans) == ("abandoned", [1], 1)
    assert stream.closed == 1


async def test_the_provider_raises_half_way_async(spans):
    stream = watched(AsyncStream((1,), ValueError("half way")))
    with pytest.raises(ValueError, match="half way"):
        [chunk async for chunk in stream]
    assert only(spans) == ("error", [1], 1)


async def test_dropped_async(spans):
    stream = watched(AsyncStream())
    async for _ in stream:
        break
    del stream
    await asyncio.sleep(0.01)  # the event loop closes what the `async for` has left behind, and holds it until then
    gc.collect()
    assert only(spans) == ("abandoned", [1], 1)


async def test_never_iterated_async(spans):
    stream = watched(AsyncStream())
    del stream
    gc.collect()
    assert only(spans) == ("abandoned", [], 0)


async def test_the_task_is_cancelled(spans):
    stream = watched(AsyncStream(range(10_000)))

    async def read():
        async for _ in stream:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans[0].outcome == "cancelled"
    assert spans[0].status == "unset"


async def test_close_keeps_its_colour():
    stream = AsyncStream()
    with capture():
        watched(stream)
        assert asyncio.iscoroutinefunction(stream.close)
        await stream.close()


# -- times and contents ------------------------------------------------------------------------------------------------


def test_time_to_the_first_chunk(spans):
    list(watched(Stream()))
    # Each reading of the clock is a millisecond: start, opening the watch, first chunk, end.
    assert spans[0].time_to_first_chunk_s == 0.002
    assert spans[0].end_time_unix_ns - spans[0].start_time_unix_ns == 3 * MS


def test_a_dropped_stream_ends_with_its_last_chunk_not_when_it_is_found(spans):
    stream = watched(Stream(range(4, 40)))
    for _ in range(17):  # the seventeenth reads the clock again
        next(stream)
    for _ in range(5):
        switch.recorder.ticks()  # time goes by
    del stream
    gc.collect()
    assert spans[0].end_time_unix_ns - spans[0].start_time_unix_ns == 3 * MS
    assert spans[0].chunk_count == 17


def test_what_the_consumer_does_is_not_below_the_call(spans):
    import callspan

    stream = watched(Stream())
    for _ in stream:
        with callspan.span("consumer"):
            pass
    assert [span.parent_id for span in spans if span.name == "consumer"] == [None] * 3


def test_a_collector_may_fail(spans):
    guard.strict = False

    class Broken(Kept):
        def add(self, chunk):
            raise LookupError("cannot read")

        def close(self, span):
            raise LookupError("cannot close")

    assert list(watched(Stream(), Broken())) == [1, 2, 3]
    assert only(spans) == ("ok", None, 3)
    assert guard.counts["reading a chunk of a stream"] == 3
    assert guard.counts["ending a stream"] == 1


async def test_a_collector_may_fail_async(spans):
    guard.strict = False

    class Broken(Kept):
        def add(self, chunk):
            raise LookupError("cannot read")

    assert [chunk async for chunk in watched(AsyncStream(), Broken())] == [1, 2, 3]
    assert guard.counts["reading a chunk of a stream"] == 3


def test_a_collector_is_asked_now_and_then_to_keep_its_bound(spans):
    kept = Kept()
    list(watched(Stream(range(3000)), kept))
    assert kept.compacted == 3


# -- the user's object -------------------------------------------------------------------------------------------------


def test_an_open_stream_has_a_close_of_ours_and_an_ended_one_its_own(spans):
    stream = watched(Stream())
    assert "close" in vars(stream)
    assert stream.close.__name__ == "close"
    list(stream)
    assert "close" not in vars(stream)


def test_a_close_that_another_tool_put_there_is_called_too_and_stays(spans):
    stream = Stream()
    called = []
    stream.close = lambda: called.append("theirs")
    watched(stream)
    next(stream)
    stream.close()
    assert called == ["theirs"]
    assert only(spans)[0] == "abandoned"
    stream.close()
    assert called == ["theirs", "theirs"]


def test_a_close_that_was_put_on_top_of_ours_stays(spans):
    stream = watched(Stream())
    ours = stream.close
    stream.close = on_top = lambda: ours() and "theirs"
    list(stream)
    assert stream.close is on_top


@pytest.mark.parametrize("read", [True, False])
def test_an_exhausted_stream_dies_as_early_as_without_us(spans, read):
    gc.disable()
    try:
        fates = []
        for watch in (False, True):
            stream = watched(Stream()) if watch else Stream()
            if read:
                list(stream)
            fate = weakref.ref(stream)
            del stream
            fates.append(fate() is None)
    finally:
        gc.enable()
    assert fates[0] == fates[1] == read


def test_it_also_ends_with_the_response_around_it(spans):
    class Response:
        def close(self):
            return "closed"

    response, stream = Response(), Stream()
    watched(stream, holder=response)
    next(stream)
    assert response.close() == "closed"
    assert only(spans)[0] == "abandoned"


def test_a_holder_without_close(spans):
    class Response:
        pass

    response = Response()
    stream = watched(Stream(), holder=response)
    assert vars(response) == {}
    del response
    gc.collect()
    assert only(spans)[0] == "abandoned"
    assert list(stream) == [1, 2, 3]
    assert len(spans) == 1
