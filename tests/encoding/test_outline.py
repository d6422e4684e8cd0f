from __future__ import annotations

import pytest
from opentelemetry.trace import TraceState

from callspan.dialects.registry import resolve
from callspan.encoding.outline import events, schema_url, span_kind, status_message, trace_state
from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.kinds import KINDS
from callspan.model.span import ErrorFacts, Event
from spans import END_NS, START_NS, finished

ERROR = ErrorFacts("ValueError", "no", [("a.py", 1, "f"), ("b.py", 2, "g")])
RAISED = {
    "exception.type": "ValueError",
    "exception.message": "no",
    "exception.stacktrace": "a.py:1 in f\nb.py:2 in g",
}


def test_calls_that_leave_the_process_are_clients():
    assert {kind for kind in KINDS if span_kind(finished(kind)) == 3} == {"llm", "embedding", "retriever"}
    assert {kind for kind in KINDS if span_kind(finished(kind)) == 1} == set(KINDS) - {"llm", "embedding", "retriever"}


@pytest.mark.parametrize(
    ("status", "message", "error", "told"),
    [
        (0, None, ERROR, ""),
        (1, "fine", None, ""),
        (2, "said by hand", ERROR, "said by hand"),
        (2, None, ERROR, "ValueError: no"),
        (2, None, ErrorFacts("ValueError", "", []), "ValueError"),
        (2, None, None, ""),
    ],
)
def test_the_status_says_something_only_of_errors(status, message, error, told):
    assert status_message(finished(status=status, status_message=message, error=error)) == told


def test_an_exception_is_the_last_event():
    span = finished(error=ERROR, events=[Event("picked", START_NS, None)])

    assert events(span) == [(START_NS, "picked", {}), (END_NS, "exception", RAISED)]


def test_feedback_is_told_as_the_event_that_other_tools_look_for():
    given = Feedback("helpful", "span", score=0.5, comment="Half of it.", annotator="llm", id="once")
    span = finished("evaluator", "feedback helpful", component=COMPONENT, feedback=given)
    told = {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.explanation": "Half of it.",
    }

    assert events(span) == [(START_NS, "gen_ai.evaluation.result", told)]


def test_an_exception_that_was_recorded_by_hand_stays_one_event():
    by_hand = {"exception.type": "ValueError", "exception.message": "no", "attempt": 2}
    span = finished(error=ERROR, events=[Event("exception", START_NS, by_hand)])

    assert events(span) == [(START_NS, "exception", {**RAISED, "attempt": 2})]


def test_another_exception_stays_another_event():
    earlier = {"exception.type": "KeyError", "exception.message": "no"}
    span = finished(error=ERROR, events=[Event("exception", START_NS, earlier)])

    assert events(span) == [(START_NS, "exception", earlier), (END_NS, "exception", RAISED)]


@pytest.mark.parametrize(
    ("state", "told"), [(None, ""), ("a=1", "a=1"), (TraceState([("a", "1"), ("b", "2")]), "a=1,b=2")]
)
def test_the_trace_state_reads_as_its_header(state, told):
    assert trace_state(finished(trace_state=state)) == told


@pytest.mark.parametrize(
    ("names", "url"),
    [
        ("genai", ""),
        ("genai-1.41", "https://opentelemetry.io/schemas/1.41.0"),
        ("genai-1.41,openinference", ""),
    ],
)
def test_one_dialect_may_have_a_schema_and_a_mixture_has_none(names, url):
    assert schema_url(resolve(names)) == url
