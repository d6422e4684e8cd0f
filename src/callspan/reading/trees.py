"""Spans to traces: who called whom. Works on anything with the IDs and times of a span, and never by recursion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from callspan.model.feedback import COMPONENT as FEEDBACK


class SpanLike(Protocol):
    """What a tree needs to know of a span. A `SpanRecord` has it."""

    @property
    def trace_id(self) -> str: ...  # noqa: D102
    @property
    def span_id(self) -> str: ...  # noqa: D102
    @property
    def parent_id(self) -> str | None: ...  # noqa: D102
    @property
    def start_time_unix_ns(self) -> int: ...  # noqa: D102
    @property
    def end_time_unix_ns(self) -> int: ...  # noqa: D102
    @property
    def component(self) -> str | None: ...  # noqa: D102


S = TypeVar("S", bound=SpanLike)


@dataclass(slots=True, eq=False)
class Node(Generic[S]):
    """A span with its children, by start time. `orphan`: it names a parent that is not there."""

    span: S
    children: list[Node[S]] = field(default_factory=list, repr=False)  # a chain of 10,000 must stay printable
    orphan: bool = False


@dataclass(slots=True, eq=False)
class Trace(Generic[S]):
    """The spans of one trace. There is one root, unless spans in between are missing or still open."""

    trace_id: str
    roots: list[Node[S]]

    def walk(self) -> Iterator[tuple[Node[S], int]]:
        """Yield every node with its depth, parents first."""
        stack = [(root, 0) for root in reversed(self.roots)]
        while stack:
            node, depth = stack.pop()
            yield node, depth
            stack.extend((child, depth + 1) for child in reversed(node.children))

    @property
    def start_ns(self) -> int:
        """When the first span started, in nanoseconds since 1970."""
        roots = [root.span for root in self.roots if root.span.component != FEEDBACK] or [
            root.span for root in self.roots
        ]
        return min(span.start_time_unix_ns for span in roots)

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end of any span; feedback, which may come days later, does not count."""
        ends = [node.span.end_time_unix_ns for node, _ in self.walk() if node.span.component != FEEDBACK]
        return max(ends) - self.start_ns if ends else 0


def build_traces(spans: Iterable[S]) -> list[Trace[S]]:
    """Sort spans into traces, and traces by start time. Of spans with the same IDs the last one counts.

    A span whose parent is missing becomes a root and is marked as an orphan; so does the first span of a ring of spans
    that name each other as parents.
    """
    by_trace: dict[str, dict[str, S]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, {})[span.span_id] = span
    traces = [Trace(trace_id, _roots(members)) for trace_id, members in by_trace.items()]
    traces.sort(key=lambda trace: (trace.start_ns, trace.trace_id))
    return traces


def _roots(members: dict[str, S]) -> list[Node[S]]:
    spans = sorted(members.values(), key=lambda span: (span.start_time_unix_ns, -span.end_time_unix_ns))
    nodes = {span.span_id: Node(span) for span in spans}
    roots = []
    for node in nodes.values():
        parent_id = node.span.parent_id
        parent = nodes.get(parent_id) if parent_id else None
        if parent is None:
            node.orphan = parent_id is not None
            roots.append(node)
        else:
            parent.children.append(node)
    roots += _open_rings(nodes, roots)
    roots.sort(key=lambda root: root.span.start_time_unix_ns)
    return roots


def _open_rings(nodes: dict[str, Node[S]], roots: list[Node[S]]) -> list[Node[S]]:
    """Make a root of the first span of every ring, which nothing leads to."""
    opened: list[Node[S]] = []
    reached = {node.span.span_id for node, _ in Trace("", roots).walk()}
    for node in nodes.values() if len(reached) < len(nodes) else ():
        if node.span.span_id not in reached:
            top = _in_ring(node, nodes)
            nodes[str(top.span.parent_id)].children.remove(top)
            top.orphan = True
            opened.append(top)
            reached.update(below.span.span_id for below, _ in Trace("", [top]).walk())
    return opened


def _in_ring(node: Node[S], nodes: dict[str, Node[S]]) -> Node[S]:
    """Follow the parents of a span that no root leads to until they repeat; return the earliest of those that do."""
    seen: dict[str, Node[S]] = {}
    while node.span.span_id not in seen:
        seen[node.span.span_id] = node
        node = nodes[str(node.span.parent_id)]
    ring = list(seen.values())
    ring = ring[ring.index(node) :]
    return min(ring, key=lambda one: one.span.start_time_unix_ns)
