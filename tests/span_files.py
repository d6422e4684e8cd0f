"""Files of spans for tests, written by the real encoder; and lines as other tools write them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callspan.dialects.registry import resolve
from callspan.encoding.otlp_json import envelope, line
from callspan.model.resource import describe
from callspan.model.span import Span

RESOURCE = describe("shop-bot")


def write(path: Path, spans: Iterable[Span], dialects: str = "genai") -> Path:
    """Write spans as the file exporter does."""
    chosen = resolve(dialects)
    around = envelope(RESOURCE, chosen)
    path.write_bytes(b"".join(line(span, around, chosen) for span in spans))
    return path


def foreign(attributes: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Make a request with one span of another tool, whose attributes are texts, numbers or lists of them."""
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "call",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000250000000",
        "attributes": [{"key": key, "value": any_value(value)} for key, value in (attributes or {}).items()],
        **fields,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def any_value(value: Any) -> dict[str, Any]:
    """Write one value as OTLP JSON does."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": any_value(item)} for key, item in value.items()]}}
    return {"stringValue": value}


def write_requests(path: Path, *requests: Any) -> Path:
    """Write requests, one a line."""
    path.write_text("".join(json.dumps(request) + "\n" for request in requests), encoding="utf-8")
    return path
