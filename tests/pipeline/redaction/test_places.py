from __future__ import annotations

import re
from typing import Any

import pytest

from callspan.guard import guard
from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.feedback import Feedback
from callspan.model.span import ErrorFacts, Event
from callspan.pipeline.redaction.redactor import REDACTED, Redactor
from callspan.policy import Redaction
from spans import FIXED, finished, text


def redacted(span: Any, **rules: Any) -> Any:
    Redactor(Redaction(**rules)).redact(span)
    return span.facts


def test_names_of_the_users_own_are_secret_in_any_spelling_and_in_texts():
    tree = {"customerNumber": 7, "Customer-Number": "x", "name": "Bob", "body": '{"customer_number": "A1", "b": 2}'}
    facts = redacted(finished(input=tree), keys=["customer_number"])
    assert facts.input == {
        "customerNumber": REDACTED,
        "Customer-Number": REDACTED,
        "name": "Bob",
        "body": '{"customer_number": "[redacted]", "b": 2}',
    }
    assert facts.redacted_count == 3


def test_names_that_are_no_secrets_here():
    facts = redacted(finished(input={"cookie": "oats", "api_key": "x"}), keep_keys=["cookie"])
    assert facts.input == {"cookie": "oats", "api_key": REDACTED}


def test_the_rules_for_credentials_can_be_off():
    facts = redacted(finished(input={"api_key": "x", "ssn": "y"}), credentials=False, keys=["ssn"])
    assert facts.input == {"api_key": "x", "ssn": REDACTED}


def test_patterns_of_the_users_own():
    facts = redacted(
        finished(input=["order A-17 of B-2", "none"], query="^A-1"), patterns=[r"[AB]-\d+", re.compile("^none$")]
    )
    assert facts.input == ["order [redacted] of [redacted]", REDACTED]
    assert facts.query == "^[redacted]"
    assert facts.redacted_count == 4


def test_paths_replace_what_stands_there_and_below():
    span = finished(
        input={"customer": {"name": "Bob", "age": 41, "tags": ["x"]}, "item": "socks"},
        documents=[{"id": "d", "content": "text", "metadata": {"page": 1}}],
        metadata={"ssn": 1, "ssn2": 2},
        events=[Event("picked", 1, {"who": "Bob"})],
    )
    facts = redacted(span, paths=["input.customer", "documents.*.content", "metadata.ssn", "events.*.attributes.who"])
    assert facts.input == {"customer": {"name": REDACTED, "age": REDACTED, "tags": [REDACTED]}, "item": "socks"}
    assert facts.documents == [{"id": "d", "content": REDACTED, "metadata": {"page": 1}}]
    assert facts.metadata == {"ssn": REDACTED, "ssn2": 2}
    assert span.events[0].attributes == {"who": REDACTED}
    assert facts.redacted_count == 6


def test_only_what_is_allowed_stays():
    span = FIXED["llm"]
    span.error = ErrorFacts("ValueError", "no socks", [])
    facts = redacted(span, allow=["metadata.tier", "tool_definitions.*.name"])
    assert facts.metadata == {"tier": "gold"}
    assert facts.tool_definitions[0]["name"] == "weather"
    assert facts.tool_definitions[0]["description"] == REDACTED
    assert facts.input_messages[0] == {"role": "user", "parts": [{"type": "text", "content": REDACTED}]}
    assert facts.output_messages[0]["finish_reason"] == "tool_calls"
    assert facts.prompts == [PromptUse(REDACTED, {"city": REDACTED}, "weather", "v3")]
    assert (facts.user_id, facts.tags) == (REDACTED, [REDACTED, REDACTED])
    assert span.error.message == REDACTED
    # identity, usage, model and outcome are not content
    assert (facts.request["model"], facts.response["id"]) == ("gpt-4o", "chatcmpl-1")
    assert (facts.usage.input_tokens, facts.conversation_id, span.error.type) == (40, "c-42", "ValueError")


def test_where_nothing_is_allowed_no_content_stays():
    facts = redacted(finished(input={"a": "text"}, query="text", tags=["x"]), allow=[])
    assert (facts.input, facts.query, facts.tags) == ({"a": REDACTED}, REDACTED, [REDACTED])


def test_what_is_allowed_is_looked_at_for_secrets_all_the_same():
    facts = redacted(finished(input={"note": "api_key=abc1", "api_key": "x"}), allow=["input"])
    assert facts.input == {"note": "api_key=[redacted]", "api_key": REDACTED}


def test_a_function_sees_every_text_that_is_left_with_its_place():
    seen = {}

    def upper(value: str, place: str) -> str | None:
        seen[place] = value
        return None if value == "drop" else value.upper()

    span = finished(input={"a": ["b", "drop", 3]}, input_messages=[text("user", "hi")], tool=ToolFacts("t", "does it"))
    facts = redacted(span, function=upper)
    assert facts.input == {"a": ["B", REDACTED, 3]}
    assert facts.input_messages == [text("user", "HI")]
    assert facts.tool == ToolFacts("t", "DOES IT")
    assert seen["input.a.1"] == "drop"
    assert seen["input_messages.0.parts.0.content"] == "hi"
    assert facts.redacted_count == 4


def test_a_function_sees_what_was_said_in_feedback():
    said = Feedback("helpful", "span", 0.5, "down", "Jane was rude", "Jane", id="f-1")
    facts = redacted(finished(feedback=said), function=lambda value, _: value.replace("Jane", "N."))
    assert facts.feedback == Feedback("helpful", "span", 0.5, "down", "N. was rude", "N.", id="f-1")


def test_of_feedback_only_what_is_allowed_stays():
    said = Feedback("helpful", "key", 1.0, "up", "Thanks, Jane", "human", id="f-1", key="order=17")
    facts = redacted(finished(feedback=said), allow=["feedback.label"])
    assert facts.feedback == Feedback("helpful", "key", 1.0, "up", REDACTED, REDACTED)


def test_a_conversation_whose_id_was_replaced_is_not_that_of_others():
    facts = redacted(finished(conversation_id="+49 151 2345678", step=2), personal=["phone"])
    assert (facts.conversation_id, facts.step, facts.redacted_count) == (None, None, 1)
    facts = redacted(finished(conversation_id="c-42", query="+49 151 2345678"), personal=["phone"])
    assert (facts.conversation_id, facts.redacted_count) == ("c-42", 1)


def test_feedback_is_joined_by_no_key_that_looks_like_others_now():
    said = Feedback("helpful", "key", 1.0, id="ann@example.com", key="email=ann@example.com")
    facts = redacted(finished(feedback=said), personal=["email"])
    assert (facts.feedback.id, facts.feedback.key) == (None, None)
    assert facts.redacted_count == 2


@pytest.mark.parametrize("answer", [17, b"x", ValueError("no")])
def test_a_function_that_fails_costs_the_text_and_never_the_span(answer):
    def function(*_: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    guard.strict = False
    facts = redacted(finished(input={"a": "secret text"}, request={"model": "m"}), function=function)
    assert facts.input == {"a": REDACTED}
    assert facts.request == {"model": "m"}
    assert facts.redacted_count == 1


def test_removal_leaves_nothing():
    facts = redacted(finished(input={"api_key": "x", "t": "use password=abc1 now", "b": 1}), by="removal")
    assert facts.input == {"t": "use password= now", "b": 1}
    assert facts.redacted_count == 2


def test_a_mark_of_the_users_own():
    facts = redacted(finished(input={"api_key": "x", "t": "password=abc1"}), mark="###")
    assert facts.input == {"api_key": "###", "t": "password=###"}
