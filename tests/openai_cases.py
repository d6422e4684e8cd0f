"""One case for every endpoint that asks a model: how it is asked, what comes back, and what a span is to say of it.

The requests and answers are written after the provider's reference; what is expected is written by hand.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from openai_mock import HELLO, chunk, completion

PNG = base64.b64encode(b"\x89PNG not really").decode()
VECTOR = [0.5, -0.25, 1.0]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CHAT_TOOL = {"type": "function", "function": {name: value for name, value in WEATHER.items() if name != "type"}}


class Case(NamedTuple):
    """How an endpoint is asked: `resource` finds it in a client, `asked` are its arguments.

    `answer` is a tree or bytes, `events` the same answer in pieces, `facts` what the span says, by the record's names;
    `partly` what it says when only the first half of the events came.
    """

    name: str
    resource: Callable[[Any], Any]
    asked: dict[str, Any]
    path: str
    answer: Any
    facts: dict[str, Any]
    events: list[Any] | None = None
    streamed: dict[str, Any] = {}  # noqa: RUF012 - never written to; the arguments for a stream
    partly: dict[str, Any] = {}  # noqa: RUF012
    method: str = "create"
    content_type: str = "application/json"


def said(text: str, reason: str | None = None) -> list[dict[str, Any]]:
    """Return the message of an answer of one text."""
    message: dict[str, Any] = {"role": "assistant", "parts": [{"type": "text", "content": text}]}
    return [{**message, "finish_reason": reason} if reason else message]


def asked(text: str) -> list[dict[str, Any]]:
    """Return the message of a request of one text."""
    return [{"role": "user", "parts": [{"type": "text", "content": text}]}]


# -- the Responses API -------------------------------------------------------------------------------------------------


def response(*output: Any, **changes: Any) -> dict[str, Any]:
    """Return a response."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000.0,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": "Be brief.",
        "metadata": {},
        "model": "gpt-4.1-mini-2025-04-14",
        "output": [*output],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "service_tier": "default",
        "usage": {
            "input_tokens": 20,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 26,
        },
        **changes,
    }


