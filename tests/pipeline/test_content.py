from __future__ import annotations

import pytest

from callspan.dialects.registry import DIALECTS, resolve
from callspan.encoding import otlp_json
from callspan.model.facts import MISSING, PromptUse, ToolFacts
from callspan.model.resource import describe
from callspan.model.span import ErrorFacts, Event
from callspan.model.usage import Usage
from callspan.pipeline.content import strip_content, without_content
from callspan.pipeline.redaction.gate import Gate
from callspan.recording.sites import Site
from spans import FIXED, finished

CANARY = "canary-4711"


def full():
    said = [{"role": "user", "parts": [{"type": "text", "content": CANARY}]}]
    return finished(
        "llm",
        "chat",
        input={"q": CANARY},
        output=CANARY,
        provider="openai",
        request={"model": "gpt-4o", "temperature": 0.5, "stop_sequences": [CANARY]},
        extra={"user": CANARY},
        response={"model": "gpt-4o-2024", "id": "r-1", "finish_reasons": ["stop"]},
        system_instructions=[{"type": "text", "content": CANARY}],
        input_messages=said,
        output_messages=said,
        tool_definitions=[{"type": "function", "name": CANARY}],
        usage=Usage(input_tokens=3, output_tokens=4),
        query=CANARY,
        documents=[{"id": "d1", "content": CANARY, "score": 0.5, "metadata": {"a": CANARY}}],
        input_documents=[{"content": CANARY}],
        embeddings=[{"text": CANARY, "vector": [0.25]}],
        dimensions=1,
        tool=ToolFacts("weather", call_id="c-1"),
        prompts=[PromptUse(f"Say {CANARY}", {"a": CANARY}, "greeting", "v1")],
        conversation_id="c-42",
        step=2,
        error=ErrorFacts("ValueError", CANARY, [("app.py", 3, "main")]),
        status=2,
        status_message=CANARY,
        events=[
            Event(
                "exception",
                1,
                {"exception.type": "ValueError", "exception.message": CANARY, "exception.stacktrace": CANARY},
            ),
            Event("exception", 1, {}),
            Event("picked", 1, {"size": 3}),
        ],
        truncated={"input": 70_000},
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_content_is_left_in_what_is_written(dialect):
    span = full()
    dialects = resolve(dialect)
    around = otlp_json.envelope(describe("test"), dialects)
    assert CANARY in otlp_json.line(span, around, dialects).decode()
    strip_content(span)
    line = otlp_json.line(span, around, dialects).decode()
    assert CANARY not in line
    for kept in ("gpt-4o-2024", "c-42", "ValueError", "app.py:3 in main", "1700000000000000000"):
        assert kept in line


def test_identity_usage_models_and_outcomes_stay():
    span = full()
    strip_content(span)
    facts = span.facts
    assert facts.input is facts.output is MISSING
    assert facts.request == {"model": "gpt-4o", "temperature": 0.5}
    assert facts.response == {"model": "gpt-4o-2024", "id": "r-1", "finish_reasons": ["stop"]}
    assert facts.usage == Usage(input_tokens=3, output_tokens=4)
    assert facts.documents == [{"id": "d1", "score": 0.5}]
    assert facts.dimensions == 1
    assert facts.prompts == [PromptUse("", {}, "greeting", "v1")]
    assert (facts.conversation_id, facts.step, facts.truncated) == ("c-42", 2, {"input": 70_000})
    assert (span.error.type, span.error.frames) == ("ValueError", [("app.py", 3, "main")])
    assert [event.attributes for event in span.events] == [{"exception.type": "ValueError"}, {}, {"size": 3}]


def test_every_kind_can_do_without_content():
    for span in FIXED.values():
        strip_content(span)
        assert span.facts.input is MISSING


def test_metadata_shows_what_was_there_and_no_text():
    span = full()
    strip_content(span, "metadata")
    facts = span.facts
    assert facts.input == {"q": "<str of 11>"}
    assert facts.output == "<str of 11>"
    assert facts.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "<str of 11>"}]}]
    assert facts.tool_definitions == [{"type": "function", "name": CANARY}]  # the name of a tool is no content
    assert facts.extra == {"user": "<str of 11>"}
    assert facts.documents == [{"id": "d1", "score": 0.5}]
    assert facts.embeddings == [{"text": "<str of 11>"}]
    assert facts.prompts == [PromptUse("<str of 15>", {"a": "<str of 11>"}, "greeting", "v1")]
    assert facts.usage == Usage(input_tokens=3, output_tokens=4)
    assert (span.error.message, span.status_message) == ("", None)


def test_metadata_of_a_conversation_keeps_roles_tools_and_reasons():
    span = FIXED["llm"]
    strip_content(span, "metadata")
    (answer,) = span.facts.output_messages
    assert answer == {
        "role": "assistant",
        "parts": [
            {"type": "text", "content": "<str of 12>"},
            {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": "<dict of 1>"},
        ],
        "finish_reason": "tool_calls",
    }


@pytest.mark.parametrize("level", ["none", "metadata"])
def test_a_copy_without_content_leaves_the_span_of_the_others_as_it_is(level):
    span, same = full(), full()
    lean = without_content(span, level)
    stripped = full()
    strip_content(stripped, level)
    assert repr(lean.facts) == repr(stripped.facts)
    assert (lean.error.message, lean.span_id) == ("", span.span_id)
    assert repr(span.facts) == repr(same.facts)
    assert span.error.message == CANARY
    assert span.events[0].attributes["exception.message"] == CANARY


def test_content_is_switched_by_kind_and_by_place_and_the_least_counts():
    gate = Gate(capture_content={"tool": False, "llm": "metadata"})
    for kind, own, left in (
        ("chain", None, "abc"),
        ("chain", "metadata", "<str of 3>"),
        ("chain", "none", MISSING),
        ("llm", "full", "<str of 3>"),
        ("llm", "none", MISSING),
        ("tool", "metadata", MISSING),
    ):
        span = finished(kind, "x", input="abc", site=Site("x", kind, content=own))
        gate.clean(span)
        assert span.facts.input == left, (kind, own)


def test_an_exception_whose_text_was_withheld_once_is_withheld_on_its_way_up():
    gate = Gate(capture_content={"tool": False})
    tool = finished("tool", "t", error=ErrorFacts("ValueError", CANARY, []))
    chain = finished("chain", "c", error=ErrorFacts("ValueError", CANARY, []), status_message=CANARY)
    other = finished("chain", "c", trace_id=7, error=ErrorFacts("ValueError", CANARY, []))
    for span in (tool, chain, other):
        gate.clean(span)
    assert (tool.error.message, chain.error.message, chain.status_message) == ("", "", None)
    assert other.error.message == CANARY  # in another trace nobody withheld it
