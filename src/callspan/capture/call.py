"""One watched invocation, without I/O: opened, stepping, then finished, failed, cancelled or abandoned.

A `Call` is current from `enter` to `leave`; the drivers put these around each stretch of the user's code, so that it is
never current while a generator is suspended. Closing a call twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.model.span import STATUS_ERROR, InertSpan, Span
from callspan.recording.errors import is_cancellation
from callspan.recording.otel import SCOPE_KEY, SPAN_KEY, Context, get_context, put_back, set_context
from callspan.recording.recorder import Recorder, account
from callspan.recording.sites import Site
from callspan.recording.snapshot import Chunk, freeze

_STREAM_BYTES: Final = 262_144 + 4096


class Call:
    """A call that is recorded. Its methods never raise."""

    __slots__ = ("_chunks", "_count", "_first_chunk_ns", "_outer", "_own", "_recorder", "_size", "span")

    get_context = staticmethod(get_context)
    set_context = staticmethod(set_context)

    def __init__(self, recorder: Recorder, span: Any, own: Context, outer: Context) -> None:
        """Hold the span, the context in which it is current, and the one around it."""
        self._recorder = recorder
        self.span: Span = span
        self._own = own
        self._outer = outer

    # -- stepping --------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Make the span current on top of whatever is current now."""
        current = get_context()
        if current is not self._outer:
            self._outer = current
            own: dict[str, object] = {**current, SPAN_KEY: self.span}
            if SCOPE_KEY in self._own:
                own[SCOPE_KEY] = self._own[SCOPE_KEY]
            self._own = Context(own)
        set_context(self._own)

    def leave(self) -> None:
        """Make current again what was, keeping what the user's code changed."""
        if get_context() is self._own:
            set_context(self._outer)
        else:
            put_back(self._own, self._outer)

    def begin_stream(self) -> None:
        """Prepare for chunks."""
        self._chunks: list[Any] = []
        self._count = self._size = self._first_chunk_ns = 0

    def chunk(self, item: Any) -> None:
        """Note what a stream yielded; kept up to a bound, counted always."""
        self._count += 1
        if self._size > _STREAM_BYTES:
            return
        if type(item) is str and self._count > 1:
            self._size += len(item)
            self._chunks.append(item)
        else:
            self._keep_chunk(item)

    def _keep_chunk(self, item: Any) -> None:
        try:
            if self._count == 1:
                self._first_chunk_ns = self._recorder.ticks() - self.span._ticks  # noqa: SLF001 - same machine
            if type(item) is str:
                self._size += len(item)
                self._chunks.append(item)
            else:
                snapshot = freeze([item], None, self.span.site.open_objects)
                self._size += snapshot[3] + 64
                self._chunks.append(Chunk(snapshot))
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("noting a chunk", error)

    # -- closing ---------------------------------------------------------------------------------------------------

    def finish(self, value: Any) -> None:
        """Close the call with what it returned."""
        span = self.span
        recorder = self._recorder
        end_ns = span.start_ns + recorder.ticks() - span._ticks  # noqa: SLF001
        if get_context() is self._own:
            set_context(self._outer)
        else:
            put_back(self._own, self._outer)
        try:
            if span.output is None:
                self._keep_output(span, span.site, value)
            recorder.seal(span, end_ns)
        except Exception as error:  # noqa: BLE001
            self._seal_all_the_same(error, end_ns)

    def finish_stream(self) -> None:
        """Close the call with the chunks that came."""
        span = self.span
        end_ns = span.start_ns + self._recorder.ticks() - span._ticks  # noqa: SLF001
        self.leave()
        try:
            self._keep_chunks()
            self._recorder.seal(span, end_ns)
        except Exception as error:  # noqa: BLE001
            self._seal_all_the_same(error, end_ns)

    def fail(self, error: BaseException) -> None:
        """Close the call with what it raised: an error, a cancellation, or a generator that was given up."""
        span = self.span
        end_ns = span.start_ns + self._recorder.ticks() - span._ticks  # noqa: SLF001
        self.leave()
        try:
            if hasattr(self, "_chunks"):
                self._keep_chunks()
            if type(error) is GeneratorExit:
                span.outcome = "abandoned"
            elif is_cancellation(error):
                span.outcome = "cancelled"
            else:
                span.outcome = "error"
                span.status = STATUS_ERROR
                span.error = self._recorder.describe_error(span, error)
            self._recorder.seal(span, end_ns)
        except Exception as fault:  # noqa: BLE001
            self._seal_all_the_same(fault, end_ns)

    def close(self, error: BaseException | None) -> None:
        """Close a block: what was set is what is recorded."""
        if error is not None:
            self.fail(error)
            return
        span = self.span
        end_ns = span.start_ns + self._recorder.ticks() - span._ticks  # noqa: SLF001
        self.leave()
        if not span.end_ns:
            self._recorder.seal(span, end_ns)

    def _seal_all_the_same(self, fault: Exception, end_ns: int) -> None:
        if not self.span.end_ns:
            self._recorder.seal(self.span, end_ns)
        guard.note("closing a call", fault)

    def _keep_output(self, span: Span, site: Site, value: Any) -> None:
        if not site.capture_output:
            return
        if site.select_output is not None:
            value = site.select_output(value)
        snapshot = span.output = freeze([value], None, site.open_objects)
        span.size += snapshot[3]
        if snapshot[4] or snapshot[5]:
            account(span, "output", snapshot)

    def _keep_chunks(self) -> None:
        span, chunks = self.span, self._chunks
        span.stream = (self._count, self._first_chunk_ns if self._count else None)
        if span.output is not None or not span.site.capture_output:
            return
        if span.site.reduce is not None:
            self._keep_output(span, span.site, span.site.reduce(chunks))
            return
        span.output = ([chunks], None, None, self._size, 0, None)
        span.size += self._size
        if len(chunks) < self._count:
            span.truncated = {**(span.truncated or {}), "output": self._size}


