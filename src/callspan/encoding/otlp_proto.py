"""OTLP as protobuf: the bytes that `opentelemetry-proto` would write, without it and several times as fast.

The field numbers are those of opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto, which are stable.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from callspan.dialects.contract import Dialect
from callspan.dialects.json_text import digits, to_json_utf8
from callspan.dialects.merge import attributes
from callspan.encoding.outline import (
    MAX_DEPTH,
    NESTED,
    SAMPLED,
    SCOPE_NAME,
    events,
    schema_url,
    span_kind,
    status_message,
    text_keys,
    too_deep,
    trace_state,
)
from callspan.encoding.protobuf import (
    SMALL,
    field,
    int64,
    pack_double,
    pack_fixed32,
    pack_fixed64,
    tag_bytes,
    tag_fixed32,
    tag_fixed64,
    tag_varint,
    text_field,
    utf8,
    varint,
)
from callspan.model.resource import Resource
from callspan.model.span import STATUS_UNSET, Link, Span
from callspan.version import VERSION

CONTENT_TYPE: Final = "application/x-protobuf"

_1, _2, _3, _5, _6, _9, _11, _13, _15 = map(tag_bytes, (1, 2, 3, 5, 6, 9, 11, 13, 15))
# Span and Span.Link
_TRACE_ID: Final = _1 + varint(16)
_SPAN_ID: Final = _2 + varint(8)
_PARENT_ID: Final = tag_bytes(4) + varint(8)
_pack_times: Final = struct.Struct("<BBBQBQ").pack
_KIND, _START, _END = tag_varint(6)[0], tag_fixed64(7)[0], tag_fixed64(8)[0]
_FLAGS: Final = tag_fixed32(16) + pack_fixed32(SAMPLED)
_STATUS_CODE: Final = tag_varint(3)
_EVENT_TIME: Final = tag_fixed64(1)
_LINK_ATTRIBUTES: Final = tag_bytes(4)
# AnyValue
_BOOLS: Final = {True: tag_varint(2) + b"\x01", False: tag_varint(2) + b"\x00"}
_INT: Final = tag_varint(3)
_DOUBLE: Final = tag_fixed64(4)

# What is kept of the past, so that memory stays bounded: short keys, and short texts below short keys.
_SHORT_KEY: Final = 128
_SHORT_VALUE: Final = 32
_MOST_KEYS: Final = 1024
_MOST_VALUES: Final = 64


def request(spans: Sequence[Span], resource: Resource, dialects: Sequence[Dialect]) -> bytes:
    """Write one `ExportTraceServiceRequest` with all spans of one process."""
    scope = field(_1, text_field(_1, SCOPE_NAME) + text_field(_2, VERSION))
    schema = text_field(_3, schema_url(dialects))
    parts: list[bytes] = [scope]
    for span in spans:
        data = _span(span, dialects)
        parts += (_2, varint(len(data)), data)
    parts.append(schema)
    # The sizes of the messages around are counted, so that the spans are copied once and not four times.
    resource_spans = field(_1, _pairs(_1, resource.attributes)) + _2 + varint(sum(map(len, parts)))
    around = _1 + varint(len(resource_spans) + sum(map(len, parts)))
    return b"".join((around, resource_spans, *parts))


def _span(span: Span, dialects: Sequence[Dialect]) -> bytes:
    parts = [
        _TRACE_ID,
        span.trace_id.to_bytes(16, "big"),
        _SPAN_ID,
        span.span_id.to_bytes(8, "big"),
    ]
    if span.trace_state is not None:
        parts.append(text_field(_3, trace_state(span)))
    if span.parent_id is not None:
        parts += (_PARENT_ID, span.parent_id.to_bytes(8, "big"))
    parts.append(text_field(_5, span.name))
    parts.append(_pack_times(_KIND, span_kind(span), _START, span.start_ns, _END, span.end_ns))
    _add_pairs(parts, _9, attributes(span, dialects, to_json_utf8))
    if span.events or span.error or (span.facts is not None and span.facts.feedback is not None):
        parts += [field(_11, _event(*event)) for event in events(span)]
    if span.links:
        parts += [field(_13, _link(link)) for link in span.links]
    if span.status != STATUS_UNSET:
        parts.append(field(_15, text_field(_2, status_message(span)) + _STATUS_CODE + varint(span.status)))
    parts.append(_FLAGS)
    return b"".join(parts)


def _event(time_ns: int, name: str, told: Mapping[str, Any]) -> bytes:
    return _EVENT_TIME + pack_fixed64(time_ns) + text_field(_2, name) + _pairs(_3, told)


def _link(link: Link) -> bytes:
    ids = _TRACE_ID + link.trace_id.to_bytes(16, "big") + _SPAN_ID + link.span_id.to_bytes(8, "big")
    return ids + _pairs(_LINK_ATTRIBUTES, link.attributes or {})


def _pairs(tag: bytes, told: Mapping[str, Any], depth: int = MAX_DEPTH) -> bytes:
    """Write a repeated field of `KeyValue` messages."""
    parts: list[bytes] = []
    _add_pairs(parts, tag, told, depth)
    return b"".join(parts)


def _add_pairs(parts: list[bytes], tag: bytes, told: Mapping[str, Any], depth: int = MAX_DEPTH) -> None:
    """Add one. What nearly all spans consist of is written without a call."""
    known = _known[tag]
    for key, value in told.items():
        head, seen, numbers = known.get(key) or _learn(tag, key)
        kind = type(value)
        if (kind is str and len(value) <= _SHORT_VALUE) or (kind is float and value):  # 0.0 and -0.0 are one key
            parts.append(seen.get(value) or _remember(seen, value, tag, head, value))
        elif kind is int and 0 <= value < 2**63:
            data = SMALL[value] if value < 2048 else varint(value)
            parts += (numbers[len(data)], data)
        elif kind is str or kind is bytes:
            data = value if kind is bytes else value.encode() if value.isascii() else utf8(value)
            length = varint(len(data))
            size = varint(1 + len(length) + len(data))
            parts += (tag, varint(len(head) + len(size) + 1 + len(length) + len(data)), head, size, _1, length, data)
        elif kind is list and len(value) == 1 and type(value[0]) is str and len(value[0]) <= _SHORT_VALUE and depth:
            parts.append(seen.get((value[0],)) or _remember(seen, (value[0],), tag, head, value))
        else:
            body = _any_value(value, depth)
            size = varint(len(body))
            parts += (tag, varint(len(head) + len(size) + len(body)), head, size, body)


_Value = str | float | tuple[str]
_Known = tuple[bytes, dict[_Value, bytes], tuple[bytes, ...]]

# By tag and name: a `KeyValue` up to the length of its value; whole ones of values that are likely to come again, such
# as models, roles, outcomes, temperatures and reasons for finishing; and what stands before a number of so many bytes.
# All are bounded: names are the user's.
_known: Final[dict[bytes, dict[str, _Known]]] = {tag: {} for tag in (_1, _3, _LINK_ATTRIBUTES, _9)}


def _learn(tag: bytes, key: str) -> _Known:
    head = text_field(_1, key) + _2
    numbers = tuple(tag + varint(len(head) + 2 + size) + head + SMALL[1 + size] + _INT for size in range(10))
    learned: _Known = (head, {}, numbers)
    if len(key) <= _SHORT_KEY:
        known = _known[tag]
        if len(known) >= _MOST_KEYS:
            known.clear()
        known[key] = learned
    return learned


def _remember(seen: dict[_Value, bytes], name: _Value, tag: bytes, head: bytes, value: object) -> bytes:
    """Write a pair."""
    pair = field(tag, head + field(b"", _any_value(value, 1)))
    if len(seen) < _MOST_VALUES:
        seen[name] = pair
    return pair


def _any_value(value: object, depth: int) -> bytes:
    """Write the content of an `AnyValue`; None is an empty one."""
    if isinstance(value, str):
        data = utf8(value)
        return _1 + varint(len(data)) + data
    if isinstance(value, bool):
        return _BOOLS[value]
    if isinstance(value, int):
        return _INT + int64(value) if -(2**63) <= value < 2**63 else field(_1, digits(value).encode())
    if isinstance(value, float):
        return _DOUBLE + pack_double(value)
    if value is None:
        return b""
    if not isinstance(value, NESTED):
        return field(_1, utf8(f"<{type(value).__name__}>"))
    if depth == 0:
        return field(_1, utf8(too_deep(value)))
    if isinstance(value, dict):
        return field(_6, _pairs(_1, text_keys(value), depth - 1))
    return field(_5, _items(value, depth - 1))


def _items(items: Iterable[object], depth: int) -> bytes:
    return b"".join([field(_1, _any_value(item, depth)) for item in items])
