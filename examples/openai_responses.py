"""The Responses API and moderation for `openai_api.py`: texts and function calls, whole or as events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import word_model

Json = dict[str, Any]


def respond(request: Json) -> Json | Iterator[Json]:
    """POST /v1/responses: one object, or with `stream` its events."""
    messages = _messages(request)
    output = _output(request, messages)
    pieces = word_model.tokens(_text_of(output))
    limit = request.get("max_output_tokens")
    is_cut = limit is not None and len(pieces) > limit
    if is_cut:
        output[0]["content"][0]["text"] = "".join(pieces[:limit])
    prompt = sum(len(word_model.tokens(word_model.text_of(message))) for message in messages)
    count = min(len(pieces), limit or len(pieces))
    response = {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "error": None,
        "model": request.get("model"),
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": request.get("tools") or [],
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": count,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + count,
        },
    }
    return _events(response) if request.get("stream") else response


def _messages(request: Json) -> list[Json]:
    given = request.get("input")
    asked = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or [])
    return [{"role": "system", "content": request["instructions"]}, *asked] if request.get("instructions") else asked


def _output(request: Json, messages: list[Json]) -> list[Json]:
    tools = [{"type": "function", "function": tool} for tool in request.get("tools") or []]
    chats = [message for message in messages if "role" in message]
    functions = word_model.tools_that_fit(chats, tools, request.get("tool_choice"))
    if functions:
        return [_call(function, chats) for function in functions]
    (text,) = word_model.answers(chats, 1)
    part = {"type": "output_text", "text": text, "annotations": []}
    return [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}]


def _call(function: Json, messages: list[Json]) -> Json:
    arguments = json.dumps(word_model.arguments_for(function, messages), ensure_ascii=False)
    name = function["name"]
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": arguments}


def _text_of(output: list[Json]) -> str:
    first = output[0]
    return first["content"][0]["text"] if first["type"] == "message" else first["arguments"]


def _events(response: Json) -> Iterator[Json]:
    started = {**response, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": started}]
    for index, item in enumerate(response["output"]):
        is_text = item["type"] == "message"
        kind = "response.output_text.delta" if is_text else "response.function_call_arguments.delta"
        place = {"output_index": index, "item_id": item["id"], **({"content_index": 0} if is_text else {})}
        empty = {**item, **({"content": []} if is_text else {"arguments": ""})}
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        if is_text:
            part = {**item["content"][0], "text": ""}
            events.append({"type": "response.content_part.added", **place, "part": part})
        events += [{"type": kind, **place, "delta": piece} for piece in word_model.tokens(_text_of([item]))]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": f"response.{response['status']}", "response": response})
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def moderate(request: Json) -> Json:
    """POST /v1/moderations: whatever speaks of hate is flagged."""
    given = request.get("input")
    texts = given if isinstance(given, list) else [given]
    results = [
        {"flagged": "hate" in str(text), "categories": {"hate": "hate" in str(text)}, "category_scores": {"hate": 0.5}}
        for text in texts
    ]
    return {"id": f"modr-{uuid.uuid4().hex}", "model": request.get("model") or "moderation", "results": results}