def output_text(text: str, **changes: Any) -> dict[str, Any]:
    """Return a message among the output of a response."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **changes,
    }


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Think."}]}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city": "Rome"}',
    "status": "completed",
}
RESPONSE = response(REASONING, output_text("Hi there"), CALL)
RESPONSE_PARTS = [
    {"type": "reasoning", "content": "Think.", "id": "rs_1"},
    {"type": "text", "content": "Hi there"},
    {"type": "tool_call", "name": "weather", "arguments": {"city": "Rome"}, "id": "call_1"},
]


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """Number events as the provider does."""
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _delta(kind: str, index: int, delta: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "item_id": "x", "delta": delta, **more}


def _item(kind: str, index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": item}


EMPTY = {"status": "in_progress", "output": [], "usage": None}
RESPONSE_EVENTS = numbered(
    {"type": "response.created", "response": response(**EMPTY)},
    {"type": "response.in_progress", "response": response(**EMPTY)},
    _item("added", 0, {**REASONING, "summary": []}),
    _delta("reasoning_summary_text", 0, "Thi", summary_index=0),
    _delta("reasoning_summary_text", 0, "nk.", summary_index=0),
    _item("done", 0, REASONING),
    _item("added", 1, output_text("", content=[])),
    {
        "type": "response.content_part.added",
        "output_index": 1,
        "content_index": 0,
        "item_id": "msg_1",
        "part": {"type": "output_text", "text": "", "annotations": []},
    },
    _delta("output_text", 1, "Hi", content_index=0, logprobs=[]),
    # half of the answer
    _delta("output_text", 1, " there", content_index=0, logprobs=[]),
    _item("done", 1, output_text("Hi there")),
    _item("added", 2, {**CALL, "arguments": ""}),
    _delta("function_call_arguments", 2, '{"city": '),
    _delta("function_call_arguments", 2, '"Rome"}'),
    _item("done", 2, CALL),
    {"type": "response.completed", "response": RESPONSE},
)
_RESPONSE_FACTS = {
    "kind": "llm",
    "operation": "chat",
    "system_instructions": [{"type": "text", "content": "Be brief."}],
    "input_messages": asked("Hello"),
    "output_messages": [{"role": "assistant", "parts": RESPONSE_PARTS, "finish_reason": "tool_calls"}],
    "usage": {
        "input_tokens": 20,
        "output_tokens": 6,
        "total_tokens": 26,
        "cache_read_tokens": 4,
        "reasoning_tokens": 2,
    },
    "response": {
        "id": "resp_1",
        "model": "gpt-4.1-mini-2025-04-14",
        "service_tier": "default",
        "status": "completed",
        "finish_reasons": ["tool_calls"],
        "request_id": "req_1",
    },
    "request": {
        "model": "gpt-4.1-mini",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "reasoning_level": "low",
        "output_type": "text",
        "api_type": "responses",
        "previous_response_id": "resp_0",
        "text": {"format": {"type": "text"}},
        "reasoning": {"effort": "low", "summary": "auto"},
    },
}

# -- chat and what came before -----------------------------------------------------------------------------------------

_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 1, "cache_write_tokens": 2},
    "completion_tokens_details": {
        "reasoning_tokens": 3,
        "audio_tokens": 1,
        "accepted_prediction_tokens": 1,
        "rejected_prediction_tokens": 0,
    },
}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
_CHAT_CHOICES = [
    {
        "index": 0,
        "finish_reason": "stop",
        "logprobs": {
            "content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}],
            "refusal": None,
        },
        "message": {"role": "assistant", "content": "Hi there", "refusal": None},
    },
    {
        "index": 1,
        "finish_reason": "tool_calls",
        "logprobs": None,
        "message": {"role": "assistant", "content": None, "refusal": None, "tool_calls": [_CALL]},
    },
]
_LOGPROBS = _CHAT_CHOICES[0]["logprobs"]


def _choice(index: int, delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
    return chunk(
        choices=[{"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}],
        service_tier="default",
    )


CHAT_CHUNKS = [
    _choice(0, {"role": "assistant", "content": "", "refusal": None}),
    _choice(0, {"content": "Hi"}, logprobs=_LOGPROBS),
    _choice(1, {"role": "assistant", "content": None}),
    _choice(1, {"tool_calls": [{"index": 0, **_CALL, "function": {"name": "weather", "arguments": ""}}]}),
    # half of the answer
    _choice(1, {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
    _choice(0, {"content": " there"}),
    _choice(1, {"tool_calls": [{"index": 0, "function": {"arguments": '"Rome"}'}}]}),
    _choice(0, {}, "stop"),
    _choice(1, {}, "tool_calls"),
    chunk(choices=[], usage=_USAGE, service_tier="default"),
]
_TOOL_CALL = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Rome"}}
_CHAT_FACTS = {
    "kind": "llm",
    "operation": "chat",
    "input_messages": [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Hello"},
                {"type": "uri", "modality": "image", "uri": "https://x.example/a.png"},
                {"type": "blob", "modality": "audio", "content": "AAAA", "mime_type": "audio/wav"},
                {"type": "file", "modality": "document", "file_id": "file-1"},
            ],
        },
        {"role": "assistant", "parts": [_TOOL_CALL]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "Rain", "id": "call_1"}]},
    ],
    "output_messages": [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Hi there"}],
            "finish_reason": "stop",
            "logprobs": [{"token": "Hi", "logprob": -0.5}],
        },
        {"role": "assistant", "parts": [_TOOL_CALL], "finish_reason": "tool_calls"},
    ],
    "tool_definitions": [CHAT_TOOL],
    "usage": {
        "input_tokens": 12,
        "output_tokens": 5,
        "total_tokens": 17,
        "cache_read_tokens": 8,
        "cache_write_tokens": 2,
        "reasoning_tokens": 3,
        "audio_input_tokens": 1,
        "audio_output_tokens": 1,
        "accepted_prediction_tokens": 1,
        "rejected_prediction_tokens": 0,
    },
    "response": {
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "finish_reasons": ["stop", "tool_calls"],
        "request_id": "req_1",
    },
    "request": {
        "model": "gpt-4o-mini",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop_sequences": ["END"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "seed": 7,
        "choice_count": 2,
        "service_tier": "flex",
        "reasoning_level": "low",
        "output_type": "json",
        "api_type": "chat_completions",
        "logprobs": True,
        "user": "u-1",
        "response_format": {"type": "json_object"},
    },
}


def _text_chunk(text: str, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"text": text, "index": index, "logprobs": None, "finish_reason": finish}],
        **more,
    }


CASES = [
    Case(
        "chat",
        lambda client: client.chat.completions,
        {
            "model": "gpt-4o-mini",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Hello"},
                        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                        {"type": "file", "file": {"file_id": "file-1"}},
                    ],
                },
                {"role": "assistant", "content": None, "tool_calls": [_CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
            ],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 100,
            "stop": "END",
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "seed": 7,
            "n": 2,
            "tools": [CHAT_TOOL],
            "service_tier": "flex",
            "logprobs": True,
            "user": "u-1",
            "response_format": {"type": "json_object"},
            "extra_body": {"reasoning_effort": "low"},
        },
        "/chat/completions",
        completion(choices=_CHAT_CHOICES, usage=_USAGE),
        _CHAT_FACTS,
        CHAT_CHUNKS,
        {"stream": True, "stream_options": {"include_usage": True}},
        {
            "output_messages": [
                {
                    "role": "assistant",
                    "parts": [{"type": "text", "content": "Hi"}],
                    "logprobs": [{"token": "Hi", "logprob": -0.5}],
                },
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": ""}],
                },
            ],
            "usage": None,
        },
    ),
    Case(
        "responses",
        lambda client: client.responses,
        {
            "model": "gpt-4.1-mini",
            "input": "Hello",
            "instructions": "Be brief.",
            "temperature": 0.5,
            "top_p": 0.9,
            "max_output_tokens": 100,
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "text"}},
            "previous_response_id": "resp_0",
            "tools": [WEATHER],
        },
        "/responses",
        RESPONSE,
        {**_RESPONSE_FACTS, "tool_definitions": [WEATHER]},
        RESPONSE_EVENTS,
        {"stream": True},
        {
            "output_messages": [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "Think.", "id": "rs_1"},
                        {"type": "text", "content": "Hi"},
                    ],
                }
            ],
            "usage": None,
        },
    ),
    Case(
        "compact",
        lambda client: client.responses,
        {"model": "gpt-4.1-mini", "input": "Hello", "instructions": "Be brief."},
        "/responses/compact",
        {
            "id": "resp_2",
            "object": "response.compaction",
            "created_at": 1_700_000_000,
            "output": [{"type": "compaction", "id": "cm_1", "encrypted_content": "xxx"}],
            "usage": response()["usage"],
        },
        {
            "kind": "llm",
            "component": "compaction",
            "operation": "chat",
            "input_messages": asked("Hello"),
            "system_instructions": [{"type": "text", "content": "Be brief."}],
            "output_messages": [{"role": "assistant", "parts": [{"type": "compaction", "id": "cm_1"}]}],
            "usage": {
                "input_tokens": 20,
                "output_tokens": 6,
                "total_tokens": 26,
                "cache_read_tokens": 4,
                "reasoning_tokens": 2,
            },
            "response": {"id": "resp_2", "request_id": "req_1"},
            "request": {"model": "gpt-4.1-mini", "api_type": "responses"},
        },
        method="compact",
    ),
    Case(
        "decisions",
        lambda client: client.decisions,
        {
            "model": "gpt-6-luna",
            "input": "I love socks.",
            "questions": [{"type": "predicate", "name": "happy", "question": "Is the writer happy?"}],
        },
        "/decisions",
        {
            "model": "gpt-6-luna-2026-09-01",
            "answers": [{"type": "predicate", "name": "happy", "probability": 0.75}],
            "usage": {
                "input_tokens": 12,
                "input_tokens_details": {"cache_write_tokens": 3, "cached_tokens": 5},
                "output_tokens": 1,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 13,
            },
        },
        {
            "kind": "llm",
            "component": "decision",
            "operation": "generate_content",
            "input": {
                "input": "I love socks.",
                "questions": [{"type": "predicate", "name": "happy", "question": "Is the writer happy?"}],
            },
            "output": {
                "model": "gpt-6-luna-2026-09-01",
                "answers": [{"type": "predicate", "name": "happy", "probability": 0.75}],
                "usage": {
                    "input_tokens": 12,
                    "input_tokens_details": {"cache_write_tokens": 3, "cached_tokens": 5},
                    "output_tokens": 1,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": 13,
                },
            },
            "usage": {
                "input_tokens": 12,
                "output_tokens": 1,
                "total_tokens": 13,
                "cache_read_tokens": 5,
                "cache_write_tokens": 3,
                "reasoning_tokens": 0,
            },
            "response": {"model": "gpt-6-luna-2026-09-01", "request_id": "req_1"},
            "request": {"model": "gpt-6-luna"},
        },
    ),
    Case(
        "completions",
        lambda client: client.completions,
        {"model": "gpt-3.5-turbo-instruct", "prompt": ["One", "Two"], "max_tokens": 9, "best_of": 2},
        "/completions",
        {
            **_text_chunk("Hi there", finish="stop"),
            "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
        },
        {
            "kind": "llm",
            "operation": "text_completion",
            "input_messages": [*asked("One"), *asked("Two")],
            "output_messages": said("Hi there", "stop"),
            "usage": {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5},
            "response": {
                "id": "cmpl-1",
                "model": "gpt-3.5-turbo-instruct",
                "finish_reasons": ["stop"],
                "request_id": "req_1",
            },
            "request": {"model": "gpt-3.5-turbo-instruct", "max_tokens": 9, "best_of": 2},
        },
        [
            _text_chunk("Hi"),
            _text_chunk(" "),
            _text_chunk("there"),
            _text_chunk("", finish="stop", usage={"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}),
        ],
        {"stream": True},
        {"output_messages": said("Hi "), "usage": None},
    ),
    Case(
        "embeddings",
        lambda client: client.embeddings,
        {"model": "text-embedding-3-small", "input": ["One", "Two"], "dimensions": 3},
        "/embeddings",
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [{"object": "embedding", "index": index, "embedding": PACKED} for index in (0, 1)],
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        },
        {
            "kind": "embedding",
            "operation": "embeddings",
            "embeddings": [{"text": "One", "vector": VECTOR}, {"text": "Two", "vector": VECTOR}],
            "dimensions": 3,
            "usage": {"input_tokens": 4, "total_tokens": 4},
            "response": {"model": "text-embedding-3-small", "request_id": "req_1"},
            "request": {"model": "text-embedding-3-small", "encoding_formats": ["base64"]},
        },
    ),
    Case(
        "embeddings as numbers",
        lambda client: client.embeddings,
        {"model": "text-embedding-3-small", "input": "One", "encoding_format": "float"},
        "/embeddings",
        {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}]},
        {
            "kind": "embedding",
            "operation": "embeddings",
            "embeddings": [{"text": "One", "vector": VECTOR}],
            "dimensions": 3,
            "usage": None,
            "response": {"model": "m", "request_id": "req_1"},
            "request": {"model": "text-embedding-3-small", "encoding_formats": ["float"]},
        },
    ),
    Case(
        "images",
        lambda client: client.images,
        {"model": "gpt-image-1", "prompt": "A sock", "n": 2, "size": "1024x1024"},
        "/images/generations",
        {
            "created": 1_700_000_000,
            "output_format": "webp",
            "data": [{"b64_json": PNG, "revised_prompt": "A red sock"}, {"url": "https://x.example/b.png"}],
            "usage": {
                "input_tokens": 5,
                "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
                "output_tokens": 7,
                "output_tokens_details": {"text_tokens": 0, "image_tokens": 7},
                "total_tokens": 12,
            },
        },
        {
            "kind": "llm",
            "component": "image",
            "operation": "generate_content",
            "input_messages": asked("A sock"),
            "output_messages": [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "text", "content": "A red sock"},
                        {"type": "blob", "modality": "image", "mime_type": "image/webp", "content": PNG},
                        {"type": "uri", "modality": "image", "uri": "https://x.example/b.png"},
                    ],
                }
            ],
            "usage": {
                "input_tokens": 5,
                "output_tokens": 7,
                "total_tokens": 12,
                "text_input_tokens": 5,
                "text_output_tokens": 0,
                "image_input_tokens": 0,
                "image_output_tokens": 7,
            },
            "response": {"request_id": "req_1"},
            "request": {"model": "gpt-image-1", "choice_count": 2, "output_type": "image", "size": "1024x1024"},
        },
        [
            {
                "type": "image_generation.partial_image",
                "b64_json": "AAAA",
                "created_at": 1,
                "partial_image_index": 0,
                "output_format": "png",
            },
            {
                "type": "image_generation.completed",
                "b64_json": PNG,
                "created_at": 1,
                "output_format": "png",
                "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12},
            },
        ],
        {"stream": True, "partial_images": 1},
        {"output_messages": None, "usage": None},
        "generate",
    ),
    Case(
        "image edits",
        lambda client: client.images,
        {"model": "gpt-image-1", "prompt": "Greener", "image": ("sock.png", b"123", "image/png")},
        "/images/edits",
        {"created": 1, "data": [{"b64_json": PNG}]},
        {
            "kind": "llm",
            "component": "image",
            "operation": "generate_content",
            "input_messages": asked("Greener"),
            "output_messages": [
                {
                    "role": "assistant",
                    "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": PNG}],
                }
            ],
            "usage": None,
            "response": {"request_id": "req_1"},
            "request": {
                "model": "gpt-image-1",
                "output_type": "image",
                "files": [{"field": "image", "name": "sock.png", "bytes": 3}],
            },
        },
        method="edit",
    ),
    Case(
        "speech",
        lambda client: client.audio.speech,
        {"model": "tts-1", "voice": "alloy", "input": "Say this"},
        "/audio/speech",
        b"ID3 not really a song",
        {
            "kind": "llm",
            "component": "speech",
            "operation": "generate_content",
            "input_messages": asked("Say this"),
            "output_messages": None,
            "output": {"content_type": "audio/mpeg", "bytes": 21},
            "usage": None,
            "response": {"request_id": "req_1"},
            "request": {"model": "tts-1", "voice": "alloy", "output_type": "speech"},
        },
        content_type="audio/mpeg",
    ),
    Case(
        "transcriptions",
        lambda client: client.audio.transcriptions,
        {"model": "gpt-4o-transcribe", "file": ("a.wav", b"12345"), "prompt": "Names"},
        "/audio/transcriptions",
        {
            "text": "Hello world",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                "output_tokens": 3,
                "total_tokens": 17,
            },
        },
        {
            "kind": "llm",
            "component": "transcription",
            "operation": "generate_content",
            "input_messages": asked("Names"),
            "output_messages": said("Hello world"),
            "usage": {
                "input_tokens": 14,
                "output_tokens": 3,
                "total_tokens": 17,
                "audio_input_tokens": 14,
                "text_input_tokens": 0,
            },
            "response": {"request_id": "req_1"},
            "request": {
                "model": "gpt-4o-transcribe",
                "output_type": "text",
                "files": [{"field": "file", "name": "a.wav", "bytes": 5}],
            },
        },
        [
            {"type": "transcript.text.delta", "delta": "Hello"},
            {"type": "transcript.text.delta", "delta": " world"},
            {
                "type": "transcript.text.done",
                "text": "Hello world",
                "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17},
            },
        ],
        {"stream": True},
        {"output_messages": said("Hello"), "usage": None},
    ),
    Case(
        "translations",
        lambda client: client.audio.translations,
        {"model": "whisper-1", "file": ("a.wav", io.BytesIO(b"12345"))},
        "/audio/translations",
        {"text": "Hello world", "duration": 2.5},
        {
            "kind": "llm",
            "component": "translation",
            "operation": "generate_content",
            "input_messages": None,
            "output_messages": said("Hello world"),
            "usage": None,
            "response": {"request_id": "req_1"},
            "attributes": {"callspan.usage.audio_seconds": 2.5},
            "request": {
                "model": "whisper-1",
                "output_type": "text",
                "files": [{"field": "file", "name": "a.wav"}],
            },
        },
    ),
    Case(
        "moderations",
        lambda client: client.moderations,
        {"model": "omni-moderation-latest", "input": "I want to hug them."},
        "/moderations",
        {
            "id": "modr-1",
            "model": "omni-moderation-latest",
            "results": [{"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}],
        },
        {
            "kind": "guardrail",
            "component": "moderation",
            "operation": None,
            "input": "I want to hug them.",
            "output": [{"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}],
            "response": {"id": "modr-1", "model": "omni-moderation-latest", "request_id": "req_1"},
            "request": {"model": "omni-moderation-latest"},
        },
    ),
]
PLAIN_CHAT = {"model": "gpt-4o-mini", "messages": HELLO}
