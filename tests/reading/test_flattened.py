from __future__ import annotations

import pytest

from callspan.reading.attributes import Attributes
from callspan.reading.flattened import nest, read_document, read_embedding, read_message, read_tool, take_list


def test_nesting_keeps_a_value_that_has_names_below_it():
    assert nest({"a": 1, "a.b": 2, "c.d": 3, "c": 4}) == {"a": {"": 1, "b": 2}, "c": {"d": 3, "": 4}}


def test_items_come_in_the_order_of_their_numbers():
    flat = {f"l.{index}.message.content": str(index) for index in (10, 2, 0)}
    attributes = Attributes({**flat, "l.x.message.content": "no number", "l.3": "no message", "other": 1})

    assert take_list(attributes, "l", "message", lambda tree: tree["content"]) == ["0", "2", "10"]
    assert attributes.left == {"other": 1}
    assert take_list(attributes, "l", "message", read_message) is None


def message(**flat):
    return read_message(nest({name.replace("__", "."): value for name, value in flat.items()}))


def test_a_message_with_text_and_tool_calls():
    assert message(
        role="assistant",
        content="Let me look.",
        name="bot",
        tool_calls__0__tool_call__id="call_1",
        tool_calls__0__tool_call__function__name="weather",
        tool_calls__0__tool_call__function__arguments='{"city": "Kyoto"}',
        tool_calls__1__tool_call__function__arguments="not json",
    ) == {
        "role": "assistant",
        "name": "bot",
        "parts": [
            {"type": "text", "content": "Let me look."},
            {"type": "tool_call", "name": "weather", "id": "call_1", "arguments": {"city": "Kyoto"}},
            {"type": "tool_call", "name": "unknown", "arguments": "not json"},
        ],
    }


def test_a_tool_call_without_arguments():
    assert message(role="assistant", tool_calls__0__tool_call__function__name="now")["parts"] == [
        {"type": "tool_call", "name": "now"}
    ]


def test_a_legacy_function_call():
    assert message(role="assistant", function_call_name="f", function_call_arguments_json="{}")["parts"] == [
        {"type": "tool_call", "name": "f", "arguments": {}}
    ]


def test_the_answers_of_tools():
    assert message(role="tool", content='{"sun": true}', tool_call_id="call_1")["parts"] == [
        {"type": "tool_call_response", "response": {"sun": True}, "id": "call_1"}
    ]
    assert message(
        role="tool",
        tool_call_id="call_1",
        contents__0__message_content__type="text",
        contents__0__message_content__text="35",
        contents__1__message_content__text="36",
        contents__2__message_content__type="image",
    )["parts"] == [
        {"type": "tool_call_response", "response": "35", "id": "call_1"},
        {"type": "tool_call_response", "response": "36"},
        {"type": "image", "modality": "image"},
    ]


@pytest.mark.parametrize(
    ("flat", "part"),
    [
        ({"type": "text", "text": "Hi"}, {"type": "text", "content": "Hi"}),
        ({"type": "reasoning", "text": "[1]", "id": "r"}, {"type": "reasoning", "content": "[1]", "id": "r"}),
        ({"type": "refusal", "text": "No."}, {"type": "refusal", "content": "No."}),
        ({"type": "custom", "text": '{"x":1}'}, {"type": "custom", "x": 1}),
        ({"type": "custom", "text": "words"}, {"type": "custom", "content": "words"}),
        ({"type": "custom", "y": 2}, {"type": "custom", "y": 2}),
        (
            {"type": "image", "image.image.url": "https://x/a.png"},
            {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        ),
        (
            {"type": "image", "image.image.url": "data:image/png;base64,AAE="},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAE="},
        ),
        (
            {"type": "audio", "audio.audio.url": "data:application/octet-stream;base64,AAE=", "id": "a1"},
            {"type": "blob", "modality": "audio", "id": "a1", "content": "AAE="},
        ),
        ({"type": "document", "id": "file-1"}, {"type": "file", "modality": "document", "file_id": "file-1"}),
        (
            {"type": "audio", "id": "a1", "audio.audio.transcript": "Hello"},
            {"type": "audio", "modality": "audio", "id": "a1", "transcript": "Hello"},
        ),
        ({"type": "image", "image": "odd"}, {"type": "image", "modality": "image"}),
        ({"type": "image", "image.image": "odd"}, {"type": "image", "modality": "image"}),
    ],
)
def test_parts(flat, part):
    flat = {f"contents.0.message_content.{name}": value for name, value in flat.items()}

    assert read_message(nest({"role": "user", **flat}))["parts"] == [part]


def test_a_message_without_anything():
    assert read_message({}) == {"role": "user", "parts": []}


def test_documents():
    assert read_document({"id": 7, "content": "text", "score": 0.5, "metadata": '{"page": 1}'}) == {
        "id": "7",
        "content": "text",
        "score": 0.5,
        "metadata": {"page": 1},
    }
    assert read_document({"content": 5, "metadata": "{}"}) is None


def test_embeddings():
    assert read_embedding({"text": "socks", "vector": [0.5]}) == {"text": "socks", "vector": [0.5]}
    assert read_embedding({"vector": "[0.5, 1]"}) == {"vector": [0.5, 1]}
    assert read_embedding({"vector": "none"}) is None


def test_tools_lose_the_envelope():
    assert read_tool({"json_schema": '{"type": "function", "function": {"name": "f"}}'}) == {
        "type": "function",
        "name": "f",
    }
    assert read_tool({"json_schema": {"name": "g"}}) == {"name": "g"}
    assert read_tool({"json_schema": "g"}) is None
