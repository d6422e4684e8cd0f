"""Spans that wait for the end of their root, so that they can be shown as one tree; bounded, whatever never ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SpanId = int
_CLOSED_KEPT: Final = 10_000


class PendingTraces(Generic[T]):
    """Collects spans below roots that are still open. What stands for a span is the caller's; `size` is what it holds.

    Above `max_spans` or `max_bytes`, the spans of the trace that waited longest are given back as they are: nothing is
    lost, and the rest of that trace comes later.
    """

    def __init__(self, max_spans: int, max_bytes: int) -> None:
        """Start empty."""
        self._max_spans = max_spans
        self._max_bytes = max_bytes
        self._traces: OrderedDict[int, dict[SpanId, tuple[SpanId | None, T, int]]] = OrderedDict()
        self._closed: OrderedDict[SpanId, None] = OrderedDict()
        self._spans = self._bytes = 0

    def __len__(self) -> int:
        """Return how many spans wait."""
        return self._spans

    def add(self, trace_id: int, span_id: SpanId, parent_id: SpanId | None, item: T, size: int) -> None:
        """Let a span wait for its root."""
        self._traces.setdefault(trace_id, {})[span_id] = (parent_id, item, size)
        self._spans += 1
        self._bytes += size

    def is_late(self, parent_id: SpanId | None) -> bool:
        """Return whether the parent was given back already, so that nothing is to be waited for."""
        return parent_id in self._closed

    def close(self, trace_id: int, root_id: SpanId) -> list[T]:
        """Give back what waits below a root, in the order of ending; other roots of the same trace keep theirs."""
        waiting = self._traces.get(trace_id, {})
        below = _below(root_id, {span_id: parent_id for span_id, (parent_id, *_) in waiting.items()})
        self._remember(root_id)
        return [self._take(trace_id, span_id) for span_id in [*waiting] if span_id in below]

    def overflow(self) -> list[list[T]]:
        """Give back whole traces, those that waited longest, until the rest is within the bounds."""
        return self._evict(lambda: self._spans > self._max_spans or self._bytes > self._max_bytes)

    def rest(self) -> list[list[T]]:
        """Give back everything, by trace."""
        return self._evict(lambda: True)

    def _evict(self, goes_on: Callable[[], bool]) -> list[list[T]]:
        given: list[list[T]] = []
        while self._traces and goes_on():
            trace_id, waiting = next(iter(self._traces.items()))
            given.append([self._take(trace_id, span_id) for span_id in [*waiting]])
        return given

    def _take(self, trace_id: int, span_id: SpanId) -> T:
        waiting = self._traces[trace_id]
        _, item, size = waiting.pop(span_id)
        self._spans -= 1
        self._bytes -= size
        self._remember(span_id)
        if not waiting:
            del self._traces[trace_id]
        return item

    def _remember(self, span_id: SpanId) -> None:
        self._closed[span_id] = None
        if len(self._closed) > _CLOSED_KEPT:
            self._closed.popitem(last=False)


def _below(root_id: SpanId, parents: dict[SpanId, SpanId | None]) -> set[SpanId]:
    """Return the spans whose parents lead to the root."""
    children: dict[SpanId | None, list[SpanId]] = {}
    for span_id, parent_id in parents.items():
        children.setdefault(parent_id, []).append(span_id)
    below: set[SpanId] = set()
    stack = [root_id]
    while stack:
        new = [child for child in children.get(stack.pop(), ()) if child not in below]
        below.update(new)
        stack += new
    return below
