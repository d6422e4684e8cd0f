from __future__ import annotations

from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.span import Event, Link
from callspan.pipeline.limits import TEXT_CHARACTERS, limit
from spans import FIXED, finished

LONG = "x" * (TEXT_CHARACTERS + 4096)
CUT = "x" * TEXT_CHARACTERS + "…"


def limited(size: int = 10_000_000, **given):
    span = finished(size=size, **given)
    limit(span)
    return span


def test_the_margin_is_dropped_and_the_cut_marked():
    span = limited(input=LONG)
    assert span.facts.input == CUT
    assert span.facts.truncated == {"input": TEXT_CHARACTERS + 4096}


def test_a_text_of_just_the_limit_stays():
    span = limited(input="x" * TEXT_CHARACTERS)
    assert span.facts.input == "x" * TEXT_CHARACTERS
    assert span.facts.truncated == {}


def test_sizes_are_in_bytes():
    span = limited(output="é" * (TEXT_CHARACTERS + 1))
    assert span.facts.truncated == {"output": 2 * (TEXT_CHARACTERS + 1)}
    assert limited(output="\ud800" * (TEXT_CHARACTERS + 1)).facts.truncated == {"output": 3 * (TEXT_CHARACTERS + 1)}


def test_texts_are_cut_wherever_they_stand():
    span = limited(
        input={"a": [{"b": LONG}, LONG, 1, None, "short"]},
        input_messages=[{"role": "user", "parts": [{"type": "text", "content": LONG}]}],
        prompts=[PromptUse(LONG, {"a": LONG}, "name")],
        tool=ToolFacts("t", LONG, {"description": LONG}),
        attributes={"key": LONG},
        tags=["tag", LONG],
        query=LONG,
        status_message=LONG,
        events=[Event("picked", 1, {"a": LONG}), Event("bare", 1, None)],
        links=[Link(1, 2, {"a": [LONG]})],
    )
    facts = span.facts
    assert facts.input == {"a": [{"b": CUT}, CUT, 1, None, "short"]}
    assert facts.input_messages[0]["parts"][0]["content"] == CUT
    assert facts.prompts == [PromptUse(CUT, {"a": CUT}, "name")]
    assert facts.tool == ToolFacts("t", CUT, {"description": CUT})
    assert facts.attributes == {"key": CUT}
    assert facts.tags == ["tag", CUT]
    assert facts.query == CUT
    assert span.status_message == CUT
    assert span.events[0].attributes == {"a": CUT}
    assert span.links[0].attributes == {"a": [CUT]}
    names = "input input_messages prompts tool attributes tags query status_message events links"
    assert facts.truncated == dict.fromkeys(names.split(), TEXT_CHARACTERS + 4096)


def test_the_size_before_the_first_cut_is_the_one_that_is_told():
    span = limited(input=LONG, truncated={"input": 50_000_000})
    assert span.facts.truncated == {"input": 50_000_000}


def test_small_spans_are_not_looked_at():
    span = limited(size=TEXT_CHARACTERS, input=LONG)
    assert span.facts.input == LONG


def test_spans_without_long_texts_stay_as_they_are():
    for kind in FIXED:
        span = FIXED[kind]
        span.size = 10_000_000
        limit(span)
        assert repr(span.facts) == repr(FIXED[kind].facts), kind
