"""Which traces to show."""

from __future__ import annotations

from dataclasses import dataclass

from callspan.drawing.shown import TraceOfRows
from callspan.model.kinds import Kind
from callspan.reading.overview import Row


@dataclass(frozen=True, slots=True)
class Filter:
    """What a span must be. A trace is shown when one of its spans is all of it; no wish is always met."""

    conversation_id: str | None = None
    kinds: frozenset[Kind] = frozenset()
    errors: bool = False

    def wants(self, row: Row) -> bool:
        """Return whether the span meets every wish."""
        return (
            row.is_found
            and (not self.kinds or row.kind in self.kinds)
            and (not self.errors or row.outcome == "error")
            and (self.conversation_id is None or row.conversation_id == self.conversation_id)
        )

    def finds(self, trace: TraceOfRows) -> bool:
        """Return whether one of the trace's spans meets every wish."""
        return any(self.wants(node.span) for node, _ in trace.walk())


def pick(traces: list[TraceOfRows], limit: int, *, slowest: bool) -> list[TraceOfRows]:
    """Return the `limit` newest traces with the newest last, or the slowest with the slowest first; 0 is all."""
    if slowest:
        ordered = sorted(traces, key=lambda trace: trace.duration_ns, reverse=True)
        return ordered[:limit] if limit else ordered
    return traces[-limit:]
