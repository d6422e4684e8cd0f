from __future__ import annotations

from dataclasses import asdict

import pytest

from callspan.exporters.shrinking import FIELD_BYTES, VALUE_BYTES, shrink
from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.kinds import KINDS
from callspan.model.span import ErrorFacts, Event, Link
from callspan.model.usage import Usage
from spans import FIXED, finished, text

LONG = "é" * 50_000
LONG_BYTES = 100_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_span_of_small_values_stays_as_it_is(kind):
    assert shrink(FIXED[kind]) is None


def test_large_values_go_and_are_named():
    span = finished(
        "llm",
        input={"question": LONG},
        output=LONG,
        input_messages=[text("user", LONG), text("user", "small")],
        output_messages=[text("assistant", "small")],
        usage=Usage(3, 4),
        truncated={"output": 7_000_000, "query": 9},
    )
    lean = shrink(span)
    assert (lean.facts.input, lean.facts.output, lean.facts.input_messages) == (MISSING, MISSING, None)
    assert lean.facts.output_messages == [text("assistant", "small")]
    assert lean.facts.usage == Usage(3, 4)
    assert lean.facts.truncated == {
        "input": LONG_BYTES + len("question"),
        "output": 7_000_000,  # as long as it was at first
        "input_messages": LONG_BYTES + len("small") + 2 * len("role user parts type text content".replace(" ", "")),
        "query": 9,
    }
    assert (lean.name, lean.trace_id, lean.span_id, lean.start_ns) == (
        "chat",
        span.trace_id,
        span.span_id,
        span.start_ns,
    )


def test_named_values_go_one_by_one():
    span = finished("chain", attributes={"long": LONG, "short": 1, "list": [LONG]}, metadata={"tier": "gold"})
    lean = shrink(span)
    assert lean.facts.attributes == {"short": 1}
    assert lean.facts.metadata == {"tier": "gold"}
    assert lean.facts.truncated == {"attributes": 2 * LONG_BYTES + len("longlist")}


def test_very_many_small_named_values_go_together():
    attributes = {f"key-{number:05}": "x" * 91 for number in range(1000)}
    lean = shrink(finished("chain", attributes=attributes))
    assert lean.facts.attributes == {}
    assert lean.facts.truncated == {"attributes": 100_000}


def test_what_a_prompt_and_a_tool_are_called_stays():
    prompt = PromptUse(LONG, {"a": "b"}, "naming", "v3")
    tool = ToolFacts("weather", "Tell the weather.", {"properties": {"at": {"description": LONG}}}, "call_1")
    lean = shrink(finished("tool", prompts=[prompt], tool=tool))
    assert lean.facts.prompts == [PromptUse("", {}, "naming", "v3")]
    assert lean.facts.tool == ToolFacts("weather", None, None, "call_1")
    assert set(lean.facts.truncated) == {"prompts", "tool"}


def test_texts_of_the_span_itself_are_cut():
    error = ErrorFacts("ValueError", LONG, [("app.py", 3, "run")])
    lean = shrink(finished("chain", LONG, status_message=LONG, error=error))
    cut = "é" * 1000 + "…"
    assert (lean.name, lean.status_message, lean.error.message) == (cut, cut, cut)
    assert (lean.error.type, lean.error.frames) == ("ValueError", [("app.py", 3, "run")])
    assert lean.facts.truncated == dict.fromkeys(("name", "status_message", "error"), LONG_BYTES)


def test_events_and_links_lose_what_is_large():
    events = [Event("picked", 1, {"why": LONG, "n": 2}), Event("put back", 2, None)]
    links = [Link(1, 2, {"why": LONG}), Link(3, 4, None)]
    lean = shrink(finished("chain", events=events, links=links))
    assert [(event.name, event.time_ns, event.attributes) for event in lean.events] == [
        ("picked", 1, {"n": 2}),
        ("put back", 2, {}),
    ]
    assert [(link.trace_id, link.span_id, link.attributes) for link in lean.links] == [(1, 2, {}), (3, 4, {})]
    assert set(lean.facts.truncated) == {"events", "links"}


def test_very_many_small_events_go_together():
    events = [Event("tick", number, {"note": "x" * 996}) for number in range(100)]
    lean = shrink(finished("chain", events=events, links=[Link(1, 2, {})]))
    assert lean.events is None
    assert len(lean.links) == 1
    assert lean.facts.truncated == {"events": 100_000}


def test_the_span_itself_is_not_touched():
    span = finished("llm", LONG, input=LONG, attributes={"a": LONG}, events=[Event("e", 1, {"a": LONG})])
    span.error = ErrorFacts("ValueError", LONG, [])
    before = repr(span.facts), span.name, span.error.message, span.events[0].attributes
    shrink(span)
    assert (repr(span.facts), span.name, span.error.message, span.events[0].attributes) == before


def test_once_is_enough_and_leaves_little():
    everything = finished("llm", LONG, input=LONG, events=[Event("e", 1, {"a": LONG})] * 9, links=[Link(1, 2, {})])
    for name in ("operation", "provider", "query", "agent_name", "conversation_id", "user_id", "server_address"):
        setattr(everything.facts, name, LONG)
    for name in ("tool_definitions", "documents", "embeddings", "tags", "system_instructions", "input_documents"):
        setattr(everything.facts, name, [{"content": LONG}])
    for name in ("request", "response", "extra", "metadata"):
        setattr(everything.facts, name, {"a": LONG, "b": "kept"})
    lean = shrink(everything)
    assert shrink(lean) is None
    assert len(repr(asdict(lean.facts))) < FIELD_BYTES
    assert lean.facts.request == {"b": "kept"}


def test_a_value_of_just_the_limit_stays():
    assert shrink(finished("chain", input="x" * VALUE_BYTES)) is None
    assert shrink(finished("chain", input="x" * (VALUE_BYTES + 1))).facts.input is MISSING


def test_a_span_without_facts_is_no_trouble():
    span = finished("chain", LONG)
    span.facts = None
    assert shrink(span).facts == Facts(truncated={"name": LONG_BYTES})
