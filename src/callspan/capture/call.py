"""One watched invocation, without I/O: opened, stepping, then finished, failed, cancelled or abandoned.

A `Call` is current from `enter` to `leave`; the drivers put these around each stretch of the user's code, so that it is
never current while a generator is suspended. Closing a call twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from callspan.capture.switch import STREAM_BYTES
from callspan.guard import guard
from callspan.model.span import STATUS_ERROR, Span
from callspan.recording.errors import is_cancellation
from callspan.recording.otel import SCOPE_KEY, SPAN_KEY, Context, get_context, put_back, restore, set_context
from callspan.recording.recorder import Recorder, account
from callspan.recording.snapshot import Chunk, freeze

_CHUNK_BYTES: Final = 64  # what a short text holds beside its characters


class Call:
    """A call that is recorded. Its methods never raise."""

    __slots__ = (
        "_chunks",
        "_first_chunk_ns",
        "_left",
        "_outer",
        "_own",
        "_recorder",
        "_unkept",
        "_unkept_size",
        "span",
    )

    get_context = staticmethod(get_context)
    set_context = staticmethod(set_context)

    _recorder: Recorder
    _own: Context  # the context in which the span is current
    _outer: Context  # the one around it
    _left: Context | None  # what the body left current over a yield, where that is a span of another tracer
    span: Span

    # -- stepping --------------------------------------------------------------------------------------------------

    def enter(self) -> tuple[Context, Context]:
        """Go on with the body of a generator; return the context in which it runs and the one around it."""
        current = get_context()
        if current is not self._outer:
            left = self._left
            if left is not None and current.get(SPAN_KEY) is left.get(SPAN_KEY):
                return self._own, self._outer  # the body's own span of another tracer is still current
            own: dict[str, object] = {**current, SPAN_KEY: self._own[SPAN_KEY]}
            own.pop(SCOPE_KEY, None)
            if SCOPE_KEY in self._own:
                own[SCOPE_KEY] = self._own[SCOPE_KEY]
            self._own, self._outer = Context(own), current
        set_context(self._own)
        return self._own, self._outer

    def suspend(self) -> tuple[Context, Context]:
        """Leave the body of a generator over a `yield`; return the same as `enter`.

        Our spans stay behind, those of blocks that the body has open too. What else it changed in the context stays
        visible to the consumer as it would without us: that includes spans of other tracers.
        """
        current = get_context()
        if current is self._own:
            set_context(self._outer)
            return self._own, self._outer
        inner = current.get(SPAN_KEY)
        if inner is self.span or type(inner) is Span:
            self._own, self._left = current, None
            self._outer = restore(current, self._outer, (SPAN_KEY, SCOPE_KEY))
            set_context(self._outer)
        else:
            self._left = current
        return self._own, self._outer

    @property
    def parent(self) -> Any:
        """The span under which this call was opened, whoever made it; None where there was none."""
        return self._outer.get(SPAN_KEY)

    def leave(self) -> None:
        """Make current again what was, keeping what the user's code changed."""
        if get_context() is self._own:
            set_context(self._outer)
        else:
            put_back(self.span, self._outer)

    def begin_stream(self) -> tuple[Callable[[Any], None], Context, Context]:
        """Prepare for chunks; return what keeps a text chunk while the stream is small, and the same as `enter`."""
        self._chunks: list[Any] = []
        self._unkept = self._unkept_size = 0
        self._first_chunk_ns: int | None = None
        self._left = None
        return self._chunks.append, self._own, self._outer

    def chunk(self, item: Any, size: int) -> int:
        """Note any chunk of a stream that has `size` bytes so far, kept up to a bound, counted always; return the size.

        The first one and those that are no text have to come this way.
        """
        site = self.span.site
        try:
            if self._first_chunk_ns is None:
                self._first_chunk_ns = self._recorder.ticks() - self.span._ticks  # noqa: SLF001 - same machine
                size = STREAM_BYTES if site.awaited or not site.capture_output else 0
            if size >= STREAM_BYTES:
                self._unkept += 1
                self._unkept_size += len(item) if type(item) is str else 64
                return size
            if type(item) is str:
                self._chunks.append(item)
                return size + len(item)
            if site.reduce is not None or site.select_output is not None:  # they get the user's own chunks
                self._chunks.append(item)
                return size + 64
            snapshot = freeze([item], None, site.open_objects)
            self._chunks.append(Chunk(snapshot))
            if snapshot[4] or snapshot[5]:
                account(self.span, "output", snapshot)
            return size + snapshot[3] + 64
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("noting a chunk", error)
            return size

    def give_up(self) -> None:
        """Note that the consumer closes the stream, whatever the body makes of it."""
        self.span.outcome = "abandoned"

    # -- closing ---------------------------------------------------------------------------------------------------

    def finish(self, value: Any) -> None:
        """Close the call with what it returned."""
        span = self.span
        recorder = self._recorder
        end_ns = span.start_ns + recorder.ticks() - span._ticks  # noqa: SLF001
        current = get_context()
        if current is self._own:
            set_context(self._outer)
        elif current.get(SPAN_KEY) is span:
            put_back(span, self._outer)
        try:
            site = span.site
            if span.output is None and site.capture_output and not span.end_ns:
                if site.select_output is not None:
                    value = site.select_output(value)
                span.output = snapshot = freeze([value], None, site.open_objects)
                span.size += snapshot[3]
                if snapshot[4] or snapshot[5]:
                    account(span, "output", snapshot)
            if span.end_ns:  # nothing is called between this and the assignment: no other thread comes between
                guard.count("span ended twice")
            else:
                span.end_ns = end_ns
                recorder.sink(span)
        except Exception as error:  # noqa: BLE001
            self._seal_all_the_same(error, end_ns)

    def finish_stream(self, size: int, value: Any = None) -> None:
        """Close the call with the chunks that came, of `size` bytes; what is awaited, with the `value` it returned."""
        span = self.span
        if span.site.awaited:
            self.finish(value)
            return
        end_ns = span.start_ns + self._recorder.ticks() - span._ticks  # noqa: SLF001
        self.suspend()
        try:
            self._keep_chunks(size)
            self._recorder.seal(span, end_ns)
        except Exception as error:  # noqa: BLE001
            self._seal_all_the_same(error, end_ns)

    def fail(self, error: BaseException) -> None:
        """Close the call with what it raised: an error, a cancellation, or a generator that was given up."""
        span = self.span
        end_ns = span.start_ns + self._recorder.ticks() - span._ticks  # noqa: SLF001
        is_stream = hasattr(self, "_chunks")
        if is_stream:
            self.suspend()
        elif get_context() is self._own:
            set_context(self._outer)
        else:
            put_back(span, self._outer, type(error) is RecursionError)
        try:
            if not span.end_ns:
                self._describe(span, error)
                if is_stream:
                    self._keep_chunks(sum(len(chunk) if type(chunk) is str else 64 for chunk in self._chunks))
            self._recorder.seal(span, end_ns)
        except Exception as fault:  # noqa: BLE001
            self._seal_all_the_same(fault, end_ns)

    def _describe(self, span: Span, error: BaseException) -> None:
        if type(error) is GeneratorExit:
            span.outcome = "abandoned"
        elif is_cancellation(error):
            span.outcome = "cancelled"
        else:
            span.outcome = "error"
            span.status = STATUS_ERROR
            span.error = self._recorder.describe_error(span, error)

    def close(self, error: BaseException | None) -> None:
        """Close a block: what was set is what is recorded."""
        if error is not None:
            self.fail(error)
            return
        span = self.span
        end_ns = span.start_ns + self._recorder.ticks() - span._ticks  # noqa: SLF001
        self.leave()
        try:
            if not span.end_ns:
                self._recorder.seal(span, end_ns)
        except Exception as fault:  # noqa: BLE001
            guard.note("closing a block", fault)

    def _seal_all_the_same(self, fault: Exception, end_ns: int) -> None:
        if not self.span.end_ns:
            self._recorder.seal(self.span, end_ns)
        if type(fault) is not RecursionError:  # else the user's stack is full, which they will hear of
            guard.note("closing a call", fault)

    def _keep_chunks(self, size: int) -> None:
        span, chunks, site = self.span, self._chunks, self.span.site
        if span.end_ns or site.awaited:
            return
        span.stream = (len(chunks) + self._unkept, self._first_chunk_ns)
        size = size if chunks else 0
        if span.output is not None or not site.capture_output:
            return
        if self._unkept:
            span.truncated = {**(span.truncated or {}), "output": size + self._unkept_size}
        if site.reduce is None and site.select_output is None:
            span.output = ([chunks], None, None, size, 0, None)
            span.size += size + _CHUNK_BYTES * len(chunks)
            return
        value = chunks if site.reduce is None else site.reduce(chunks)
        span.output = self._recorder.freeze(
            span, "output", value if site.select_output is None else site.select_output(value)
        )


