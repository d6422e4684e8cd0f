"""Feedback is joined once, whenever it came, and what is about nothing is kept."""

from __future__ import annotations

import pytest

from callspan.model.feedback import COMPONENT, Feedback
from callspan.reading.feedback import join, keys_of
from callspan.reading.files import LoadReport, files_of
from callspan.reading.rows import load_rows
from span_files import foreign, write, write_requests
from spans import START_NS, finished

DAY_NS = 86_400_000_000_000
ROOT, BELOW = f"{1:016x}", f"{2:016x}"


def call(span_id, parent_id=None, trace_id=1, at=0, **facts):
    start = START_NS + at
    return finished(
        "chain", f"s{span_id}", span_id=span_id, parent_id=parent_id, trace_id=trace_id, start_ns=start, **facts
    )


def given(target="span", parent_id=None, trace_id=1, span_id=90, at=DAY_NS, name="helpful", place=None, **feedback):
    """Make a feedback span; `place` holds conversation and step."""
    told = Feedback(name, target, **{"score": 1.0, **feedback})
    start = START_NS + at
    return finished(
        "evaluator",
        f"feedback {name}",
        component=COMPONENT,
        trace_id=trace_id,
        parent_id=parent_id,
        span_id=span_id,
        start_ns=start,
        end_ns=start,
        feedback=told,
        **(place or {}),
    )


def joined(tmp_path, *spans):
    return join(load_rows(files_of(write(tmp_path / "spans.jsonl", spans)), LoadReport()))


def abouts(found):
    return [(one.target, one.about and one.about[1], one.is_known) for one in found.given]


@pytest.mark.parametrize("before", [True, False])
def test_a_span_before_or_after_its_feedback(tmp_path, before):
    spans = [call(1), call(2, parent_id=1), given(parent_id=2)]
    found = joined(tmp_path, *(spans if before else reversed(spans)))
    assert abouts(found) == [("span", BELOW, True)]
    assert [one.name for one in found.by_span()[(f"{1:032x}", BELOW)]] == ["helpful"]


def test_a_whole_trace_is_its_root(tmp_path):
    found = joined(tmp_path, call(2, parent_id=1, at=5), call(1), given("trace"))
    assert abouts(found) == [("trace", ROOT, True)]


def test_a_turn_is_its_outermost_span_and_a_conversation_is_no_span(tmp_path):
    place = {"conversation_id": "c-1", "step": 2}
    found = joined(
        tmp_path,
        call(7, trace_id=7, conversation_id="c-1", step=1),
        call(2, parent_id=1, **place),
        call(1, parent_id=99, **place),
        given("conversation", trace_id=50, span_id=50, place=place),
        given("conversation", trace_id=51, span_id=51, name="talk", place={"conversation_id": "c-1"}),
    )
    assert abouts(found) == [("conversation", ROOT, True), ("conversation", None, True)]
    assert [one.name for one in found.by_conversation()["c-1"]] == ["talk"]


def test_a_key_means_the_last_span_before_the_feedback(tmp_path):
    found = joined(
        tmp_path,
        call(1, trace_id=1, metadata={"order": 17}),
        call(2, trace_id=2, at=DAY_NS - 1, metadata={"order": 17}),
        call(3, parent_id=2, trace_id=2, at=DAY_NS, metadata={"order": 17}),
        call(4, trace_id=4, at=2 * DAY_NS, metadata={"order": 17}, tags=["order-17"]),
        given("key", trace_id=50, span_id=50, key="order=17"),
        given("key", trace_id=51, span_id=51, key="order-17"),
        given("key", trace_id=52, span_id=52, key="order=18"),
    )
    assert abouts(found) == [("key", BELOW, True), ("key", f"{4:016x}", True), ("key", None, False)]


def test_given_twice_the_last_one_counts(tmp_path):
    found = joined(
        tmp_path,
        call(1),
        given(parent_id=1, span_id=91, at=2 * DAY_NS, label="down", id="u-7"),
        given(parent_id=1, span_id=90, at=DAY_NS, label="up", id="u-7"),
        given(parent_id=1, span_id=92, at=DAY_NS, label="other", id="u-8"),
        given(parent_id=1, span_id=93, label="delivered twice"),
        given(parent_id=1, span_id=93, label="delivered twice"),
    )
    assert sorted(one.label for one in found.given) == ["delivered twice", "down", "other"]
    assert found.repeated == 2


def test_what_is_about_nothing_is_kept_and_counted(tmp_path):
    found = joined(tmp_path, call(1), given(parent_id=5), given("trace", trace_id=9, span_id=91))
    assert abouts(found) == [("span", None, False), ("trace", None, False)]
    assert found.unknown == 2


def test_an_evaluation_of_another_tool_is_feedback(tmp_path):
    request = foreign({"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.25})
    (row,) = load_rows(files_of(write_requests(tmp_path / "foreign.jsonl", request)), LoadReport())
    assert (row.feedback_name, row.feedback_score, row.feedback_target) == ("relevance", 0.25, "span")


def test_keys_of_odd_metadata():
    assert keys_of(None, "[1, 2") == set()
    assert keys_of(["a"], '["b"]') == {"a"}
