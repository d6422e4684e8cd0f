"""The same requests made with `opentelemetry-proto`, by hand, to compare ours with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from callspan.model.span import Span
from callspan.version import VERSION


def any_value(value: Any) -> AnyValue:
    """Turn plain data of at most sixteen levels into an `AnyValue`."""
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return AnyValue(int_value=value)
        return AnyValue(string_value=str(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
    return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Turn attributes into `KeyValue` messages."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def request(spans: list[ProtoSpan], resource: Mapping[str, Any], schema_url: str = "") -> ExportTraceServiceRequest:
    """Put spans into the messages around them."""
    scope = InstrumentationScope(name="callspan", version=VERSION)
    scope_spans = ScopeSpans(scope=scope, spans=spans, schema_url=schema_url)
    resource_spans = ResourceSpans(resource=Resource(attributes=pairs(resource)), scope_spans=[scope_spans])
    return ExportTraceServiceRequest(resource_spans=[resource_spans])


def bare(span: Span, attributes: Mapping[str, Any], kind: int, **more: Any) -> ProtoSpan:
    """Make the message of a span; `more` are fields of the message."""
    return ProtoSpan(
        trace_id=span.trace_id.to_bytes(16, "big"),
        span_id=span.span_id.to_bytes(8, "big"),
        name=span.name,
        kind=kind,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=pairs(attributes),
        flags=1,
        **more,
    )
