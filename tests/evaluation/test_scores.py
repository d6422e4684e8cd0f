import numpy as np
import pytest

from callspan.evaluation.scores import FunctionEvaluator, Score, as_evaluator, score_of
from callspan.evaluation.subjects import Subject
from judged_records import chat


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (True, Score("s", 1.0, "pass")),
        (False, Score("s", 0.0, "fail")),
        (3, Score("s", 3.0)),
        (0.25, Score("s", 0.25)),
        ("rude", Score("s", label="rude")),
        ({"score": 0.5, "label": "so-so", "explanation": "why", "other": 1}, Score("s", 0.5, "so-so", "why")),
        ({"error": "no answer"}, Score("s", error="no answer")),
        (Score("own", 1.0), Score("own", 1.0)),
        (Score("", 1.0), Score("s", 1.0)),
        (None, Score("s", error="no verdict")),
        (np.float32(0.5), Score("s", 0.5)),
        (np.bool_(True), Score("s", 1.0, "pass")),
        (np.array(2), Score("s", 2.0)),
        ([], Score("s", error="the evaluator returned list; return a Score, a number, a bool or a text")),
    ],
)
def test_what_a_function_may_return(found, expected):
    assert score_of(found, "s") == expected


def test_a_function_is_called_by_its_name_and_sees_the_record():
    def short(record):
        return len(record.output_messages[0]["parts"][0]["content"]) < 5

    evaluator = as_evaluator(short)
    assert evaluator.evaluate(chat("Why?", "Yes.")) == Score("short", 1.0, "pass")
    assert evaluator.evaluate(Subject(chat("Why?", "Because."))) == Score("short", 0.0, "fail")
    assert (evaluator.name, evaluator.level, evaluator.identity) == ("short", "span", "short@1")


def test_a_function_of_a_trace_sees_the_subject():
    seen = []
    subject = Subject(chat("Why?", "Yes."))
    FunctionEvaluator("whole", seen.append, "trace").evaluate(subject)
    assert seen == [subject]


async def test_a_function_of_coroutines():
    async def slow(record):
        return 1

    assert await as_evaluator(slow).evaluate(chat("Why?", "Yes.")) == Score("slow", 1.0)


def test_what_is_no_evaluator_is_named():
    with pytest.raises(TypeError, match="an evaluator has a method `evaluate`, or is a function of a record; got int"):
        as_evaluator(1)


def test_passed():
    assert [Score("s", value).passed for value in (0.5, 0.49, None)] == [True, False, None]
