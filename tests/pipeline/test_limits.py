from __future__ import annotations

import copy
from typing import Any

from callspan.exporters.shrinking import size_of
from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.span import ErrorFacts, Event, Link
from callspan.pipeline.limits import Limiter, without_middle
from callspan.policy import Limits
from spans import FIXED, finished

TEXT_CHARACTERS = 262_144
limit = Limiter(Limits(max_span_bytes=100_000_000)).limit

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


def test_a_text_that_was_cut_and_is_still_too_large_for_the_span_has_one_mark():
    wide = "\U0001f600" * (TEXT_CHARACTERS + 1)
    span = finished(size=10_000_000, input=wide, output="x" * 500_000)
    Limiter(Limits(max_span_bytes=1_000_000)).limit(span)
    told = span.facts.input
    assert told[-2:] == "\U0001f600…"
    assert len(told) > 60_000
    assert wide.startswith(told[:-1])
    assert len(told.encode()) + len(span.facts.output) <= 1_000_000
    assert span.facts.truncated["input"] == 4 * (TEXT_CHARACTERS + 1)


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


# -- the span as a whole -----------------------------------------------------------------------------------------------


def within(most: int, **given):
    span = finished(size=10_000_000, **given)
    Limiter(Limits(max_value_bytes=2_000, max_span_bytes=most)).limit(span)
    return span.facts


def said(number: int, characters: int = 100):
    return {"role": "user", "parts": [{"type": "text", "content": f"{number:04}" + "x" * (characters - 4)}]}


def test_a_message_list_loses_its_middle():
    facts = within(20_000, input_messages=[said(number) for number in range(1000)])
    first, gap, *last = facts.input_messages
    assert first == said(0)
    assert gap == {"role": "system", "parts": [{"type": "text", "content": f"<{999 - len(last)} messages left out>"}]}
    assert last == [said(number) for number in range(1000 - len(last), 1000)]
    assert 50 < len(last) < 200
    assert facts.truncated == {"input_messages": 1000 * (4 + 4 + 5 + 4 + 4 + 7 + 100)}


def test_other_lists_lose_their_end_and_dictionaries_what_does_not_fit():
    documents = [{"id": str(number), "content": "x" * 500} for number in range(200)]
    tree = {f"key {number}": "y" * 500 for number in range(200)}
    facts = within(20_000, documents=documents, metadata=tree)
    assert 5 < len(facts.documents) < 40
    assert facts.documents == documents[: len(facts.documents)]
    assert facts.metadata == {key: tree[key] for key in facts.metadata} or "…" in repr(facts.metadata)
    assert set(facts.truncated) == {"documents", "metadata"}


def test_what_is_small_stays_whatever_is_large():
    facts = within(10_000, input=["z" * 1_500] * 500, query="Why?", tags=["a"], metadata={"tier": "gold"})
    assert (facts.query, facts.tags, facts.metadata) == ("Why?", ["a"], {"tier": "gold"})
    assert set(facts.truncated) == {"input"}


def test_identity_usage_models_and_errors_are_never_cut():
    span = FIXED["llm"]
    span.size = 10_000_000
    span.facts.input_messages = [said(number) for number in range(5_000)]
    span.error = ErrorFacts("ValueError", "x" * 8_000, [("app.py", 3, "main")])
    before = FIXED["llm"].facts
    Limiter(Limits(max_value_bytes=64, max_span_bytes=1024)).limit(span)
    facts = span.facts
    assert facts.usage == before.usage
    assert facts.response == before.response
    assert facts.request == before.request
    assert (facts.conversation_id, facts.step) == ("c-42", 2)
    assert (span.error.type, span.error.message, span.error.frames) == (
        "ValueError",
        "x" * 8_000,
        [("app.py", 3, "main")],
    )


def test_the_margin_of_an_exception_goes_once_the_gate_has_seen_it():
    span = finished(error=ErrorFacts("ValueError", "x" * 12_288, []))
    limit(span)
    assert span.error.message == "x" * 8192


def test_any_shape_comes_to_fit():
    deep: Any = "x" * 1000
    for _ in range(60):
        deep = {"a": [deep, "y" * 1000]}
    for tree in (deep, ["x"] * 100_000, {str(n): n for n in range(50_000)}, [["z" * 900] * 40] * 40, "é" * 1_900):
        for field in ("input", "metadata", "extra", "documents", "output_messages"):
            given = tree if field == "input" else {"a": tree} if field in ("metadata", "extra") else [{"a": tree}]
            if field == "output_messages":
                given = [{"role": "user", "parts": [{"type": "text", "content": tree}]}] * 3
            facts = within(4_096, **{field: copy.deepcopy(given)})
            assert size_of(getattr(facts, field)) <= 4_096, field


def test_the_first_and_the_last_message_always_stay():
    assert without_middle([said(1), said(2)], 10) == [said(1), said(2)]
    assert [one["role"] for one in without_middle([said(n) for n in range(9)], 10)] == ["user", "system", "user"]
