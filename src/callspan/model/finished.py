"""Finished spans that no recorder made: what readers and evaluators hand to the gate and to exporters."""

from __future__ import annotations

from typing import Final

from callspan.model.facts import Facts
from callspan.model.kinds import Kind
from callspan.model.span import STATUS_UNSET, Span

_SET: Final = frozenset(["__weakref__", "_recording", "_ticks"])


def finished_span(kind: Kind, name: str, facts: Facts, *, trace_id: int = 0, span_id: int = 0) -> Span:
    """Make a span that has ended, with its facts filled and everything else empty; times are 0, the outcome is ok."""
    span = Span()
    for slot in Span.__slots__:
        if slot not in _SET:
            setattr(span, slot, None)
    span.kind, span.name, span.facts = kind, name, facts
    span.trace_id, span.span_id = trace_id, span_id
    span.start_ns = span.end_ns = span.size = 0
    span.status, span.outcome, span.usage_below, span.is_entry = STATUS_UNSET, "ok", False, False
    return span
