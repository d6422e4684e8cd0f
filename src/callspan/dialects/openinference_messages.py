"""Messages as OpenInference writes them: every list flattened, its index in the name of the attribute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from callspan.dialects.contract import Attributes
from callspan.dialects.json_text import to_json
from callspan.dialects.values import as_text
from callspan.model.messages import Message, Part

# Kind of media: whether its MIME type has an attribute. The others tell it in a data URL.
_MEDIA: Final = {"image": False, "audio": True, "video": False, "document": True}
_KEPT: Final = ("id", "signature", "encrypted_content", "data")


def add_messages(told: Attributes, prefix: str, messages: Sequence[Message]) -> None:
    """Add the attributes of a list of messages.

    >>> told = {}
    >>> add_messages(told, "llm.input_messages", [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}])
    >>> told
    {'llm.input_messages.0.message.role': 'user', 'llm.input_messages.0.message.content': 'Hi'}
    """
    for index, message in enumerate(messages):
        _add_message(told, f"{prefix}.{index}.message", message)


def _add_message(told: Attributes, prefix: str, message: Message) -> None:
    told[f"{prefix}.role"] = message["role"]
    if "name" in message:
        told[f"{prefix}.name"] = message["name"]
    contents: list[Part] = []
    calls = 0
    for part in message["parts"]:
        kind = part.get("type")
        if kind == "tool_call":
            _add_tool_call(told, f"{prefix}.tool_calls.{calls}.tool_call", part)
            calls += 1
            continue
        if kind == "tool_call_response" and isinstance(part.get("id"), str):
            # A message has room for one ID; where a provider answers several calls in one, it is that of the first.
            told.setdefault(f"{prefix}.tool_call_id", part["id"])
        contents.append(part)
    if len(contents) == 1 and contents[0].get("type") in ("text", "tool_call_response"):
        told[f"{prefix}.content"] = _text_of(contents[0])
        return
    for index, part in enumerate(contents):
        _add_content(told, f"{prefix}.contents.{index}.message_content", part)


def _add_tool_call(told: Attributes, prefix: str, part: Part) -> None:
    if isinstance(part.get("id"), str):
        told[f"{prefix}.id"] = part["id"]
    told[f"{prefix}.function.name"] = str(part.get("name", "unknown"))
    if "arguments" in part:
        told[f"{prefix}.function.arguments"] = as_text(part["arguments"])


def _add_content(told: Attributes, prefix: str, part: Part) -> None:
    kind = part.get("type")
    if isinstance(part.get("modality"), str):
        _add_media(told, prefix, part)
        return
    told[f"{prefix}.type"] = "text" if kind == "tool_call_response" else str(kind)
    told[f"{prefix}.text"] = _text_of(part)
    if kind == "reasoning":
        for key in _KEPT:
            if isinstance(part.get(key), str):
                told[f"{prefix}.{key}"] = part[key]


def _add_media(told: Attributes, prefix: str, part: Part) -> None:
    kind = part["modality"] if part["modality"] in _MEDIA else "document"
    told[f"{prefix}.type"] = kind
    identity = part.get("file_id", part.get("id"))
    if isinstance(identity, str):
        told[f"{prefix}.id"] = identity
    url = _url(part)
    if url:
        told[f"{prefix}.{kind}.{kind}.url"] = url
    if _MEDIA[kind] and isinstance(part.get("mime_type"), str):
        told[f"{prefix}.{kind}.{kind}.mime_type"] = part["mime_type"]
    if kind == "audio" and isinstance(part.get("transcript"), str):
        told[f"{prefix}.audio.audio.transcript"] = part["transcript"]


def _url(part: Part) -> str | None:
    if isinstance(part.get("uri"), str):
        return str(part["uri"])
    data = part.get("content", part.get("data"))
    if isinstance(data, str):
        return f"data:{part.get('mime_type') or 'application/octet-stream'};base64,{data}"
    return None


def _text_of(part: Part) -> str:
    for key in ("content", "response"):
        if key in part:
            return as_text(part[key])
    return to_json({key: value for key, value in part.items() if key != "type"})
