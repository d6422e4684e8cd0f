from __future__ import annotations

from dataclasses import dataclass

from callspan.reading.trees import build_traces


@dataclass
class Sample:
    span_id: str
    parent_id: str | None = None
    start_time_unix_ns: int = 0
    end_time_unix_ns: int = 10
    trace_id: str = "t"
    component: str | None = None


def drawn(trace):
    return [("  " * depth) + node.span.span_id + ("?" if node.orphan else "") for node, depth in trace.walk()]


def test_children_stand_below_their_parents_by_start_time():
    (trace,) = build_traces(
        [Sample("c", "a", 5), Sample("b", "a", 2), Sample("d", "b", 3), Sample("a", None, 1, 9)],
    )

    assert drawn(trace) == ["a", "  b", "    d", "  c"]
    assert (trace.start_ns, trace.duration_ns) == (1, 9)


def test_traces_come_by_start_time():
    traces = build_traces([Sample("a", None, 7, trace_id="late"), Sample("a", None, 3, trace_id="early")])

    assert [trace.trace_id for trace in traces] == ["early", "late"]


def test_feedback_given_later_makes_no_trace_longer():
    late = {"start_time_unix_ns": 900, "end_time_unix_ns": 900, "component": "feedback"}
    (trace,) = build_traces([Sample("a", None, 1, 9), Sample("f", "a", **late), Sample("g", None, **late)])
    assert (trace.start_ns, trace.duration_ns) == (1, 8)
    (alone,) = build_traces([Sample("f", "gone", **late)])
    assert (alone.start_ns, alone.duration_ns) == (900, 0)


def test_orphans_are_roots():
    (trace,) = build_traces([Sample("a", None, 4), Sample("b", "gone", 2), Sample("c", "b", 3)])

    assert drawn(trace) == ["b?", "  c", "a"]


def test_of_duplicates_the_last_counts():
    (trace,) = build_traces([Sample("a", None, 0, 1), Sample("b", "a"), Sample("a", None, 0, 5)])

    assert drawn(trace) == ["a", "  b"]
    assert trace.roots[0].span.end_time_unix_ns == 5


def test_spans_that_name_each_other_as_parents():
    (trace,) = build_traces(
        [Sample("a", "c", 1), Sample("b", "a", 2), Sample("c", "b", 3), Sample("d", "b", 0), Sample("e", None, 9)],
    )

    assert drawn(trace) == ["a?", "  b", "    d", "    c", "e"]


def test_a_span_that_is_its_own_parent():
    (trace,) = build_traces([Sample("a", "a")])

    assert drawn(trace) == ["a?"]


def test_two_rings():
    (trace,) = build_traces([Sample("a", "b", 1), Sample("b", "a", 2), Sample("c", "d", 4), Sample("d", "c", 3)])

    assert drawn(trace) == ["a?", "  b", "d?", "  c"]


def test_a_chain_of_ten_thousand():
    spans = [Sample(str(n), str(n - 1) if n else None, n) for n in range(10_000)]
    (trace,) = build_traces(reversed(spans))

    nodes = list(trace.walk())

    assert (len(nodes), nodes[-1][1], nodes[-1][0].span.span_id) == (10_000, 9_999, "9999")
    assert repr(trace.roots[0]).startswith("Node(span=Sample(span_id='0'")


def test_nothing_makes_no_trace():
    assert build_traces([]) == []
