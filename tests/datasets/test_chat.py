"""Calls as lines for fine-tuning: what the rules admit, and why the rest is refused."""

from __future__ import annotations

import pytest

from callspan.datasets.chat import Refused, chat_line
from callspan.datasets.examples import Example, is_looked_at
from callspan.reading.files import LoadReport, files_of
from callspan.reading.load import raw_spans
from callspan.reading.otlp import LeanSpan
from span_files import write
from spans import FIXED, finished, text


def example(tmp_path, span):
    ((_, raw),) = raw_spans(files_of(write(tmp_path / "spans.jsonl", [span])), LoadReport())
    return Example.of(LeanSpan.of(raw, is_looked_at))


def llm(*asked, answer=None, **given):
    return finished("llm", input_messages=[*asked], output_messages=[answer or text("assistant", "Yes.")], **given)


def calls(*ids, name="weather"):
    parts = [{"type": "tool_call", "id": one, "name": name, "arguments": {"city": "Oslo"}} for one in ids]
    return {"role": "assistant", "parts": parts}


def answer_of(call_id):
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": {"sky": "grey"}}]}


TOOLS = [{"type": "function", "name": "weather", "description": "Tell it.", "parameters": {"type": "object"}}]


def test_a_plain_chat(tmp_path):
    span = llm(text("user", "Hi"), system_instructions=[{"type": "text", "content": "Be brief."}])
    assert chat_line(example(tmp_path, span)) == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes."},
        ]
    }


def test_tools_with_their_calls_and_answers(tmp_path):
    span = llm(text("user", "Rain?"), calls("c-1"), answer_of("c-1"), tool_definitions=TOOLS)
    line = chat_line(example(tmp_path, span))
    assert line["messages"][1:3] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c-1", "content": '{"sky": "grey"}'},
    ]
    assert line["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tell it.", "parameters": {"type": "object"}},
        }
    ]


def test_an_answer_may_be_a_call(tmp_path):
    line = chat_line(example(tmp_path, llm(text("user", "Rain?"), answer=calls("c-1"), tool_definitions=TOOLS)))
    assert line["messages"][-1]["tool_calls"][0]["id"] == "c-1"


def test_thoughts_are_left_out(tmp_path):
    thought = {
        "role": "assistant",
        "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Yes."}],
    }
    line = chat_line(example(tmp_path, llm(text("user", "Hi"), answer=thought)))
    assert line["messages"][-1] == {"role": "assistant", "content": "Yes."}


IMAGE = {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}]}


@pytest.mark.parametrize(
    ("reason", "span"),
    [
        ("no answer", finished("llm", input_messages=[text("user", "Hi")])),
        ("no message of a user", llm(text("assistant", "Hello"))),
        ("empty message", llm(text("user", "Hi"), answer=text("assistant", ""))),
        ("role 'robot' is not admitted", llm(text("user", "Hi"), text("robot", "Beep"))),
        ("answer of a tool without a call", llm(text("user", "Hi"), answer_of("c-9"), tool_definitions=TOOLS)),
        (
            "call of a tool without an answer",
            llm(text("user", "Hi"), calls("c-1"), text("user", "?"), tool_definitions=TOOLS),
        ),
        (
            "two calls of tools with the same ID",
            llm(text("user", "Hi"), calls("c", "c"), answer_of("c"), tool_definitions=TOOLS),
        ),
        ("call of a tool that was not offered", llm(text("user", "Hi"), answer=calls("c-1"))),
        ("a part of type 'uri', which is no text", llm(IMAGE)),
        (
            "a message whose parts are no list of objects",
            llm({"role": "user", "parts": [{"type": "text", "content": "Hi"}, "Hi"]}),
        ),
        ("a tool that is no function", llm(text("user", "Hi"), tool_definitions=[{"type": "web_search"}])),
    ],
)
def test_what_the_rules_do_not_admit(tmp_path, reason, span):
    with pytest.raises(Refused) as refused:
        chat_line(example(tmp_path, span))
    assert str(refused.value) == reason


def test_the_rich_span_of_the_tests(tmp_path):
    with pytest.raises(Refused, match="call of a tool that was not offered"):
        chat_line(example(tmp_path, FIXED["llm"]))
