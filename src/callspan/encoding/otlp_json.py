"""OTLP as JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

IDs are hexadecimal, 64-bit integers are strings, enums are numbers and names are in camelCase. A line of a file is a
whole request, which is what the Collector's `otlpjsonfile` receiver reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from callspan.dialects.contract import Dialect
from callspan.dialects.json_text import digits, dump, special
from callspan.dialects.merge import attributes
from callspan.encoding.outline import (
    MAX_DEPTH,
    NESTED,
    SAMPLED,
    SCOPE_NAME,
    OutlinedEvent,
    events,
    schema_url,
    span_kind,
    status_message,
    text_keys,
    too_deep,
    trace_state,
)
from callspan.model.resource import Resource
from callspan.model.span import STATUS_UNSET, Link, Span
from callspan.version import VERSION

CONTENT_TYPE: Final = "application/json"

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around the spans of a process, encoded once: `head + spans, separated by commas + tail`."""

    head: bytes
    tail: bytes


def envelope(resource: Resource, dialects: Sequence[Dialect]) -> Envelope:
    """Encode the resource, the scope and the schema."""
    described = dump({"attributes": _pairs(resource.attributes)})
    scope = dump({"name": SCOPE_NAME, "version": VERSION})
    url = schema_url(dialects)
    return Envelope(
        b'{"resourceSpans":[{"resource":' + described + b',"scopeSpans":[{"scope":' + scope + b',"spans":[',
        b"]" + (b',"schemaUrl":' + dump(url) if url else b"") + b"}]}]}",
    )


def request(spans: Sequence[Span], resource: Resource, dialects: Sequence[Dialect]) -> bytes:
    """Write one `ExportTraceServiceRequest` with all spans of one process."""
    around = envelope(resource, dialects)
    # Written piece by piece, so that the memory of one span serves the next: half the time of joining a list.
    written = BytesIO()
    written.write(around.head)
    for index, span in enumerate(spans):
        if index:
            written.write(b",")
        written.write(dump(_span(span, dialects)))
    written.write(around.tail)
    return written.getvalue()


def line(span: Span, around: Envelope, dialects: Sequence[Dialect]) -> bytes:
    """Write one span as a whole request on one line, its end included; `around` is that of the same dialects."""
    return around.head + dump(_span(span, dialects)) + around.tail + b"\n"


def _span(span: Span, dialects: Sequence[Dialect]) -> Tree:
    tree: Tree = {"traceId": f"{span.trace_id:032x}", "spanId": f"{span.span_id:016x}"}
    state = trace_state(span)
    if state:
        tree["traceState"] = state
    if span.parent_id is not None:
        tree["parentSpanId"] = f"{span.parent_id:016x}"
    tree["flags"] = SAMPLED
    tree["name"] = span.name
    tree["kind"] = span_kind(span)
    tree["startTimeUnixNano"] = str(span.start_ns)
    tree["endTimeUnixNano"] = str(span.end_ns)
    tree["attributes"] = _pairs(attributes(span, dialects))
    happened = events(span)
    if happened:
        tree["events"] = [_event(event) for event in happened]
    if span.links:
        tree["links"] = [_link(link) for link in span.links]
    if span.status != STATUS_UNSET:
        tree["status"] = _status(span)
    return tree


def _status(span: Span) -> Tree:
    message = status_message(span)
    return {"message": message, "code": span.status} if message else {"code": span.status}


def _event(event: OutlinedEvent) -> Tree:
    time_ns, name, told = event
    tree: Tree = {"timeUnixNano": str(time_ns), "name": name}
    if told:
        tree["attributes"] = _pairs(told)
    return tree


def _link(link: Link) -> Tree:
    tree: Tree = {"traceId": f"{link.trace_id:032x}", "spanId": f"{link.span_id:016x}"}
    if link.attributes:
        tree["attributes"] = _pairs(link.attributes)
    return tree


def _pairs(told: Mapping[str, Any], depth: int = MAX_DEPTH) -> list[Tree]:
    return [
        # Texts are most of what there is: deciding for them here spares a call each.
        {"key": key, "value": {"stringValue": value} if type(value) is str else _any_value(value, depth)}
        for key, value in told.items()
    ]


def _any_value(value: object, depth: int) -> Tree:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -(2**63) <= value < 2**63 else {"stringValue": digits(value)}
    if isinstance(value, float):
        return {"doubleValue": value if value - value == 0 else special(value)}
    if value is None:
        return {}
    if not isinstance(value, NESTED):
        return {"stringValue": f"<{type(value).__name__}>"}
    if depth == 0:
        return {"stringValue": too_deep(value)}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _pairs(text_keys(value), depth - 1)}}
    return {"arrayValue": {"values": [_any_value(item, depth - 1) for item in value]}}
