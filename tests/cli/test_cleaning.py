"""Examples pass the gate many at once; what comes out is what comes out one by one."""

from __future__ import annotations

import copy

import pytest

from callspan.cli.cleaning import Cleaner
from callspan.datasets.examples import Example
from spans import text

SECRET = "Use api_key=sk-12345678901234567890 there"
CLEANED = "Use api_key=[redacted] there"
IMAGE = "data:image/png;base64," + "iVBORw0KGgoA" * 30


def example(*messages, kind="llm", **contents):
    fields = ("input", "output", "system_instructions", "tool_definitions", "query", "documents")
    told = {"input_messages": list(messages), "output_messages": [text("assistant", "Yes.")], **contents}
    return Example("1" * 32, "1" * 16, kind, "chat", **{**dict.fromkeys(fields), **told}, facts={})


def said(one):
    return [part["content"] for message in one.input_messages for part in message["parts"]]


def test_many_at_once():
    examples = [example(text("user", "Hi")), example(text("user", SECRET), text("user", "Köln " + SECRET)), example()]
    examples[0].system_instructions = [{"type": "text", "content": SECRET}]
    examples[2].output_messages = [{**text("assistant", SECRET), "finish_reason": "stop"}]
    assert Cleaner().examples(examples) == 4
    assert examples[0].system_instructions == [{"type": "text", "content": CLEANED}]
    assert said(examples[1]) == [CLEANED, "Köln " + CLEANED]
    assert examples[2].output_messages == [{**text("assistant", CLEANED), "finish_reason": "stop"}]
    assert Cleaner().examples([]) == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"input_messages": [{"role": "user", "parts": [{"type": "tool_call", "arguments": {"password": "hunter2"}}]}]},
        {"input_messages": [{"role": "user", "parts": [{"type": "text", "content": "Hi", "password": "hunter2"}]}]},
        {"input_messages": [{"role": "user", "parts": [{"type": "text", "content": {"password": "hunter2"}}]}]},
        {"input_messages": [{"role": "user", "parts": {"password": "hunter2"}}]},
        {"input_messages": [{"role": "user", "parts": ["password: hunter2"]}]},
        {"input_messages": [{"role": "user", "parts": [], "password": "hunter2"}]},
        {"input_messages": [{"role": "password: hunter2", "parts": []}]},
        {"input_messages": [{"role": "user", "parts": [], "finish_reason": "password: hunter2"}]},
        {"system_instructions": [{"type": "text", "content": "password: hunter2", "more": 1}]},
        {"tool_definitions": [{"name": "login", "parameters": {"const": "password: hunter2"}}]},
        {"input": {"password": "hunter2"}},
        {"output": "password: hunter2"},
        {"query": "password: hunter2"},
        {"documents": [{"content": "password: hunter2"}]},
    ],
)
def test_what_is_no_plain_text_is_cleaned_as_a_whole(odd):
    examples = [example(text("user", SECRET)), example(**copy.deepcopy(odd))]
    assert Cleaner().examples(examples) == 2
    assert said(examples[0]) == [CLEANED]
    assert "hunter2" in repr(odd)
    assert "hunter2" not in repr(examples[1])


def test_media_in_a_text_are_replaced_as_in_a_span_alone():
    together = [example(text("user", "Hi")), example(text("user", f"See {IMAGE}")), example(text("user", SECRET))]
    alone = copy.deepcopy(together)
    assert Cleaner().examples(together) == 1
    assert sum(Cleaner().examples([one]) for one in alone) == 1
    assert together == alone
    assert said(together[1])[0].startswith("See <image/png, 270 bytes, sha256 of base64 ")
    assert said(together[2]) == [CLEANED]


def test_other_kinds():
    examples = [example(kind="tool", input={"password": "hunter2"}), example(text("user", SECRET), kind="agent")]
    assert Cleaner().examples(examples) == 2
    assert examples[0].input == {"password": "[redacted]"}
    assert said(examples[1]) == [CLEANED]
