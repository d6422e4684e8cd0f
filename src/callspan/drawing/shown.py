"""What of a trace is shown, and its sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from callspan.model.kinds import Kind
from callspan.reading.overview import Row
from callspan.reading.trees import Node, Trace

TraceOfRows = Trace[Row]


@dataclass(slots=True)
class Totals:
    """Sums over traces. Tokens are counted once, at the spans nearest to the model."""

    traces: int = 0
    spans: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def add(self, trace: TraceOfRows) -> None:
        """Count a trace."""
        self.traces += 1
        for row in rows_of(trace):
            self.spans += 1
            self.errors += row.outcome == "error"
        for row in charged(trace):
            self.input_tokens += row.input_tokens or 0
            self.output_tokens += row.output_tokens or 0
            self.estimated |= row.estimated


def rows_of(trace: TraceOfRows) -> Iterable[Row]:
    """Return the spans of a trace, parents first."""
    return (node.span for node, _ in trace.walk())


def charged(trace: TraceOfRows) -> list[Row]:
    """Return the spans whose tokens count: some tools repeat the sum of what is below on chains and agents."""
    nodes = list(trace.walk())
    below: set[int] = set()  # nodes with tokens somewhere below them
    found = []
    for node, _ in reversed(nodes):
        has_tokens = node.span.input_tokens is not None or node.span.output_tokens is not None
        has_below = any(id(child) in below for child in node.children)
        if has_tokens and not has_below:
            found.append(node.span)
        if has_tokens or has_below:
            below.add(id(node))
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """The part of a trace to show: spans of some kinds and the way to them, or all where no kind is named."""

    trace: TraceOfRows
    kinds: frozenset[Kind]
    on_the_way: frozenset[int]  # nodes, by id()

    @classmethod
    def of(cls, trace: TraceOfRows, kinds: frozenset[Kind]) -> Shown:
        """Cut a trace down."""
        on_the_way: set[int] = set()
        for node, _ in reversed(list(trace.walk()) if kinds else []):
            if node.span.kind in kinds or any(id(child) in on_the_way for child in node.children):
                on_the_way.add(id(node))
        return cls(trace, kinds, frozenset(on_the_way))

    def wants(self, row: Row) -> bool:
        """Return whether the span was asked for; else it only leads to one that was."""
        return not self.kinds or row.kind in self.kinds

    def among(self, nodes: list[Node[Row]]) -> list[Node[Row]]:
        """Return those of the nodes that are shown."""
        return [node for node in nodes if id(node) in self.on_the_way] if self.kinds else nodes

    def walk(self) -> Iterator[tuple[Node[Row], int]]:
        """Yield every node that is shown with its depth, parents first."""
        stack = [(root, 0) for root in reversed(self.among(self.trace.roots))]
        while stack:
            node, depth = stack.pop()
            yield node, depth
            stack.extend((child, depth + 1) for child in reversed(self.among(node.children)))
