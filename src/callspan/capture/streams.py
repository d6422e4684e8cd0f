"""Streams that a provider hands out: watched chunk by chunk, and ended once in whatever way they end.

The provider's stream object stays the user's; only the iterator inside is replaced by one that passes every chunk on.
A stream ends by running out, by an exception, by its `close`, or by being dropped, at first sight or half way.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, Protocol

from callspan.capture.call import Call
from callspan.capture.open_spans import open_spans
from callspan.guard import guard
from callspan.model.span import Outcome, Span

_TICK: Final = 16  # chunks; reading the clock for each one would cost as much as everything else
_COMPACT: Final = 1024  # chunks


class Collector(Protocol):
    """What keeps the chunks of one kind of stream. It may raise: that is noted, and the chunk is lost to the span.

    One may have a method `fast_add` beside these, which returns an `add` for one stream.
    """

    def add(self, chunk: Any) -> None:
        """Take what is needed of a chunk, which the user may change as soon as this returns."""

    def compact(self) -> None:
        """Keep what is held within its bound; called every thousand chunks."""

    def is_complete(self) -> bool:
        """Return whether all of the answer has come, asked when the user goes before the stream has ended."""

    def close(self, span: Span) -> None:
        """Note on the span what the collector holds; nothing is added afterwards."""


class StreamWatch:
    """Ends the call of a stream, once. Holds no reference to the stream, so that it can be seen to be dropped.

    The call is left at once: while a stream is open, what its consumer does is not part of the call.
    """

    __slots__ = (
        "_call",
        "_closers",
        "_collector",
        "_finalizers",
        "_first_ns",
        "_last_ns",
        "_reader",
        "_ticks",
        "add",
        "count",
        "is_teed",
    )

    def __init__(self, call: Call, collector: Collector) -> None:
        """Leave the call and wait for chunks."""
        self._call: Call | None = call
        self._collector = collector
        self._ticks = call._recorder.ticks  # noqa: SLF001 - the other half of a call
        self._first_ns: int | None = None
        self._last_ns = self._elapsed_ns(call)
        self._finalizers: list[weakref.finalize[..., Any]] = []
        self._closers: list[tuple[weakref.ref[Any], str, Any]] = []
        self._reader: weakref.ref[Any] | None = None
        fast_add = getattr(collector, "fast_add", None)
        self.add: Callable[[Any], None] = collector.add if fast_add is None else fast_add()
        self.count = 0
        self.is_teed = False
        call.leave()

    def note(self, chunk: Any) -> None:
        """Take notice of a chunk on its way to the user."""
        if not self.count % _TICK:
            self.tick()
        self.count += 1
        try:
            self.add(chunk)
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("reading a chunk of a stream", error)

    def tick(self) -> None:
        """Read the clock: for the first chunk exactly, for the last one nearly."""
        call = self._call
        if call is not None:
            self._last_ns = self._elapsed_ns(call)
            if self._first_ns is None:
                self._first_ns = self._last_ns
            if not self.count % _COMPACT:
                self._collector.compact()

    def end_with(self, holder: Any, close: str = "close", *, while_reading: bool = True) -> None:
        """End the call when `holder`, the stream or the response around it, is closed or dropped.

        `close` names the method that closes it. Without `while_reading`, a close that reading itself brings about ends
        nothing: how the reading ends is told when it has.
        """
        self.end_when_dropped(holder)
        original = getattr(holder, close, None)
        if original is not None:
            closer = _closer(original, self.abandon if while_reading else self._abandon_unless_reading)
            self.override(holder, close, closer)

    def override(self, holder: Any, name: str, method: Any) -> None:
        """Put a method on one object, until the call ends; what another tool put there stays in use, below ours."""
        own = vars(holder)
        if name not in own:
            self._closers.append((weakref.ref(holder), name, weakref.ref(method)))
        own[name] = method

    def is_open(self) -> bool:
        """Return whether the call is still to be ended."""
        return self._call is not None

    def read_by(self, reader: Any) -> None:
        """Note what passes the chunks on."""
        self.is_teed = True
        self._reader = weakref.ref(reader)

    def _abandon_unless_reading(self) -> None:
        reader = self._reader() if self._reader is not None else None
        if not (getattr(reader, "gi_running", False) or getattr(reader, "is_reading", False)):
            self.abandon()

    def end_when_dropped(self, holder: Any) -> None:
        """End the call when `holder` is dropped."""
        finalizer = weakref.finalize(holder, self.drop)
        finalizer.atexit = False  # what is open at exit is not given up by anyone
        self._finalizers.append(finalizer)
        if self._call is not None:
            open_spans.streams.add(self)

    def finish(self) -> None:
        """End the call: the stream ran out."""
        self._end(lambda call: call.span.end())

    def fail(self, error: BaseException) -> None:
        """End the call by what reading the stream raised."""
        self._end(lambda call: call.fail(error))

    def abandon(self) -> None:
        """End the call: the user has closed the stream."""
        self._end(lambda call: call.span.end() if self._collector.is_complete() else call.fail(GeneratorExit()))

    def drop(self) -> None:
        """End the call at the time of the last chunk: the stream is gone, perhaps since long."""
        self._end(self._end_in_the_past)

    def end_unread(self) -> None:
        """End the call at the time of the last chunk: the process ends, and the stream is still there."""
        self._end(lambda call: self._end_in_the_past(call, "incomplete"))

    def _end_in_the_past(self, call: Call, outcome: Outcome = "abandoned") -> None:
        span = call.span
        if not self._collector.is_complete():
            span.outcome = outcome
        span.end(span.start_ns + self._last_ns)

    def _end(self, end: Callable[[Call], None]) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        open_spans.streams.discard(self)
        for step in (self._let_go, self._keep, end):
            try:
                step(call)
            except Exception as error:  # noqa: BLE001 - and whatever fails, the span ends
                guard.note("ending a stream", error)

    def _keep(self, call: Call) -> None:
        if self.is_teed:
            call.span.stream = (self.count, self._first_ns)
        self._collector.close(call.span)

    def _let_go(self, _: Call) -> None:
        """Take our methods off again: they refer to the stream and would keep it alive until the next collection."""
        for finalizer in self._finalizers:
            finalizer.detach()
        for holder_reference, name, method_reference in self._closers:
            holder = holder_reference()
            if holder is not None and vars(holder).get(name) is method_reference():
                del vars(holder)[name]

    def _elapsed_ns(self, call: Call) -> int:
        return self._ticks() - call.span._ticks  # noqa: SLF001 - the other half of a call


def tee(iterator: Any, watch: StreamWatch) -> Any:
    """Return an iterator, or an asynchronous one, that passes on what `iterator` yields and tells `watch` of it."""
    reader = _AsyncTee(iterator, watch) if hasattr(iterator, "__anext__") else _tee(iterator, watch)
    watch.read_by(reader)
    return reader


def _tee(iterator: Iterator[Any], watch: StreamWatch) -> Iterator[Any]:
    add, tick, count = watch.add, watch.tick, 0
    try:
        for chunk in iterator:
            if not count % _TICK:  # from here StreamWatch.note, inlined: this runs for every token
                tick()
            watch.count = count = count + 1
            try:
                add(chunk)
            except Exception as error:  # noqa: BLE001
                guard.note("reading a chunk of a stream", error)
            yield chunk
    except GeneratorExit:
        watch.abandon()
        raise
    except BaseException as error:
        watch.fail(error)
        raise
    watch.finish()


class _AsyncTee:
    """No generator, since the event loop would have to close one more of them after its consumer has gone."""

    __slots__ = ("__weakref__", "_iterator", "_step", "_watch", "is_reading")

    def __init__(self, iterator: AsyncIterator[Any], watch: StreamWatch) -> None:
        self._iterator = iterator
        self._step = iterator.__anext__
        self._watch = watch
        self.is_reading = False

    def __aiter__(self) -> _AsyncTee:
        return self

    async def __anext__(self) -> Any:
        self.is_reading = True
        try:
            chunk = await self._step()
        except StopAsyncIteration:
            self._watch.finish()
            raise
        except BaseException as error:
            self._watch.fail(error)
            raise
        finally:
            self.is_reading = False
        self._watch.note(chunk)
        return chunk

    async def aclose(self) -> None:
        self._watch.abandon()
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


def _closer(original: Callable[..., Any], end: Callable[[], None]) -> Callable[..., Any]:
    """Return a `close` of the same colour that ends the call first."""
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def close_async(*args: Any, **kwargs: Any) -> Any:
            end()
            return await original(*args, **kwargs)

        return close_async

    @functools.wraps(original)
    def close(*args: Any, **kwargs: Any) -> Any:
        end()
        return original(*args, **kwargs)

    return close
