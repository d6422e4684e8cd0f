"""Conversations in the shapes that people and providers pass around."""

from __future__ import annotations

import pytest

from callspan.model.messages import (
    parse_json,
    read_message,
    read_messages,
    read_part,
    read_tool_call,
    text_message,
    texts_of,
)


def text(content):
    return {"type": "text", "content": content}


def test_a_conversation_of_openai():
    assert read_messages(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
                    "not a call",
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "2"},
            {"role": "assistant", "content": "Two.", "finish_reason": "stop"},
        ]
    ) == [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "user", "parts": [text("Hi")], "name": "ann"},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "add", "id": "call_1", "arguments": {"a": 1}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "2", "id": "call_1"}]},
        {"role": "assistant", "parts": [text("Two.")], "finish_reason": "stop"},
    ]


@pytest.mark.parametrize(
    "tree",
    [
        None,
        "Hi",
        [],
        {},
        ["Hi"],
        [{"role": "user", "content": "Hi"}, "Hi"],
        [{"role": "user"}],
        [{"content": "Hi"}],
        [{"type": "document", "content": "Hi"}],
        [{"type": ["human"], "content": "Hi"}],
        [{"type": {}, "role": 5, "content": "Hi"}],
    ],
    ids=repr,
)
def test_what_is_no_conversation(tree):
    assert read_messages(tree) is None


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({"role": "user"}, "user"),
        ({"role": "model"}, "assistant"),
        ({"role": "function"}, "tool"),
        ({"role": "narrator"}, "narrator"),
        ({"type": "human"}, "user"),
        ({"type": "ai"}, "assistant"),
        ({"type": "AIMessageChunk"}, "assistant"),
        ({"type": "SystemMessage"}, "system"),
        ({"type": "system"}, "system"),
        ({"type": "assistant"}, "assistant"),
    ],
    ids=repr,
)
def test_roles(given, role):
    message = read_message({**given, "content": "x"})
    assert message is not None
    assert message["role"] == role


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": ""}, []),
        ({"content": None}, []),
        ({"content": {"ä": 1}}, [text('{"ä": 1}')]),
        ({"content": ["Hi", 5]}, [text("Hi"), {"type": "unknown", "content": 5}]),
        (
            {"parts": [{"text": "Hi"}, {"type": "uri", "modality": "image", "uri": "u"}]},
            [text("Hi"), {"type": "uri", "modality": "image", "uri": "u"}],
        ),
        (
            {"content": "4", "reasoning_content": "2 and 2"},
            [{"type": "reasoning", "content": "2 and 2"}, text("4")],
        ),
        ({"content": "4", "reasoning": "sum"}, [{"type": "reasoning", "content": "sum"}, text("4")]),
        ({"content": "4", "reasoning": {"effort": "low"}}, [text("4")]),
        ({"content": None, "refusal": "No."}, [{"type": "refusal", "content": "No."}]),
        ({"content": "x", "refusal": None, "audio": None, "tool_calls": None}, [text("x")]),
        (
            {"content": None, "audio": {"id": "a1", "transcript": "Hello", "data": "UklG", "expires_at": 5}},
            [{"type": "audio", "modality": "audio", "id": "a1", "transcript": "Hello", "data": "UklG"}],
        ),
        (
            {"content": None, "audio": {"id": "a1"}},
            [{"type": "audio", "modality": "audio", "id": "a1"}],
        ),
        (
            {"content": None, "function_call": {"name": "add", "arguments": "{}"}},
            [{"type": "tool_call", "name": "add", "arguments": {}}],
        ),
        ({"function_call": "auto"}, []),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_parts_of_an_answer(message, parts):
    assert read_message({"role": "assistant", **message}) == {"role": "assistant", "parts": parts}


def test_answers_of_tools():
    assert read_message({"role": "function", "name": "add", "content": "2"}) == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "response": "2"}],
        "name": "add",
    }
    assert read_message({"type": "tool", "tool_call_id": "c1", "content": [1]}) == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "response": [1], "id": "c1"}],
    }
    assert read_message({"role": "tool", "tool_call_id": 5, "content": None}) == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "response": None}],
    }


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ({"id": "c1", "name": "add", "args": {"a": 1}}, {"name": "add", "id": "c1", "arguments": {"a": 1}}),
        (
            {"id": "c1", "custom": {"name": "run", "input": "SELECT 1"}},
            {"name": "run", "id": "c1", "arguments": "SELECT 1"},
        ),
        ({"call_id": "c2", "name": "add", "arguments": "[1"}, {"name": "add", "id": "c2", "arguments": "[1"}),
        ({"function": "add"}, {"name": "unknown"}),
        ({"function": {"name": None}, "id": 7}, {"name": "unknown"}),
    ],
    ids=repr,
)
def test_tool_calls(call, part):
    assert read_tool_call(call) == {"type": "tool_call", **part}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("[1, 2]", [1, 2]),
        ("5", "5"),
        ('"text"', '"text"'),
        ("{not json", "{not json"),
        ("", ""),
        (5, 5),
        (None, None),
    ],
)
def test_json_texts(value, data):
    assert parse_json(value) == data


