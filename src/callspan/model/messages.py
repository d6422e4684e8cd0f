"""Chat messages as the GenAI conventions write them: a role and a list of parts.

`read_messages` turns what callers and providers pass around (OpenAI's shapes, plain texts, the dumps of LangChain's
messages) into that form. It works on plain data only and never fails: a part it does not know is kept as a generic one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypedDict

Part = dict[str, Any]
"""One part of a message: `{"type": "text", "content": …}`, `tool_call`, `tool_call_response`, `reasoning`, `uri`,
`blob`, `file`, or a generic one with a `type` of its own. The required fields are those of the GenAI schemas.
"""


class Message(TypedDict, total=False):
    """One message. `role` and `parts` are always there; `finish_reason` only on messages that a model wrote."""

    role: str
    parts: list[Part]
    name: str
    finish_reason: str


_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "developer": "system",
    "function": "tool",
    "model": "assistant",
}
_ANSWERS_OF_TOOLS: Final = ("tool", "function")
_TELLING: Final = frozenset(  # what makes more parts of a message than its content
    "parts reasoning_content reasoning tool_call_id refusal audio tool_calls function_call".split()  # noqa: SIM905
)
_MEDIA: Final = {  # OpenAI's words, then those of LangChain and Anthropic
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "input_file": "document",
    "file": "document",
    "image": "image",
    "audio": "audio",
    "video": "video",
    "document": "document",
}


def read_messages(tree: object) -> list[Message] | None:
    """Read a conversation; None when `tree` is not a list of message-shaped dictionaries.

    >>> read_messages([{"role": "user", "content": "Hi"}])
    [{'role': 'user', 'parts': [{'type': 'text', 'content': 'Hi'}]}]
    """
    if not isinstance(tree, list) or not tree:
        return None
    messages: list[Message] = []
    for item in tree:
        if type(item) is dict and len(item) == 2:  # most are, and are spared a call
            role, content = item.get("role"), item.get("content")
            if type(content) is str and content and type(role) is str and role not in _ANSWERS_OF_TOOLS:
                messages.append({"role": _ROLES.get(role, role), "parts": [{"type": "text", "content": content}]})
                continue
        message = read_message(item)
        if message is None:
            return None
        messages.append(message)
    return messages


def read_message(tree: object) -> Message | None:
    """Read one message; None when `tree` has neither a role nor a type that names one."""
    if not isinstance(tree, dict):
        return None
    role, content = tree.get("role"), tree.get("content")
    is_plain = type(content) is str and content and type(role) is str and role not in _ANSWERS_OF_TOOLS
    if is_plain and _TELLING.isdisjoint(tree):  # most are, and are spared the questions below
        return _named(text_message(_ROLES.get(role, role), content), tree)  # type: ignore[arg-type]
    if not isinstance(role, str):
        role = tree.get("type")
        if not isinstance(role, str) or (role not in _ROLES and role not in ("system", "user", "assistant", "tool")):
            return None
    if not ("content" in tree or "parts" in tree or "tool_calls" in tree or "function_call" in tree):
        return None
    return _named({"role": _ROLES.get(role, role), "parts": list(_parts_of(tree))}, tree)


def _named(message: Message, tree: dict[str, Any]) -> Message:
    if isinstance(tree.get("name"), str):
        message["name"] = tree["name"]
    if isinstance(tree.get("finish_reason"), str):
        message["finish_reason"] = tree["finish_reason"]
    return message


def text_message(role: str, text: str) -> Message:
    """Make a message of one text part."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def texts_of(messages: Iterable[Message]) -> list[str]:
    """Return every text of the messages, in order."""
    parts = (part for message in messages for part in message["parts"])
    return [part["content"] for part in parts if isinstance(part.get("content"), str)]


def _parts_of(tree: dict[str, Any]) -> Iterable[Part]:
    role, content = tree.get("role"), tree.get("content")
    parts = tree.get("parts")
    if isinstance(parts, list):
        yield from (read_part(part) for part in parts)
    reasoning = tree.get("reasoning_content") or tree.get("reasoning")
    if isinstance(reasoning, str) and reasoning:
        yield {"type": "reasoning", "content": reasoning}
    if role in _ANSWERS_OF_TOOLS or tree.get("tool_call_id") is not None:
        yield _tool_response(tree, content)
    elif isinstance(content, str):
        if content:
            yield {"type": "text", "content": content}
    elif isinstance(content, list):
        yield from (read_part(part) for part in content)
    elif content is not None:
        yield {"type": "text", "content": json.dumps(content, ensure_ascii=False, default=str)}
    if isinstance(tree.get("refusal"), str):
        yield {"type": "refusal", "content": tree["refusal"]}
    if isinstance(tree.get("audio"), dict):
        yield _audio_answer(tree["audio"])
    yield from _tool_calls(tree)


