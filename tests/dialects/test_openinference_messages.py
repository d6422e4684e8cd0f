from __future__ import annotations

import pytest

from callspan.dialects.openinference_messages import add_messages


def flatten(*messages):
    told = {}
    add_messages(told, "m", messages)
    return told


def content(*parts):
    """Return what one user message with these parts becomes, without the names around."""
    told = flatten({"role": "user", "parts": list(parts)})
    del told["m.0.message.role"]
    return {key.removeprefix("m.0.message."): value for key, value in told.items()}


TEXT = {"type": "text", "content": "look"}


def test_one_text_is_the_content_and_a_name_stands_beside():
    assert flatten({"role": "user", "name": "ada", "parts": [TEXT]}) == {
        "m.0.message.role": "user",
        "m.0.message.name": "ada",
        "m.0.message.content": "look",
    }


def test_a_message_without_parts_keeps_its_role():
    assert flatten({"role": "assistant", "parts": []}) == {"m.0.message.role": "assistant"}


def test_several_texts_keep_their_order():
    assert content(TEXT, {"type": "text", "content": "there"}) == {
        "contents.0.message_content.type": "text",
        "contents.0.message_content.text": "look",
        "contents.1.message_content.type": "text",
        "contents.1.message_content.text": "there",
    }


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            {"type": "uri", "modality": "image", "uri": "https://e.com/a.png"},
            {"type": "image", "image.image.url": "https://e.com/a.png"},
        ),
        (
            {"type": "blob", "modality": "image", "content": "aGk=", "mime_type": "image/png"},
            {"type": "image", "image.image.url": "data:image/png;base64,aGk="},
        ),
        (
            {"type": "blob", "modality": "audio", "content": "aGk=", "mime_type": "audio/wav"},
            {
                "type": "audio",
                "audio.audio.url": "data:audio/wav;base64,aGk=",
                "audio.audio.mime_type": "audio/wav",
            },
        ),
        (
            {"type": "audio", "modality": "audio", "id": "au_1", "transcript": "hi", "data": "aGk="},
            {
                "type": "audio",
                "id": "au_1",
                "audio.audio.url": "data:application/octet-stream;base64,aGk=",
                "audio.audio.transcript": "hi",
            },
        ),
        (
            {"type": "uri", "modality": "video", "uri": "gs://b/c.mp4"},
            {"type": "video", "video.video.url": "gs://b/c.mp4"},
        ),
        ({"type": "file", "modality": "document", "file_id": "f_1"}, {"type": "document", "id": "f_1"}),
        (
            {"type": "blob", "modality": "hologram", "content": "aGk=", "mime_type": "x/y"},
            {"type": "document", "document.document.url": "data:x/y;base64,aGk=", "document.document.mime_type": "x/y"},
        ),
        (
            {"type": "reasoning", "content": "hmm", "id": "rs_1", "signature": "sig", "data": 3},
            {"type": "reasoning", "text": "hmm", "id": "rs_1", "signature": "sig"},
        ),
        ({"type": "refusal", "content": "no"}, {"type": "refusal", "text": "no"}),
        ({"type": "thing", "size": 3}, {"type": "thing", "text": '{"size":3}'}),
        ({"type": "unknown", "content": [1]}, {"type": "unknown", "text": "[1]"}),
    ],
)
def test_every_other_part_is_a_content_item(part, told):
    assert content(part) == {f"contents.0.message_content.{key}": value for key, value in told.items()}


def test_tool_calls_stand_beside_the_text():
    calls = [
        {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}},
        {"type": "tool_call", "name": "g", "arguments": "raw"},
        {"type": "tool_call"},
    ]
    assert content(TEXT, *calls) == {
        "content": "look",
        "tool_calls.0.tool_call.id": "c1",
        "tool_calls.0.tool_call.function.name": "f",
        "tool_calls.0.tool_call.function.arguments": '{"a":1}',
        "tool_calls.1.tool_call.function.name": "g",
        "tool_calls.1.tool_call.function.arguments": "raw",
        "tool_calls.2.tool_call.function.name": "unknown",
    }


def test_the_answer_of_a_tool_is_the_content():
    assert content({"type": "tool_call_response", "id": "c1", "response": {"ok": True}}) == {
        "tool_call_id": "c1",
        "content": '{"ok":true}',
    }


def test_several_answers_in_one_message_keep_their_texts_and_the_first_id():
    answers = [{"type": "tool_call_response", "id": f"c{n}", "response": f"r{n}"} for n in (1, 2)]
    assert content(*answers) == {
        "tool_call_id": "c1",
        "contents.0.message_content.type": "text",
        "contents.0.message_content.text": "r1",
        "contents.1.message_content.type": "text",
        "contents.1.message_content.text": "r2",
    }


def test_an_answer_without_an_id():
    assert content({"type": "tool_call_response", "response": "r"}) == {"content": "r"}