class UnsampledCall(Call):
    """The root of a trace that is not recorded: current, so that everything below knows, and nothing else."""

    __slots__ = ()

    def begin_stream(self) -> None:
        """Do nothing."""

    def chunk(self, item: Any) -> None:
        """Do nothing."""

    def finish(self, value: Any) -> None:
        """Leave."""
        self.leave()

    def finish_stream(self) -> None:
        """Leave."""
        self.leave()

    def fail(self, error: BaseException) -> None:
        """Leave."""
        self.leave()

    def close(self, error: BaseException | None) -> None:
        """Leave."""
        self.leave()


def opener(recorder: Recorder) -> Callable[[Site, tuple[Any, ...], dict[str, Any]], Call | None]:
    """Return the function that opens calls of decorated functions for one recorder."""
    open_span, start, freeze_arguments = recorder.open, recorder.start, recorder.freeze_arguments

    def open_call(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Open a call and make it current; None when nothing is recorded and nothing has to be current for it."""
        try:
            opened = open_span(site)
            if opened is None:
                return None
            span, own, outer = opened
            if type(span) is InertSpan:
                set_context(own)
                return UnsampledCall(recorder, span, own, outer)
            if site.select_input is not None:
                _select_input(recorder, span, site, args, kwargs)
            elif site.capture_input:
                freeze_arguments(span, args, kwargs)
            start(span)
            set_context(own)
            return Call(recorder, span, own, outer)
        except Exception as error:  # noqa: BLE001
            guard.note("opening a call", error)
            return None

    return open_call


def block_opener(recorder: Recorder) -> Callable[[Site, Any], Call | None]:
    """Return the function that opens a block, or a call seen by an integration, for one recorder."""

    def open_block(site: Site, given: Any = None) -> Call | None:
        """Open a call whose input is `given`, unless that is None, and make it current; None when not recorded."""
        try:
            opened = recorder.open(site)
            if opened is None:
                return None
            span, own, outer = opened
            call: Call
            if type(span) is InertSpan:
                call = UnsampledCall(recorder, span, own, outer)
            else:
                call = Call(recorder, span, own, outer)
                if given is not None:
                    call.span.input = recorder.freeze(call.span, "input", given)
                recorder.start(call.span)
            set_context(own)
        except Exception as error:  # noqa: BLE001
            guard.note("opening a block", error)
            return None
        return call

    return open_block


def turn_on(recorder: Recorder) -> None:
    """Send the calls of everything that is watched to this recorder."""
    switch.recorder = recorder
    switch.open_block = block_opener(recorder)
    switch.open_call = opener(recorder)


def turn_off() -> None:
    """Record nothing from here on."""
    switch.open_call = switch.open_block = switch.recorder = None


def _select_input(recorder: Recorder, span: Span, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        span.input = recorder.freeze(span, "input", site.select_input(args, kwargs))  # type: ignore[misc]
    except Exception as error:  # noqa: BLE001 - the user's own selector failed: no input, but a span
        guard.note("the input= of a decorator", error)