class MeasuredCall(Call):
    """A model call that is not recorded, and measured all the same."""

    __slots__ = ()

    def finish(self, value: Any) -> None:
        """Close the call with what is told of model and usage in what it returned."""
        end_ns = self.span.start_ns + self._recorder.ticks() - self.span._ticks  # noqa: SLF001
        self.leave()
        try:
            if not self.span.end_ns and value is not None:
                self.span.output = self._recorder.freeze(self.span, "output", value)
            self._recorder.seal(self.span, end_ns)
        except Exception as error:  # noqa: BLE001
            guard.note("measuring a call", error)


class UnsampledCall(Call):
    """The root of a trace that is not recorded: current, so that everything below knows, and nothing else."""

    __slots__ = ()

    def begin_stream(self) -> tuple[Callable[[Any], None], Context, Context]:
        """Note nothing."""
        self._left = None
        return _ignore, self._own, self._outer

    def chunk(self, item: Any, size: int) -> int:  # noqa: ARG002
        """Note nothing."""
        return 0

    def give_up(self) -> None:
        """Note nothing."""

    def finish(self, value: Any) -> None:  # noqa: ARG002
        """Leave."""
        self.leave()

    def finish_stream(self, size: int, value: Any = None) -> None:  # noqa: ARG002
        """Leave."""
        self.suspend()

    def fail(self, error: BaseException) -> None:  # noqa: ARG002
        """Leave."""
        self.leave()

    def close(self, error: BaseException | None) -> None:  # noqa: ARG002
        """Leave."""
        self.leave()


def _ignore(item: Any) -> None:
    """Do nothing with a chunk."""
