"""A tracer provider of OpenTelemetry's interface that writes into our pipeline: for instrumentations by others.

It needs the API of OpenTelemetry only. It is never made the global one unasked, since that works once per process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.util import _decorator

from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.model.given import text_of, time_of
from callspan.model.kinds import kind_of
from callspan.model.span import STATUS_ERROR, ErrorFacts, InertSpan, Span
from callspan.recording.recorder import Recorder
from callspan.recording.sites import Site

_KIND_NAMES: Final = ("openinference.span.kind", "traceloop.span.kind")
_OPERATION: Final = "gen_ai.operation.name"
_FIRST_KIND: Final = 1  # OTLP counts from "unspecified", the interface from "internal"

# Works on coroutine functions too where it exists, as the interface wants it; it is not public.
_context_manager: Final[Callable[..., Any]] = getattr(_decorator, "_agnosticcontextmanager", contextmanager)


class TracerProvider(trace.TracerProvider):
    """Hands out tracers whose spans are recorded while callspan is on, and are harmless while it is off."""

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,  # noqa: ARG002 - the interface's, both
        attributes: Any = None,  # noqa: ARG002
    ) -> Tracer:
        """Return a tracer; its name and version stand on its spans as `otel.scope.name` and `otel.scope.version`."""
        return Tracer(instrumenting_module_name, instrumenting_library_version)


class Tracer(trace.Tracer):
    """Makes spans. They are chains, unless attributes name a kind or an operation by the time they end."""

    def __init__(self, name: Any, version: Any) -> None:
        """Speak for an instrumentation of that name."""
        scope = {"otel.scope.name": name, "otel.scope.version": version}
        told = {key: text_of(value) for key, value in scope.items() if value}
        self._sites = {kind: Site("", "chain", reader=_Reader(kind.value, told)) for kind in trace.SpanKind}

    def start_span(
        self,
        name: str,
        context: Any = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Any = None,
        links: Iterable[Any] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002, FBT001, FBT002 - the interface's: who makes it current heeds them
        set_status_on_exception: bool = True,  # noqa: ARG002, FBT001, FBT002
    ) -> trace.Span:
        """Start a span below what is current in `context`, here by default, without making it current."""
        try:
            recorder = switch.recorder
            opened = None if recorder is None else recorder.open(self._site_of(kind), context)
            if recorder is None or opened is None:
                return _harmless(context)
            if type(opened[0]) is Span:
                _begin(recorder, opened[0], name, attributes, links, start_time)
        except Exception as error:  # noqa: BLE001 - we are on the user's thread
            guard.note("starting a span of a tracer", error)
            return trace.INVALID_SPAN
        span: trace.Span = opened[0]
        return span

    @_context_manager
    def start_as_current_span(
        self,
        name: str,
        context: Any = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Any = None,
        links: Iterable[Any] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - the interface's, all three
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
        end_on_exit: bool = True,  # noqa: FBT001, FBT002
    ) -> Iterator[trace.Span]:
        """Start a span that is current in the block; what the block raises is recorded and goes on."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ):
            yield span

    def _site_of(self, kind: Any) -> Site:
        return self._sites.get(kind) or self._sites[trace.SpanKind.INTERNAL]


class _Reader:
    """Reads in the worker what a foreign span says of itself."""

    __slots__ = ("_scope", "_span_kind")

    def __init__(self, span_kind: int, scope: dict[str, str]) -> None:
        self._span_kind = span_kind + _FIRST_KIND
        self._scope = scope

    def __call__(self, span: Span, facts: Facts) -> None:
        told = facts.attributes
        words = [told[name] for name in _KIND_NAMES if isinstance(told.get(name), str)]
        operation = told.get(_OPERATION)
        span.kind, span.component = kind_of(
            words[0] if words else None, operation if isinstance(operation, str) else None
        )
        facts.span_kind = self._span_kind
        for name, value in self._scope.items():
            told.setdefault(name, value)
        if span.status == STATUS_ERROR and span.error is None:
            span.error = _raised(span)


def _raised(span: Span) -> ErrorFacts | None:
    """Return the exception that was recorded last, where a status says that there was an error."""
    for event in reversed(span.events or ()):
        kind = event.attributes.get("exception.type")
        if event.name == "exception" and isinstance(kind, str):
            return ErrorFacts(kind, str(event.attributes.get("exception.message") or ""), [])
    return None


def _begin(recorder: Recorder, span: Span, name: Any, attributes: Any, links: Any, start_time: Any) -> None:
    span.name = text_of(name)
    if attributes is not None:
        span.set_attributes(attributes)
    for link in links or ():
        span.add_link(getattr(link, "context", None), getattr(link, "attributes", None))
    recorder.start(span)
    start_ns = time_of(start_time)
    if start_ns is not None:
        span._ticks -= span.start_ns - start_ns  # noqa: SLF001 - so that its end is now when it ends
        span.start_ns = start_ns


def _harmless(context: Any) -> trace.Span:
    """Return a span that records nothing and carries on the IDs of what is current, as the interface wants it."""
    current: Any = trace.get_current_span(context)
    if type(current) is InertSpan:
        return current  # type: ignore[return-value]
    return trace.NonRecordingSpan(current.get_span_context())


_provider: Final = TracerProvider()


def tracer_provider() -> TracerProvider:
    """Return a tracer provider of OpenTelemetry's interface whose spans go where callspan's go.

    Hand it to instrumentations by others, as in `HTTPXClientInstrumentor().instrument(tracer_provider=…)`: their spans
    nest with those of callspan, both ways, and pass the same gate to the same exporters. It needs no OpenTelemetry SDK,
    and records while callspan is on.
    """
    return _provider