def _tool_response(tree: dict[str, Any], content: object) -> Part:
    part: Part = {"type": "tool_call_response", "response": content}
    if isinstance(tree.get("tool_call_id"), str):
        part["id"] = tree["tool_call_id"]
    return part


def _tool_calls(tree: dict[str, Any]) -> Iterable[Part]:
    calls = tree.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            if isinstance(call, dict):
                yield read_tool_call(call)
    legacy = tree.get("function_call")
    if isinstance(legacy, dict):
        yield read_tool_call({"function": legacy})


def read_tool_call(call: dict[str, Any]) -> Part:
    """Read a tool call of OpenAI's (`function: {name, arguments}`) or LangChain's (`name`, `args`) shape."""
    nested = call.get("function", call.get("custom"))
    function: dict[str, Any] = nested if isinstance(nested, dict) else call
    arguments = function.get("arguments", function.get("args", function.get("input")))
    part: Part = {"type": "tool_call", "name": str(function.get("name") or "unknown")}
    identity = call.get("id") or call.get("call_id")
    if isinstance(identity, str):
        part["id"] = identity
    if arguments is not None:
        part["arguments"] = parse_json(arguments)
    return part


def parse_json(value: object) -> object:
    """Return the data that a JSON text holds; the value itself when it is no text, or not JSON."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def read_part(part: object) -> Part:
    """Read one content part."""
    if isinstance(part, str):
        return {"type": "text", "content": part}
    if not isinstance(part, dict):
        return {"type": "unknown", "content": part}
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text") or (kind is None and isinstance(part.get("text"), str)):
        return {"type": "text", "content": _text(part.get("text", part.get("content", "")))}
    if kind == "refusal":
        return {"type": "refusal", "content": part.get("refusal", "")}
    if kind in ("thinking", "reasoning") and isinstance(part.get(str(kind), part.get("text")), str):
        return {"type": "reasoning", "content": part.get(str(kind), part.get("text"))}
    if isinstance(kind, str) and kind in _MEDIA and "modality" not in part:
        return _media(part, _MEDIA[kind])
    return {**part, "type": kind if isinstance(kind, str) else "unknown"}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _media(part: dict[str, Any], modality: str) -> Part:
    kind = str(part.get("type"))
    source = part.get(kind.removeprefix("input_"), part.get(kind, part.get("source", part)))
    if isinstance(source, str):
        source = {"url": source}
    if not isinstance(source, dict):
        source = part
    told = _mime_type(source, modality)
    url = source.get("url", source.get("image_url"))
    if isinstance(url, str):
        if url.startswith("data:"):
            return _data_url(url, modality)
        return {"type": "uri", "modality": modality, "uri": url, **told}
    identity = source.get("file_id", part.get("file_id"))
    if source.get("source_type") == "id":
        identity = source.get("id")
    if isinstance(identity, str):
        return {"type": "file", "modality": modality, "file_id": identity, **told}
    data = source.get("data", source.get("file_data", source.get("base64")))
    if isinstance(data, str) and source.get("type") != "text":
        if data.startswith("data:"):
            return _data_url(data, modality)
        return {"type": "blob", "modality": modality, "content": data, **told}
    return {**part, "type": kind}


def _mime_type(source: dict[str, Any], modality: str) -> Part:
    for name in ("mime_type", "media_type"):
        if isinstance(source.get(name), str):
            return {"mime_type": source[name]}
    return {"mime_type": f"{modality}/{source['format']}"} if isinstance(source.get("format"), str) else {}


def _data_url(url: str, modality: str) -> Part:
    head, _, body = url.partition(",")
    mime = head[5:].partition(";")[0]
    return {"type": "blob", "modality": modality, "content": body, **({"mime_type": mime} if mime else {})}


def _audio_answer(audio: dict[str, Any]) -> Part:
    part: Part = {"type": "audio", "modality": "audio"}
    for key in ("id", "transcript", "data"):
        if isinstance(audio.get(key), str):
            part[key] = audio[key]
    return part
