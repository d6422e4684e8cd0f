"""The part of the OpenAI API that the examples use, as plain functions: a request's JSON in, its answer's JSON out.

Covers chat completions (streamed or not, several choices, tools, JSON answers, token limits), embeddings and the list
of models; Responses and moderation are in `openai_responses.py`. `openai_server.py` puts them on the network; what they
say is in `word_model.py`.
"""

from __future__ import annotations

import base64
import json
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import openai_responses
import word_model

Json = dict[str, Any]

MODELS = ("gpt-4o-mini", "gpt-4o", "text-embedding-3-small", "text-embedding-3-large")
DIMENSIONS = {"text-embedding-3-large": 3072}  # 1536 for every other model


class ApiError(Exception):
    """An answer other than 200, as OpenAI words it."""

    def __init__(self, status: int, message: str, *, code: str | None = None, headers: Json | None = None) -> None:
        """Hold the status, the body and further headers."""
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}


def complete(request: Json) -> Json | Iterator[Json]:
    """POST /v1/chat/completions: one object, or with `stream` its chunks."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "'messages' must be a list of at least one message.")
    choices = [_limited(choice, request) for choice in _choices(request, messages)]
    usage = _chat_usage(messages, choices)
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": _model(request),
        "system_fingerprint": "fp_word_model",
    }
    if request.get("stream"):
        wants_usage = (request.get("stream_options") or {}).get("include_usage")
        return _chunks(head | {"object": "chat.completion.chunk"}, choices, usage if wants_usage else None)
    return head | {"object": "chat.completion", "choices": choices, "usage": usage}


def _choices(request: Json, messages: list[Json]) -> list[Json]:
    functions = word_model.tools_that_fit(messages, request.get("tools") or [], request.get("tool_choice"))
    if functions:
        if request.get("parallel_tool_calls") is False:
            functions = functions[:1]
        calls = [_tool_call(function, messages) for function in functions]
        message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}
        return [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}]
    texts = word_model.answers(messages, request.get("n") or 1)
    return [
        {
            "index": index,
            "message": {"role": "assistant", "content": _formatted(text, request), "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        for index, text in enumerate(texts)
    ]


def _tool_call(function: Json, messages: list[Json]) -> Json:
    arguments = json.dumps(word_model.arguments_for(function, messages), ensure_ascii=False)
    called = {"name": function["name"], "arguments": arguments}
    return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": called}


def _formatted(text: str, request: Json) -> str:
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_object":
        return json.dumps({"answer": text}, ensure_ascii=False)
    if wanted.get("type") == "json_schema":
        return json.dumps(word_model.fill(wanted["json_schema"].get("schema") or {}, text, text), ensure_ascii=False)
    return text


def _limited(choice: Json, request: Json) -> Json:
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    pieces = word_model.tokens(choice["message"]["content"] or "")
    if limit is None or len(pieces) <= limit:
        return choice
    message = choice["message"] | {"content": "".join(pieces[:limit])}
    return choice | {"message": message, "finish_reason": "length"}


def _chat_usage(messages: list[Json], choices: list[Json]) -> Json:
    prompt = sum(len(word_model.tokens(word_model.text_of(message))) for message in messages)
    completion = sum(len(_pieces(choice["message"])) for choice in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _pieces(message: Json) -> list[Json]:
    """Return the changes that build a message up, one token each, after the one that opens it."""
    pieces: list[Json] = [{"content": token} for token in word_model.tokens(message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls", [])):
        opening = {"name": call["function"]["name"], "arguments": ""}
        pieces.append({"tool_calls": [{**call, "index": index, "function": opening}]})
        pieces += [
            {"tool_calls": [{"index": index, "function": {"arguments": token}}]}
            for token in word_model.tokens(call["function"]["arguments"])
        ]
    return pieces


def _chunks(head: Json, choices: list[Json], usage: Json | None) -> Iterator[Json]:
    no_usage = {} if usage is None else {"usage": None}
    for choice in choices:
        opening = {"role": "assistant", "content": "" if choice["message"]["content"] else None, "refusal": None}
        for delta in (opening, *_pieces(choice["message"])):
            part = {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": None}
            yield {**head, "choices": [part], **no_usage}
        end = {"index": choice["index"], "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"]}
        yield {**head, "choices": [end], **no_usage}
    if usage is not None:
        yield {**head, "choices": [], "usage": usage}


def embed(request: Json) -> Json:
    """POST /v1/embeddings: a vector per text; as base64, which the openai client asks for, or as numbers."""
    model = _model(request)
    dimensions = request.get("dimensions") or DIMENSIONS.get(model, 1536)
    encode = _as_base64 if request.get("encoding_format") == "base64" else list
    texts = _texts(request.get("input"))
    data = [
        {"object": "embedding", "index": index, "embedding": encode(word_model.embed(text, dimensions))}
        for index, text in enumerate(texts)
    ]
    count = sum(len(word_model.tokens(text)) for text in texts)
    return {"object": "list", "model": model, "data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}


def _texts(given: Any) -> list[str]:
    """Return the texts of an input: a text, a list of them, or token numbers in place of a text."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ApiError(400, "'input' must be a text or a list of at least one.")
    if isinstance(given[0], int):
        given = [given]
    return [item if isinstance(item, str) else " ".join(map(str, item)) for item in given]


def _as_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def list_models(_: Json) -> Json:
    """GET /v1/models."""
    owned = {"object": "model", "created": 0, "owned_by": "callspan-examples"}
    return {"object": "list", "data": [{"id": model, **owned} for model in MODELS]}


def _model(request: Json) -> str:
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "you must provide a model parameter")
    return model


def route_of(method: str, path: str) -> Callable[[Json], Json | Iterator[Json]]:
    """Return the function for a request; 404 where there is none."""
    routes: dict[str, Callable[[Json], Json | Iterator[Json]]] = {
        "POST /v1/chat/completions": complete,
        "POST /v1/responses": openai_responses.respond,
        "POST /v1/moderations": openai_responses.moderate,
        "POST /v1/embeddings": embed,
        "GET /v1/models": list_models,
    }
    route = routes.get(f"{method} {path.partition('?')[0]}")
    if route is None:
        raise ApiError(404, f"Invalid URL ({method} {path})")
    return route
