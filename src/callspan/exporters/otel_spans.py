"""Finished spans as OpenTelemetry's SDK knows them: `ReadableSpan`s with resource, scope, events, links and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from callspan.dialects.contract import Dialect
from callspan.dialects.json_text import digits, repair, to_json
from callspan.dialects.merge import attributes
from callspan.encoding.outline import SCOPE_NAME, events, schema_url, span_kind, status_message
from callspan.errors import ConfigurationError
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.version import VERSION

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_STATUSES: Final = (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)
_FIRST_KIND: Final = 1  # OTLP counts from "unspecified", the interface from "internal"
_SERVICE: Final = "service.name"


class Translator:
    """Turns spans into `ReadableSpan`s in the given dialects. Raises `ConfigurationError` where there is no SDK."""

    def __init__(self, dialects: tuple[Dialect, ...]) -> None:
        """Load the SDK."""
        try:
            from opentelemetry.sdk import trace as sdk  # noqa: PLC0415 - only for those who use it
            from opentelemetry.sdk.resources import Resource as SdkResource  # noqa: PLC0415
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415
        except ImportError:
            fix = "install opentelemetry-sdk, which this exporter hands spans to"
            raise ConfigurationError("exporters", "otel", fix) from None
        self._dialects = dialects
        self._sdk = sdk
        self._make_resource = SdkResource
        self._scope = InstrumentationScope(SCOPE_NAME, VERSION, schema_url(dialects))
        self._resource: tuple[Resource, Any, Any] | None = None

    def spans(self, spans: Sequence[Span], resource: Resource, theirs: Any = None) -> list[Any]:
        """Translate a batch; of the resource, what a provider of `theirs` says wins over what we say."""
        known = self._resource
        if known is None or known[0] is not resource or known[1] is not theirs:
            known = self._resource = (resource, theirs, self._merged(resource, theirs))
        return [self._readable(span, known[2]) for span in spans]

    def _merged(self, resource: Resource, theirs: Any) -> Any:
        told = {**resource.attributes, **(theirs.attributes if theirs is not None else {})}
        if str(told.get(_SERVICE, "")).startswith("unknown_service"):
            told[_SERVICE] = resource.attributes[_SERVICE]
        return self._make_resource(_flat(told))

    def _readable(self, span: Span, resource: Any) -> Any:
        own = _context(span.trace_id, span.span_id, span.trace_state)
        return self._sdk.ReadableSpan(
            name=repair(span.name),
            context=own,
            parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id, span.trace_state),
            resource=resource,
            attributes=_flat(attributes(span, self._dialects)),
            events=[
                self._sdk.Event(repair(name), _flat(told), timestamp=time_ns) for time_ns, name, told in events(span)
            ],
            links=[
                Link(_context(link.trace_id, link.span_id, None), _flat(link.attributes)) for link in span.links or ()
            ],
            kind=SpanKind(span_kind(span) - _FIRST_KIND),
            status=Status(_STATUSES[span.status], repair(status_message(span)) or None),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: int, span_id: int, state: Any) -> SpanContext:
    known = state if isinstance(state, TraceState) else None
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED, trace_state=known)


def _flat(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return attributes as the SDK allows them: scalars and lists of one type; what is nested becomes JSON."""
    return {repair(key): _value(value) for key, value in (told or {}).items() if value is not None}


def _value(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return repair(value)
    if kind is int:
        return value if -(2**63) <= value < 2**63 else digits(value)
    if kind is bool or kind is float:
        return value
    if kind is list or kind is tuple:
        kinds = {type(item) for item in value}
        if len(kinds) <= 1 and kinds <= {str, bool, int, float}:
            items = tuple(map(_value, value))
            return items if len({type(item) for item in items}) <= 1 else to_json(value)
    return to_json(value)
