"""Answers that two spans tell of: the tokens of the second one are left out."""

from __future__ import annotations

import pytest

from callspan.model.span import Span
from callspan.model.usage import Usage
from callspan.pipeline.repeats import Repeats
from callspan.recording.sites import Site
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
