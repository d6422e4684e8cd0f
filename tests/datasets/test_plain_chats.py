"""Plain chats make the lines that examples make; whatever is not plain is left to those."""

from __future__ import annotations

import copy
import json

import pytest

from callspan.datasets import making, plain_chats
from callspan.datasets.chat import Refused, chat_line
from callspan.datasets.examples import Example, is_looked_at
from callspan.datasets.plain_chats import plain_messages
from callspan.reading.files import Again
from callspan.reading.lean import lean_spans
from callspan.reading.otlp import LeanSpan
from span_files import write
from spans import finished, text

pytest.importorskip("msgspec")

USER = text("user", "Hi Köln")
ANSWER = text("assistant", "Yes.")
BRIEF = [{"type": "text", "content": "Be brief."}]


def attributes(instructions=None, asked=(USER,), answers=(ANSWER,), **more):
    told = {"gen_ai.input.messages": json.dumps(asked), "gen_ai.output.messages": json.dumps(answers), **more}
    return told if instructions is None else {"gen_ai.system_instructions": json.dumps(instructions), **told}


def by_example(told):
    try:
        return chat_line(Example.of(LeanSpan("1" * 32, "1" * 16, "chat", copy.deepcopy(told))))["messages"]
    except Refused:
        return None


@pytest.mark.parametrize(
    "told",
    [
        attributes(),
        attributes(BRIEF),
        attributes([{"type": "text", "content": ""}]),
        attributes(BRIEF, [USER, ANSWER, text("system", "?"), text("developer", "!"), USER]),
        attributes(answers=[{**text("user", "Yes."), "finish_reason": "stop"}]),
        attributes(**{"gen_ai.operation.name": "chat", "openinference.span.kind": "LLM", "callspan.stream.chunks": 3}),
    ],
)
def test_the_same_messages_as_by_examples(told):
    messages = plain_messages(told)
    assert messages == by_example(told)
    assert [[*message] for message in messages] == [["role", "content"]] * len(messages)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"gen_ai.input.messages": json.dumps([USER])},
        attributes(BRIEF * 2),
        attributes([]),
        attributes("Be brief."),
        attributes([{"type": "reasoning", "content": "Hm."}]),
        attributes([{"type": "text", "content": 5}]),
        attributes(asked=[{**USER, "name": "Ann"}]),
        attributes(asked=[text("tool", "35")]),
        attributes(asked=[{"role": "user", "parts": []}]),
        attributes(asked=[{"role": "user", "parts": [*USER["parts"], *USER["parts"]]}]),
        attributes(asked=[{"role": "user", "parts": [{"type": "uri", "uri": "https://example.org"}]}]),
        attributes(asked=[{"role": "user", "parts": [{"type": "text", "content": "\ud83d"}]}]),
        attributes(asked=["Hi"]),
        attributes(answers=[]),
        attributes(answers=[ANSWER, ANSWER]),
        attributes(answers=[{**ANSWER, "finish_reason": "tired"}]),
        {**attributes(), "gen_ai.output.messages": "broken"},
        {**attributes(), "gen_ai.output.messages": 5},
        {**attributes(), "gen_ai.input.messages": [USER]},
        attributes(**{"gen_ai.tool.definitions": "[]"}),
        attributes(**{"llm.output_messages.0.message.role": "assistant"}),
        attributes(**{"input.value": "Hi"}),
    ],
)
def test_what_is_not_plain(told):
    assert plain_messages(told) is None


def test_a_span_as_it_is_written_is_plain(tmp_path):
    span = finished("llm", input_messages=[USER], output_messages=[ANSWER], system_instructions=BRIEF)
    (read,) = lean_spans(write(tmp_path / "spans.jsonl", [span]).read_bytes(), is_looked_at)
    assert [message["role"] for message in plain_messages(read.attributes)] == ["system", "user", "assistant"]


def test_without_msgspec_nothing_is_plain(monkeypatch):
    monkeypatch.setattr(plain_chats, "_reader", lambda: None)
    assert plain_messages(attributes()) is None


class Shy:
    """Finds a secret in every text, or says that texts are not all."""

    def __init__(self, *, looks_at_texts):
        self.looks_at_texts = looks_at_texts

    def texts(self, messages, key):
        if not self.looks_at_texts:
            return None
        for message in messages:
            message[key] = f"clean {message[key]}"
        return len(messages)

    def examples(self, examples):
        for example in examples:
            example.output_messages = [text("assistant", "clean as a whole")]
        return len(examples)


@pytest.mark.parametrize(
    ("looks_at_texts", "redacted", "answer"), [(True, 6, "clean Yes."), (False, 4, "clean as a whole")]
)
def test_both_ways_are_cleaned_and_stay_in_order(tmp_path, looks_at_texts, redacted, answer):
    asked = [[USER], [{**USER, "name": "Ann"}], [USER, text("robot", "Beep")], [USER]]
    path, offset, offsets = tmp_path / "spans.jsonl", 0, []
    spans = [
        finished("llm", span_id=number, trace_id=7, input_messages=several, output_messages=[ANSWER])
        for number, several in enumerate(asked, 1)
    ]
    for line in write(path, spans).read_bytes().splitlines(keepends=True):
        offsets.append(offset)
        offset += len(line)
    calls = {
        "file": [str(path)] * 5,
        "line_offset": [*offsets, offset],
        "line_number": [0] * 5,
        "trace_id": [f"{7:032x}"] * 5,
        "span_id": [f"{number:016x}" for number in (1, 2, 3, 4, 5)],
    }
    made = making.make(calls, "preference", Shy(looks_at_texts=looks_at_texts), Again())
    told = [line and line["messages"][-1]["content"] for line in made.contents]
    assert told == [answer, "clean as a whole", None, answer, None]
    assert made.redacted == redacted
    assert made.refused == {"role 'robot' is not admitted": 1}
