"""Answers that two spans tell of: the tokens of the second one are left out."""

from __future__ import annotations

import pytest

import callspan
from callspan.model.span import Span
from callspan.model.usage import Usage
from callspan.pipeline.repeats import Repeats
from callspan.recording.sites import Site
from callspan.testing import capture
from spans import finished

PROVIDER = Site("chat", "llm")
FRAMEWORK = Site("ask", "llm", awaits_provider=True)
RETRIEVE = Site("retrieve", "llm", may_repeat=True)


def told(site, identity="r-1", usage=(9, 3), joined=None):
    given = {"usage": Usage(*usage)} if usage else {}
    return finished(site=site, response={"id": identity}, provider_call=joined, **given)


def left_out(*spans, kept=10):
    repeats = Repeats(kept)
    for span in spans:
        repeats.check(span)
    return [span.usage_below for span in spans]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (PROVIDER, FRAMEWORK, [False, True]),
        (FRAMEWORK, PROVIDER, [False, True]),
        (RETRIEVE, RETRIEVE, [False, True]),
        (PROVIDER, RETRIEVE, [False, True]),
        (PROVIDER, PROVIDER, [False, False]),
        (PROVIDER, None, [False, False]),
    ],
)
def test_the_later_one_leaves_usage_out(first, second, expected):
    assert left_out(told(first), told(second)) == expected


def test_a_server_that_gives_every_answer_the_same_id():
    spans = [told(PROVIDER), told(FRAMEWORK), told(PROVIDER), told(FRAMEWORK)]
    assert left_out(*spans) == [False, True, False, True]


def test_other_counts_are_another_answer():
    assert left_out(told(PROVIDER), told(FRAMEWORK, usage=(9, 4))) == [False, False]


def test_a_span_that_a_call_was_joined_to_repeats_nothing():
    assert left_out(told(FRAMEWORK, joined=Span()), told(FRAMEWORK, joined=Span())) == [False, False]


@pytest.mark.parametrize("identity", [None, "", 7])
def test_without_an_id(identity):
    assert left_out(told(PROVIDER, identity), told(FRAMEWORK, identity)) == [False, False]


def test_what_tells_no_usage_is_not_counted_as_told():
    assert left_out(told(PROVIDER, usage=None), told(FRAMEWORK)) == [False, False]
    below = told(PROVIDER)
    below.usage_below = True
    assert left_out(below, told(FRAMEWORK)) == [True, False]


def test_the_oldest_are_forgotten():
    others = [told(PROVIDER, f"r-{number}") for number in range(2, 4)]
    assert left_out(told(PROVIDER), *others, told(FRAMEWORK), kept=3)[-1] is True
    assert left_out(told(PROVIDER), *others, told(FRAMEWORK), kept=2)[-1] is False


def test_a_span_whose_facts_could_not_be_opened():
    span = finished()
    span.facts = None
    assert left_out(span) == [False]


# -- one below the other -----------------------------------------------------------------------------------------------

ANSWER = {"id": "r-1", "choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 9}}


@callspan.llm
def ask(question):
    return ANSWER


@callspan.chain
def prepare(question):
    return ask(question)


@callspan.llm
def answer(question, through):
    return through(question)


@pytest.mark.parametrize("through", [ask, prepare])
def test_a_model_call_by_its_decorator_leaves_out_what_was_told_below(through):
    with capture() as spans:
        answer("Hello?", through)
        answer("Hello?", through)
    assert [(span.name, span.usage_below) for span in spans if span.kind == "llm"] == [
        ("ask", False),
        ("answer", True),
    ] * 2


def test_what_is_beside_it_or_tells_nothing_changes_nothing():
    with capture() as spans, callspan.span("turn"):
        ask("Hello?")
        answer("Hello?", lambda _: ANSWER)
        answer("Hello?", lambda _: callspan.llm(lambda: "Hi")() and ANSWER)
        answer("Hello?", lambda _: callspan.embedding(lambda: {"usage": {"prompt_tokens": 4}})() and ANSWER)
    assert [span.usage_below for span in spans] == [False] * 7


def test_a_provider_that_calls_a_model_below_itself_tells_its_own():
    below = finished(parent_id=1, usage=Usage(9, 3))
    above = finished(span_id=1, usage=Usage(12, 4), reader=lambda *_: None)
    assert left_out(below, above) == [False, False]


def test_a_model_of_a_framework_around_another_leaves_out_what_that_told():
    reader = {"reader": lambda *_: None}
    below = finished(parent_id=1, site=FRAMEWORK, usage=Usage(9, 3), **reader)
    assert left_out(below, finished(span_id=1, site=FRAMEWORK, usage=Usage(9, 3), **reader)) == [False, True]
    joined = finished(span_id=1, site=FRAMEWORK, usage=Usage(12, 4), provider_call=Span(), **reader)
    assert left_out(below, joined) == [False, False]


def test_spans_that_never_end_are_forgotten():
    repeats = Repeats()
    for number in range(5_000):
        repeats.check(finished(parent_id=number, usage=Usage(9, 3)))
    assert len(repeats._told_below) == 4_096
