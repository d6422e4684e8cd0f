"""What users and other tracers hand to a span, made safe: nothing they give is worth an exception in their code."""

from __future__ import annotations

from typing import Any, Final

MOST_ITEMS: Final = 1024
"""As many attributes, events or links one span keeps; a loop that runs for days must not fill the memory."""

_LATEST_NS: Final = 2**62  # in the year 2116
_NAME: Final[Any] = type.__dict__["__name__"]


def text_of(given: object) -> str:
    """Return a text as a plain `str`; what is none becomes the name of its class in angle brackets."""
    return str.__str__(given) if issubclass(type(given), str) else f"<{_NAME.__get__(type(given))}>"


def time_of(given: object) -> int | None:
    """Return a time in nanoseconds since 1970; None for what is none, or no receiver could take."""
    return given if type(given) is int and 0 < given <= _LATEST_NS else None


def pairs_of(attributes: Any) -> dict[Any, Any]:
    """Return attributes as a dictionary; an empty one for what is no mapping."""
    if type(attributes) is dict:
        return attributes
    try:
        return dict(attributes)
    except Exception:  # noqa: BLE001 - whatever it is
        return {}


def status_of(status: Any) -> tuple[int | None, Any]:
    """Return code and description of an `opentelemetry.trace.Status` or `StatusCode`; None for what is neither."""
    try:
        code = getattr(status, "status_code", status)
        code = getattr(code, "value", code)
        return (code, getattr(status, "description", None)) if type(code) is int else (None, None)
    except Exception:  # noqa: BLE001
        return None, None


def ids_of(context: Any) -> tuple[int, int] | None:
    """Return trace and span ID of a `SpanContext`; None for what is none, or refers to nothing."""
    try:
        trace_id, span_id = context.trace_id, context.span_id
    except Exception:  # noqa: BLE001
        return None
    is_valid = type(trace_id) is int and type(span_id) is int and trace_id and span_id
    return (trace_id, span_id) if is_valid else None
