"""Spans to whatever OpenTelemetry's SDK can send to: its exporters and processors, or the provider that is set up.

The SDK is imported when such an exporter is made, and nowhere else.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, Final, Literal

from opentelemetry import trace

from callspan.dialects.contract import Dialect
from callspan.dialects.registry import resolve
from callspan.errors import ConfigurationError
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.hints import Hints
from callspan.exporters.otel_spans import Translator
from callspan.policy import content_level

_FLUSH_MS: Final = 30_000
_Role = Literal["exporter", "processor", "provider"]
_NO_PROVIDER: Final = "no OpenTelemetry provider is set up"


class OtelExporter:
    """Hands finished spans to a span exporter or span processor of OpenTelemetry's SDK.

    target: a `SpanExporter`, a `SpanProcessor` or a `TracerProvider` of the SDK; by default the provider that
        `opentelemetry.trace.set_tracer_provider` was told of, looked for when the first spans come.
    dialects: "genai" (default), "genai-1.41", "openinference", or several.
    capture_content: False for spans without content, "metadata" for types and sizes instead of values.

    Spans arrive as `ReadableSpan`s. An exporter gets them in batches; a processor gets them one by one, as ended, and
    is flushed after each batch. What an exporter fails to send is counted as rejected, as OpenTelemetry has no second
    attempt beyond the exporter's own. Closing shuts an exporter or a processor down, and never a provider.

    Raises `ConfigurationError` where the SDK is not installed, or the target is none of these.
    """

    local: Final = False

    def __init__(
        self,
        target: Any = None,
        *,
        dialects: str | Dialect | Iterable[str | Dialect] = "genai",
        capture_content: bool | Literal["metadata"] = True,
        name: str = "otel",
    ) -> None:
        """Check what is given; nothing is sent yet."""
        if type(name) is not str or not name:
            raise ConfigurationError("name", name, "give a string that is not empty")
        role = "provider" if target is None else role_of(target)
        if role is None:
            raise ConfigurationError("target", target, "give a SpanExporter, a SpanProcessor or a TracerProvider")
        self.name = name
        self.capture_content = content_level("capture_content", capture_content)
        self.target = target
        self.durable = role == "exporter"  # the others take everything at once, delivered or not
        self._role: _Role = role
        self._hints = Hints(name)
        self._translator = Translator(resolve(dialects))
        _known.add(self)

    def export(self, batch: Batch) -> ExportResult:
        """Hand the spans over."""
        target = self._found() if self.target is None else self.target
        if target is None:
            self._hints.once("provider", f"{_NO_PROVIDER}; call opentelemetry.trace.set_tracer_provider first")
            return ExportResult(rejected=len(batch.spans), reason=_NO_PROVIDER)
        if self._role == "exporter":
            return self._send(target, batch)
        processor = target if self._role == "processor" else target._active_span_processor  # noqa: SLF001 - no other way
        theirs = getattr(target, "resource", None) if self._role == "provider" else None
        for span in self._translator.spans(batch.spans, batch.resource, theirs):
            processor.on_end(span)
        if not target.force_flush(_FLUSH_MS):
            self._hints.once("flush", "OpenTelemetry did not send all in time; what it drops is not counted here")
        return ExportResult(delivered=len(batch.spans))

    def close(self) -> None:
        """Shut an exporter or a processor down."""
        if self.target is not None and self._role != "provider":
            self.target.shutdown()

    def _send(self, target: Any, batch: Batch) -> ExportResult:
        result = target.export(self._translator.spans(batch.spans, batch.resource))
        if getattr(result, "name", None) == "SUCCESS":
            return ExportResult(delivered=len(batch.spans))
        return ExportResult(rejected=len(batch.spans), reason="the OpenTelemetry exporter failed")

    def _found(self) -> Any:
        """Return the provider that is set up, if it is one of the SDK's."""
        provider = trace.get_tracer_provider()
        return provider if _is_provider(provider) else None


_known: Final[weakref.WeakSet[OtelExporter]] = weakref.WeakSet()


def adapter_of(target: Any) -> OtelExporter:
    """Return the exporter for a target given as it is; the same one again, so that it is not closed while in use."""
    return next((known for known in _known if known.target is target), None) or OtelExporter(target)


def role_of(target: Any) -> _Role | None:
    """Return what a target is, by its methods; None for none of them."""
    if _is_provider(target):
        return "provider"
    if _has(target, "on_end", "shutdown", "force_flush"):
        return "processor"
    return "exporter" if _has(target, "export", "shutdown") else None


def _is_provider(target: Any) -> bool:
    return _has(target, "add_span_processor", "force_flush") and hasattr(target, "_active_span_processor")


def _has(target: Any, *methods: str) -> bool:
    return not isinstance(target, type) and all(callable(getattr(target, method, None)) for method in methods)
