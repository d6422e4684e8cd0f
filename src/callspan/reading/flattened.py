"""OpenInference's flattened lists: `llm.input_messages.0.message.role` and the like, back to messages and documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from callspan.reading.attributes import Attributes, as_mapping, as_number, as_text
from callspan.reading.parse import opened, parsed

T = TypeVar("T")
Tree = dict[str, Any]
_VALUE: Final = ""  # where a leaf stands that has names below it too
_WORDS: Final = ("text", "reasoning", "refusal")  # parts whose text is never JSON
_MEDIA: Final = ("image", "audio", "video", "document")
_UNTOLD_TYPES: Final = ("", "application/octet-stream")  # of a data URL whose type nobody knew


def nest(flat: Tree) -> Tree:
    """Turn dotted names into nested dictionaries.

    >>> nest({"0.message.role": "user", "0.message.content": "Hi"})
    {'0': {'message': {'role': 'user', 'content': 'Hi'}}}
    """
    root: Tree = {}
    for name, value in flat.items():
        *path, leaf = name.split(".")
        node = root
        for step in path:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {} if inner is None else {_VALUE: inner}
            node = inner
        if isinstance(node.get(leaf), dict):
            node[leaf][_VALUE] = value
        else:
            node[leaf] = value
    return root


def items(tree: object, wrapper: str) -> list[Tree]:
    """Return what stands under the numbers of a nested list, in their order, without the `wrapper` around each."""
    if not isinstance(tree, dict):
        return []
    numbers = sorted((key for key in tree if key.isdecimal()), key=lambda key: (len(key), key))
    return [inner for number in numbers if isinstance(inner := _unwrapped(tree[number], wrapper), dict)]


def _unwrapped(value: object, wrapper: str) -> object:
    return value.get(wrapper, value) if isinstance(value, dict) else None


def take_list(attributes: Attributes, name: str, wrapper: str, read: Callable[[Tree], T | None]) -> list[T] | None:
    """Take a flattened list and read each of its items; None when there is none."""
    flat = attributes.under(name + ".")
    if not flat:
        return None
    return [item for tree in items(nest(flat), wrapper) if (item := read(tree)) is not None]


def read_message(tree: Tree) -> Tree:
    """Read one message, with the parts in the order contents, tool calls.

    >>> read_message({"role": "user", "content": "Hi"})
    {'role': 'user', 'parts': [{'type': 'text', 'content': 'Hi'}]}
    """
    role, name = as_text(tree.get("role")) or "user", as_text(tree.get("name"))
    parts = [_read_content(part) for part in items(tree.get("contents"), "message_content")]
    if tree.get("content") not in (None, ""):
        parts.insert(0, {"type": "text", "content": tree["content"]})
    call_id = as_text(tree.get("tool_call_id"))
    if call_id is not None or role == "tool":
        parts = [_answer(part, call_id if index == 0 else None) for index, part in enumerate(parts)]
    parts += [_read_call(call) for call in items(tree.get("tool_calls"), "tool_call")]
    if isinstance(tree.get("function_call_name"), str):
        legacy = {"name": tree["function_call_name"], "arguments": tree.get("function_call_arguments_json")}
        parts.append(_read_call({"function": legacy}))
    return {"role": role, "parts": parts, **({"name": name} if name else {})}


def _answer(part: Tree, call_id: str | None) -> Tree:
    if part["type"] != "text":
        return part
    answer = {"type": "tool_call_response", "response": opened(part["content"])}
    return {**answer, "id": call_id} if call_id else answer


def _read_content(part: Tree) -> Tree:
    kind, text = as_text(part.get("type")) or "text", part.get("text")
    if kind in _MEDIA:
        return _read_media(part, kind)
    rest = {key: value for key, value in part.items() if key not in ("type", "text")}
    if text is None:
        return {"type": kind, **rest}
    told = text if kind in _WORDS else opened(text)
    return {"type": kind, **(told if isinstance(told, dict) else {"content": told}), **rest}


def _read_media(part: Tree, modality: str) -> Tree:
    holder = part.get(modality)
    media = holder.get(modality) if isinstance(holder, dict) else None
    media = dict(media) if isinstance(media, dict) else {}
    url, identity = as_text(media.pop("url", None)), as_text(part.get("id"))
    told = {"modality": modality, **({"id": identity} if identity else {}), **media}
    if url is None:
        is_file = identity is not None and not media
        return {"type": "file", "modality": modality, "file_id": identity} if is_file else {"type": modality, **told}
    if not url.startswith("data:"):
        return {"type": "uri", **told, "uri": url}
    head, _, body = url.partition(",")
    mime = head[5:].partition(";")[0]
    return {"type": "blob", **told, **({"mime_type": mime} if mime not in _UNTOLD_TYPES else {}), "content": body}


def _read_call(call: Tree) -> Tree:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    part: Tree = {"type": "tool_call", "name": as_text(function.get("name")) or "unknown"}
    identity = as_text(call.get("id"))
    if identity:
        part["id"] = identity
    if "arguments" in function:
        part["arguments"] = opened(function["arguments"])
    return part


def read_document(tree: Tree) -> Tree | None:
    """Read one document of a retriever or reranker."""
    document: Tree = {}
    identity, score = as_text(tree.get("id")), as_number(tree.get("score"))
    if identity is not None:
        document["id"] = identity
    if isinstance(tree.get("content"), str):
        document["content"] = tree["content"]
    if score is not None:
        document["score"] = score
    metadata = as_mapping(tree.get("metadata"))
    if metadata:
        document["metadata"] = metadata
    return document or None


def read_embedding(tree: Tree) -> Tree | None:
    """Read one embedded text with its vector."""
    embedding: Tree = {}
    if isinstance(tree.get("text"), str):
        embedding["text"] = tree["text"]
    vector = parsed(tree.get("vector"))
    if isinstance(vector, list):
        embedding["vector"] = vector
    return embedding or None


def read_tool(tree: Tree) -> Tree | None:
    """Read one tool that was offered to a model: its definition, without the envelope OpenAI puts around it."""
    schema = as_mapping(tree.get("json_schema"))
    if schema is None:
        return None
    function = schema.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else schema
