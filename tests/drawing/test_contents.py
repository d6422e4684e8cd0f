from __future__ import annotations

import io
from typing import Any

import pytest

from callspan.drawing.contents import contents, embedding_text
from callspan.drawing.terminal import Terminal
from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.feedback import Feedback
from callspan.model.record import SpanRecord
from callspan.model.span import Event
from callspan.model.usage import Usage
from callspan.reading.texts import document_text, pairs, part_text, show
from spans import FIXED, START_NS, finished, text


def lines(span, width=80, *, full=False):
    terminal = Terminal(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), color="never")
    drawn = contents(SpanRecord.from_span(span), terminal, width, full=full)
    return ["".join(piece for piece, _ in line).rstrip() for line in drawn]


def nested(levels):
    tree: Any = 1
    for _ in range(levels):
        tree = [tree]
    return tree


def test_everything_of_a_model_call():
    assert lines(FIXED["llm"], 70) == [
        "prompt      weather v3",
        "            What is the weather in {city}?",
        "with        city = Kyōto",
        "system      Be brief.",
        "user        What is the weather in Kyōto?",
        'calls       where({"city": "Kyōto"})',
        "tool        35.0,135.8",
        "assistant   Let me look.",
        'calls       weather({"at": [35.0, 135.8]})',
        'parameters  logit_bias={"50256": -100}, temperature=0.2, top_p=1,',
        '            max_tokens=256, stop_sequences=["END"], seed=7,',
        "            stream=true, service_tier=flex",
        "tools       weather",
        "finished    tool_calls",
        "first chunk after 250 ms, 9 chunks",
        "tokens      read from cache=16, written to cache=4, reasoning=3",
        "user ID     u-7",
        "tags        beta, weather",
        "metadata    tier=gold",
        'attributes  shop.basket=3, shop.items=[{"sku": "a"}, null]',
        "cut off     input=70,000 bytes",
        "redacted    2",
    ]


def test_labels_stand_above_their_texts_where_there_is_little_room():
    assert lines(FIXED["reranker"], 30) == [
        "query",
        "  capital of France",
        "  top 1",
        "candidate",
        "  Rome is in Italy.",
        "candidate",
        "  d1",
        "  Paris is in France.",
        "document 1",
        "  score 0.98  d1",
        "  Paris is in France.",
    ]


def test_long_labels_stand_above_their_texts():
    message = text("user", "Hi", name="a very long name")

    assert lines(finished(input_messages=[message])) == ["user a very long name", "            Hi"]


def test_long_texts_are_cut_unless_they_are_wanted():
    story = "\n".join(f"line {n}" for n in range(40))
    span = finished("chain", output=story)

    blank = " " * 12
    assert lines(span)[10:] == [f"{blank}line 10", f"{blank}line 11", f"{blank}… 223 more characters (--full)"]
    assert len(lines(span, full=True)) == 40
    assert lines(finished("chain", output="x" * 1_000_000), 50)[-1] == f"{blank}… 999,544 more characters (--full)"


def test_the_result_of_a_tool():
    span = finished("tool", "look", tool=ToolFacts("search", call_id="call_1"), input={"at": "sky"}, output=[1])

    assert lines(span) == ['arguments   {"at": "sky"}', "result      [1]", "tool        name=search, call=call_1"]


def test_a_retriever_that_found_nothing():
    assert lines(finished("retriever", query="q", documents=[])) == ["query       q", "documents   none found"]


def test_what_stands_around_a_call():
    span = finished(
        "llm",
        time_to_first_chunk_s=0.5,
        usage=Usage(input_tokens=1, audio_input_tokens=4, audio_output_tokens=5),
        events=[Event("picked", START_NS, None)],
        prompts=[PromptUse("Hello", {})],
    )

    assert lines(span) == [
        "prompt      Hello",
        "first chunk after 500 ms",
        "tokens      audio in=4, audio out=5",
        "events      picked",
    ]


def test_messages_of_any_shape():
    odd: Any = [{"parts": "odd"}, {"role": "user", "parts": ["words", {"type": "reasoning", "content": "Hm."}]}]

    assert lines(finished(input_messages=odd)) == ["user        words", "thinks      Hm."]


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"type": "refusal", "content": "No."}, "No."),
        ({"type": "tool_call", "name": "f"}, "f()"),
        ({"type": "tool_call_response", "response": {"a": 1}}, '{"a": 1}'),
        ({"type": "blob", "mime_type": "image/png", "content": "A" * 4000}, "[image/png, 3,000 bytes]"),
        ({"type": "blob", "modality": "audio", "content": ""}, "[audio, 0 bytes]"),
        ({"type": "uri", "modality": "image", "uri": "https://x/a.png"}, "[image: https://x/a.png]"),
        ({"type": "file", "modality": "document", "file_id": "file-1"}, "[document: file-1]"),
        ({"type": "custom", "x": 1}, '{"type": "custom", "x": 1}'),
    ],
)
def test_parts(part, shown):
    assert part_text(part) == shown


def test_documents():
    assert document_text({"content": "Paris", "score": 1 / 3, "id": "d", "metadata": {"page": 1, "tags": ["a"]}}) == (
        'score 0.3333  d  page=1, tags=["a"]\nParis'
    )
    assert document_text({"content": "Paris"}) == "Paris"
    assert document_text({"id": "d"}) == "d"


def test_embeddings():
    assert embedding_text({"text": "a", "vector": [0.123456, 1, "odd"]}) == "a\n[0.123, 1, odd] 3 numbers"
    assert embedding_text({"text": "a", "vector_hash": "abc"}) == "a\nvector abc"
    assert embedding_text({"text": "a"}) == "a"


def test_values():
    assert show("text") == "text"
    assert show({"a": None}) == '{"a": null}'
    assert show(["x" * 99]) == '[\n  "' + "x" * 99 + '"\n]'
    assert show(nested(100_000)) == "nested too deeply to show"
    assert pairs({"a": nested(100_000)}) == "a=nested too deeply to show"
    assert pairs([1, "b"]) == "1, b"
    assert pairs(7) == "7"


def test_feedback_shows_who_thought_what():
    given = Feedback("helpful", "key", 0.5, "up", "That was it.", "ann@example.org", key="order=17")
    assert lines(finished("evaluator", "feedback helpful", component="feedback", feedback=given)) == [
        "feedback    helpful 0.5 up on order=17, by ann@example.org",
        "            That was it.",
    ]