def test_json_nested_too_deep_stays_text():
    deep = "[" * 100_000
    assert parse_json(deep) is deep


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ("Hi", text("Hi")),
        (None, {"type": "unknown", "content": None}),
        ({"type": "input_text", "text": "Hi"}, text("Hi")),
        ({"type": "output_text", "text": "Hi", "annotations": []}, text("Hi")),
        ({"type": "text", "content": "Hi"}, text("Hi")),
        ({"type": "text", "text": {"value": "Hi"}}, text('{"value": "Hi"}')),
        ({"type": "text"}, text("")),
        ({"text": "Hi"}, text("Hi")),
        ({"text": 5}, {"text": 5, "type": "unknown"}),
        ({"type": "refusal", "refusal": "No."}, {"type": "refusal", "content": "No."}),
        ({"type": "refusal"}, {"type": "refusal", "content": ""}),
        ({"type": "thinking", "thinking": "Hm"}, {"type": "reasoning", "content": "Hm"}),
        ({"type": "reasoning", "text": "Hm"}, {"type": "reasoning", "content": "Hm"}),
        ({"type": "reasoning", "summary": []}, {"type": "reasoning", "summary": []}),
        ({"type": ["image_url"], "n": 1}, {"type": "unknown", "n": 1}),
        ({"type": "tool_use", "name": "add"}, {"type": "tool_use", "name": "add"}),
    ],
    ids=repr,
)
def test_parts(part, read):
    assert read_part(part) == read


@pytest.mark.parametrize(
    ("part", "read"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://x/a.png"}},
            {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        ),
        (
            {"type": "image_url", "image_url": "https://x/a.png"},
            {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        ),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
            {"type": "blob", "modality": "image", "content": "AAAA", "mime_type": "image/png"},
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:,AAAA"}},
            {"type": "blob", "modality": "image", "content": "AAAA"},
        ),
        (
            {"type": "input_image", "file_id": "file-1"},
            {"type": "file", "modality": "image", "file_id": "file-1"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"type": "blob", "modality": "audio", "content": "UklG", "mime_type": "audio/wav"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG"}},
            {"type": "blob", "modality": "audio", "content": "UklG"},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
            {"type": "blob", "modality": "document", "content": "JVBE", "mime_type": "application/pdf"},
        ),
        (
            {"type": "file", "file": {"file_id": "file-2"}},
            {"type": "file", "modality": "document", "file_id": "file-2"},
        ),
        (  # LangChain's, of version 1
            {"type": "image", "id": "lc_1", "url": "https://x/a.png"},
            {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        ),
        (
            {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
            {"type": "blob", "modality": "image", "content": "AAAA", "mime_type": "image/png"},
        ),
        (
            {"type": "video", "url": "https://x/a.mp4", "mime_type": "video/mp4"},
            {"type": "uri", "modality": "video", "uri": "https://x/a.mp4", "mime_type": "video/mp4"},
        ),
        ({"type": "audio", "file_id": "file-3"}, {"type": "file", "modality": "audio", "file_id": "file-3"}),
        (
            {"type": "file", "base64": "JVBE", "mime_type": "application/pdf"},
            {"type": "blob", "modality": "document", "content": "JVBE", "mime_type": "application/pdf"},
        ),
        (  # LangChain's, of version 0.3
            {"type": "image", "source_type": "base64", "data": "AAAA", "mime_type": "image/png"},
            {"type": "blob", "modality": "image", "content": "AAAA", "mime_type": "image/png"},
        ),
        (
            {"type": "image", "source_type": "url", "url": "https://x/a.png"},
            {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
        ),
        (
            {"type": "file", "source_type": "id", "id": "file-4"},
            {"type": "file", "modality": "document", "file_id": "file-4"},
        ),
        (  # Anthropic's
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "blob", "modality": "image", "content": "AAAA", "mime_type": "image/png"},
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
            {"type": "uri", "modality": "document", "uri": "https://x/a.pdf"},
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
        ),
        ({"type": "image", "n": 1}, {"type": "image", "n": 1}),
        (  # in our own form already
            {"type": "file", "modality": "image", "file_id": "file-5"},
            {"type": "file", "modality": "image", "file_id": "file-5"},
        ),
        ({"type": "input_audio", "input_audio": 5}, {"type": "input_audio", "input_audio": 5}),
        ({"type": "input_file", "filename": "a.pdf"}, {"type": "input_file", "filename": "a.pdf"}),
    ],
    ids=repr,
)
def test_media(part, read):
    assert read_part(part) == read


def test_texts():
    message = text_message("user", "Hi")
    assert message == {"role": "user", "parts": [text("Hi")]}
    call = {"role": "assistant", "parts": [{"type": "tool_call", "name": "add"}, text("So.")]}
    assert texts_of([message, call]) == ["Hi", "So."]
    assert texts_of([]) == []
