from __future__ import annotations

import pytest

from callspan.dialects.registry import DIALECTS, resolve
from callspan.encoding import otlp_json
from callspan.model.facts import MISSING, PromptUse, ToolFacts
from callspan.model.resource import describe
from callspan.model.span import ErrorFacts, Event
from callspan.model.usage import Usage
from callspan.pipeline.content import strip_content
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
