"""The shape of OTLP JSON: an `ExportTraceServiceRequest`, parsed from one line, gives spans with plain attributes.

Reads what our file exporter, the OTel SDKs and the OTel Collector write: names in camelCase or snake_case, 64-bit
numbers as numbers or texts, enums as numbers or names, IDs in hexadecimal or, from generic protobuf printers, base64.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final, NamedTuple

Tree = dict[str, Any]
Complain = Callable[[str], None]
"""Told why a span could not be read, in a few words that can be counted."""
Wants = Callable[[str], bool]
"""Says of the name of an attribute whether it is looked at."""

NOT_A_REQUEST: Final = "not an OTLP trace request"
NOT_A_SPAN: Final = "not a span"
NO_IDS: Final = "span without valid IDs"
NO_TIME: Final = "span without a start time"

_LARGEST: Final = 2**64  # times have no sign


class RawSpan:
    """One span as it stands in the file, its own fields read and its lists still as written."""

    __slots__ = (
        "attributes",
        "end_ns",
        "events",
        "links",
        "name",
        "parent_id",
        "resource_attributes",
        "span_id",
        "start_ns",
        "status",
        "status_message",
        "trace_id",
    )

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    end_ns: int
    status: int
    status_message: str | None
    attributes: list[Any]
    events: list[Any]
    links: list[Any]
    resource_attributes: object

    @property
    def resource(self) -> Tree:
        """The attributes of the process it comes from; read each time, since most readers never ask."""
        return read_attributes(self.resource_attributes)


class LeanSpan(NamedTuple):
    """A span of which no more is known than IDs, name, and attributes, which are read, and need not be all."""

    trace_id: str
    span_id: str
    name: str
    attributes: Tree

    @classmethod
    def of(cls, raw: RawSpan, wants: Wants) -> LeanSpan:
        """Read the attributes of a span that are wanted, and leave the rest."""
        told = read_attributes(raw.attributes)
        return cls(raw.trace_id, raw.span_id, raw.name, {name: told[name] for name in told if wants(name)})


def read_request(tree: object, complain: Complain) -> Iterator[RawSpan | None]:
    """Yield every span of a request, or of a list of them; None in the place of one that cannot be read.

    `complain` is told of those, and of what is no request.
    """
    for request in tree if isinstance(tree, list) and tree else (tree,):
        for entry in _resources(request, complain):
            if not isinstance(entry, dict):
                complain(NOT_A_REQUEST)
                continue
            resource = entry.get("resource")
            attributes = resource.get("attributes") if isinstance(resource, dict) else None
            for scope in under(entry, "scopeSpans", "scope_spans"):
                for span in under(scope, "spans"):
                    yield _read_span(span, attributes, complain)


def _resources(tree: object, complain: Complain) -> list[Any]:
    if not isinstance(tree, dict):
        complain(NOT_A_REQUEST)
        return []
    resources = _field(tree, "resourceSpans", "resource_spans")
    if not isinstance(resources, list):
        complain("OTLP metrics or logs, no spans" if _is_other_signal(tree) else NOT_A_REQUEST)
        return []
    return resources


def read_attributes(pairs: object, only: Collection[str] | None = None) -> Tree:
    """Read a list of `{key, value}` into a dictionary; with `only`, nothing else is looked at."""
    if only is not None:
        try:
            return {
                pair["key"]: value["stringValue"] if "stringValue" in (value := pair["value"]) else read_value(value)
                for pair in pairs  # type: ignore[attr-defined]
                if pair["key"] in only
            }
        except (KeyError, TypeError):
            pass  # something in it is odd: slowly then, one by one
    attributes: Tree = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, dict):
            key = pair.get("key")
            if isinstance(key, str) and (only is None or key in only):
                attributes[key] = read_value(pair.get("value"))
    return attributes


def read_value(value: object) -> Any:
    """Read an `AnyValue`; None for an empty or unreadable one.

    >>> read_value({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}})
    [1, 'b']
    """
    if not isinstance(value, dict):
        return None
    text = value.get("stringValue")
    if type(text) is str:
        return text
    for name, inner in value.items():
        read = _VALUES.get(name)
        if read is not None:
            return read(inner)
    return None


def read_int(value: object) -> int | None:
    """Read a 64-bit number, which JSON carries as a text; None when it is none, or larger."""
    if isinstance(value, str | float):
        try:
            value = int(value)
        except (ValueError, OverflowError):
            return None
    return value if type(value) is int and -_LARGEST <= value < _LARGEST else None


def read_id(value: object, digits: int) -> str | None:
    """Read an ID of that many hexadecimal digits; None when it is empty, all zeros or none at all."""
    if not isinstance(value, str) or not value:
        return None
    if len(value) != digits:
        value = _from_base64(value)
    try:
        told = bytes.fromhex(value)
    except ValueError:
        return None
    # `fromhex` takes blanks too: then there are fewer bytes.
    return value.lower() if len(told) * 2 == digits and told.strip(b"\0") else None


def _from_base64(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).hex()
    except ValueError:
        return ""


def _read_span(tree: object, resource: object, complain: Complain) -> RawSpan | None:
    if not isinstance(tree, dict):
        complain(NOT_A_SPAN)
        return None
    trace_id = read_id(_field(tree, "traceId", "trace_id"), 32)
    span_id = read_id(_field(tree, "spanId", "span_id"), 16)
    if trace_id is None or span_id is None:
        complain(NO_IDS)
        return None
    start_ns = read_int(_field(tree, "startTimeUnixNano", "start_time_unix_nano"))
    if start_ns is None:
        complain(NO_TIME)
        return None
    span = RawSpan()
    span.trace_id, span.span_id = trace_id, span_id
    parent_id, name = _field(tree, "parentSpanId", "parent_span_id"), tree.get("name")
    span.parent_id = read_id(parent_id, 16) if parent_id else None
    span.name = name if isinstance(name, str) else ""
    span.start_ns = start_ns
    end_ns = read_int(_field(tree, "endTimeUnixNano", "end_time_unix_nano"))
    span.end_ns = start_ns if end_ns is None else end_ns
    span.status, span.status_message = _read_status(tree.get("status"))
    attributes, events, links = tree.get("attributes"), tree.get("events"), tree.get("links")
    span.attributes = attributes if isinstance(attributes, list) else []
    span.events = events if isinstance(events, list) else []
    span.links = links if isinstance(links, list) else []
    span.resource_attributes = resource
    return span


def _read_status(status: object) -> tuple[int, str | None]:
    if not isinstance(status, dict):
        return 0, None
    code, message = status.get("code"), status.get("message")
    number = _STATUS_NAMES.get(code) if isinstance(code, str) else code
    return (
        number if isinstance(number, int) and number in (1, 2) else 0,
        message if isinstance(message, str) and message else None,
    )


def _field(tree: Tree, name: str, other: str) -> Any:
    value = tree.get(name)
    return tree.get(other) if value is None else value


def under(tree: object, *names: str) -> list[Any]:
    """Return the list that stands under one of these names; an empty one where there is none."""
    if isinstance(tree, dict):
        for name in names:
            value = tree.get(name)
            if isinstance(value, list):
                return value
    return []


def _is_other_signal(tree: Tree) -> bool:
    return any(name in tree for name in ("resourceMetrics", "resourceLogs", "resource_metrics", "resource_logs"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _double(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _array(value: object) -> list[Any]:
    return [read_value(item) for item in under(value, "values")]


def _kvlist(value: object) -> Tree:
    return read_attributes(under(value, "values"))


_STATUS_NAMES: Final = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2, "1": 1, "2": 2}
_VALUES: Final[dict[str, Callable[[object], Any]]] = {
    "stringValue": _text,
    "intValue": read_int,
    "doubleValue": _double,
    "boolValue": _bool,
    "arrayValue": _array,
    "kvlistValue": _kvlist,
    "bytesValue": _text,
    "string_value": _text,
    "int_value": read_int,
    "double_value": _double,
    "bool_value": _bool,
    "array_value": _array,
    "kvlist_value": _kvlist,
    "bytes_value": _text,
}
