"""Whole traces and conversations from files."""

from __future__ import annotations

from callspan.model.feedback import COMPONENT, Feedback
from callspan.reading import LoadReport, conversations, traces
from span_files import write
from spans import START_NS, finished


def call(name, span_id, trace_id, at, parent_id=None, **facts):
    start = START_NS + at
    return finished(
        "chain",
        name,
        span_id=span_id,
        parent_id=parent_id,
        trace_id=trace_id,
        start_ns=start,
        end_ns=start + 5,
        **facts,
    )


def test_traces_come_as_trees_of_records(tmp_path):
    path = write(tmp_path / "spans.jsonl", [call("late", 3, 2, 10), call("below", 2, 1, 1, 1), call("root", 1, 1, 0)])
    report = LoadReport()
    found = [[(depth, node.span.name) for node, depth in trace.walk()] for trace in traces(path, report=report)]
    assert found == [[(0, "root"), (1, "below")], [(0, "late")]]
    assert report.read == 3


def test_turns_are_numbered_by_time_and_keep_their_steps(tmp_path):
    feedback = Feedback("helpful", "span", 1.0)
    path = write(
        tmp_path / "spans.jsonl",
        [
            call("second", 3, 2, 100, conversation_id="c-1", step=1, input="and then?"),
            call("below", 2, 1, 0, 1, conversation_id="c-1", step=1),
            call("first", 1, 1, 0, conversation_id="c-1", step=1, input="why?"),
            call("other", 4, 4, 50, conversation_id="c-2", step=3),
            call("alone", 5, 5, 0),
            call(
                "feedback helpful", 9, 2, 500, 3, component=COMPONENT, feedback=feedback, conversation_id="c-1", step=1
            ),
            call(
                "feedback talk",
                10,
                9,
                600,
                component=COMPONENT,
                feedback=Feedback("talk", "conversation", label="ok"),
                conversation_id="c-1",
            ),
        ],
    )
    first, other = conversations(path)
    assert [(turn.number, turn.step, turn.root.name, turn.root.input) for turn in first.turns] == [
        (1, 1, "first", "why?"),
        (2, 1, "second", "and then?"),
    ]
    assert [span.name for span in first.turns[0].spans] == ["first", "below"]
    assert [[one.name for one in turn.feedback] for turn in first.turns] == [[], ["helpful"]]
    assert [one.label for one in first.feedback] == ["ok"]
    assert (other.conversation_id, [turn.step for turn in other.turns]) == ("c-2", [3])
