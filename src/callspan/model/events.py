"""What happens to a span besides its start and end: an error, events, references to other spans."""

from __future__ import annotations

from typing import Any


class ErrorFacts:
    """What was raised: its qualified type, its text, and where (file, line and function, innermost last)."""

    __slots__ = ("frames", "message", "type")

    def __init__(self, type_name: str, message: str, frames: list[tuple[str, int, str]]) -> None:
        """Hold the facts."""
        self.type = type_name
        self.message = message
        self.frames = frames


class Event:
    """Something that happened during the span, at a time in nanoseconds since 1970."""

    __slots__ = ("attributes", "name", "time_ns")

    def __init__(self, name: str, time_ns: int, attributes: Any) -> None:
        """Hold the event; `attributes` is a snapshot first and a plain dict once the worker opened it."""
        self.name = name
        self.time_ns = time_ns
        self.attributes = attributes


class Link:
    """A reference to another span."""

    __slots__ = ("attributes", "span_id", "trace_id")

    def __init__(self, trace_id: int, span_id: int, attributes: Any) -> None:
        """Hold the link; `attributes` as in `Event`."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.attributes = attributes
