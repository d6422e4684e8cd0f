"""The only file that imports OpenTelemetry: the context that carries our span and scope, and IDs as it writes them.

Our span stands in the OpenTelemetry context like any other, so spans of code that speaks OpenTelemetry nest under it,
and it under theirs. `get_context` and `set_context` are the context variable itself where the runtime context is the
usual one: attach and detach cost twice as much, and detach logs an error where the context changed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callspan.model.span import InertSpan, Span

__all__ = ["Context", "below", "get_context", "put_back", "restore", "set_context"]

SPAN_KEY: Final[str] = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
SCOPE_KEY: Final = "callspan-scope"
SUPPRESS_KEY: Final[str] = getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
PLAIN_SUPPRESS_KEY: Final = "suppress_instrumentation"
SUPPRESS_KEYS: Final = (SUPPRESS_KEY, PLAIN_SUPPRESS_KEY)

_variable = getattr(getattr(otel_context, "_RUNTIME_CONTEXT", None), "_current_context", None)
_is_usual: Final = isinstance(_variable, ContextVar)

get_context: Final[Callable[[], Context]] = _variable.get if _is_usual else otel_context.get_current  # type: ignore[union-attr]
set_context: Final[Callable[[Context], object]] = _variable.set if _is_usual else otel_context.attach  # type: ignore[union-attr]

_SAMPLED: Final = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_NOT_SAMPLED: Final = trace.TraceFlags(trace.TraceFlags.DEFAULT)
_propagator: Final = TraceContextTextMapPropagator()


def _make_context(trace_id: int, span_id: int, sampled: bool, trace_state: Any) -> trace.SpanContext:  # noqa: FBT001
    return trace.SpanContext(
        trace_id, span_id, is_remote=False, trace_flags=_SAMPLED if sampled else _NOT_SAMPLED, trace_state=trace_state
    )


Span.make_context = staticmethod(_make_context)
trace.Span.register(Span)
trace.Span.register(InertSpan)


def put_back(span: Any, outer: Context, is_lost: bool = False) -> None:  # noqa: FBT001, FBT002
    """Take `span` out of the context: by value and without a word, whatever happened in between.

    Where the user's code changed the context, its change stays, and our span and scope alone go back to what they were
    in `outer`. With `is_lost`, spans of ours below `span` go too: the stack overflowed before they could be taken out.
    """
    current = get_context()
    found: Any = current.get(SPAN_KEY)
    if found is span or (is_lost and type(found) is type(span) and found.trace_id == span.trace_id):
        set_context(restore(current, outer, (SPAN_KEY, SCOPE_KEY)))


def put_back_keys(own: Context, outer: Context) -> None:
    """Leave a context that differs from `outer` in what a block sets, as `put_back` leaves a span's."""
    current = get_context()
    if current is own:
        set_context(outer)
        return
    keys = [key for key in (SPAN_KEY, SCOPE_KEY, *SUPPRESS_KEYS) if own.get(key) is not outer.get(key)]
    if all(current.get(key) is own.get(key) for key in keys):
        set_context(restore(current, outer, keys))


def restore(current: Context, outer: Context, keys: Iterable[str]) -> Context:
    """Return `current` with the values that `outer` has under `keys`; `outer` itself if that is the same."""
    restored = {**current}
    for key in keys:
        if key in outer:
            restored[key] = outer[key]
        else:
            restored.pop(key, None)
    if len(restored) == len(outer) and all(restored.get(key) is value for key, value in outer.items()):
        return outer
    return Context(restored)


def read_parent(headers: dict[str, str]) -> trace.Span | None:
    """Return the span of another process that a `traceparent` header names; None where it names none."""
    found = trace.get_current_span(_propagator.extract(headers, Context()))
    return found if found.get_span_context().is_valid else None


def parent_context(trace_id: int, span_id: int) -> Context:
    """Return a context in which a sampled span of another process is current."""
    parent = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)
    return Context({SPAN_KEY: trace.NonRecordingSpan(parent)})


def write_parent(context: Context) -> dict[str, str]:
    """Return the headers that name the span which is current in `context`; none where there is none."""
    headers: dict[str, str] = {}
    if trace.get_current_span(context).get_span_context().is_valid:
        _propagator.inject(headers, context)
    return headers


def is_in_trace_of(span: Any, parent: Any) -> bool:
    """Return whether `span`, if there is one, was made in this process and belongs to the trace of `parent`."""
    if span is None:
        return False
    context = span.get_span_context()
    return context.is_valid and not context.is_remote and context.trace_id == parent.get_span_context().trace_id


def below(span: Any) -> Context:
    """Return what is current here, with `span`, one of ours, and its scope in the place of what is."""
    context: dict[str, object] = {**get_context(), SPAN_KEY: span}
    context.pop(SCOPE_KEY, None)
    if type(span) is Span and span.scope is not None:
        context[SCOPE_KEY] = span.scope
    return Context(context)


def hollow(own: Context, outer: Context, keys: Iterable[str]) -> None:
    """Give `own`, a context that we made, the values that `outer` has under `keys`, wherever it is still current.

    For a span that ends in another task or thread than the one in which it was made current: nobody can restore the
    context of those from here, but what stands in it is ours.
    """
    for key in keys:
        if key in outer:
            dict.__setitem__(own, key, outer[key])
        else:
            dict.pop(own, key, None)


class attached:  # noqa: N801 - used like a function
    """Make a context current in the block, and again what was current before."""

    __slots__ = ("_context", "_outer")

    def __init__(self, context: Context) -> None:
        """Take the context of another thread."""
        self._context = context

    def __enter__(self) -> None:
        """Attach."""
        self._outer = get_context()
        set_context(self._context)

    def __exit__(self, *_: object) -> None:
        """Restore."""
        set_context(self._outer)


class quiet:  # noqa: N801 - used like a function
    """Record nothing in the block, here and in every instrumentation that honours OpenTelemetry's suppression."""

    def __enter__(self) -> None:
        """Suppress."""
        self._outer = get_context()
        set_context(Context({**self._outer, **dict.fromkeys(SUPPRESS_KEYS, True)}))

    def __exit__(self, *_: object) -> None:
        """Record again."""
        set_context(self._outer)
