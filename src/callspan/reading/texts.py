"""What people read of a record: messages, documents and values as plain texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

Tree = dict[str, Any]


def messages_of(record: SpanRecord, side: str) -> list[tuple[str, str]]:
    """Return role and text of what went "in" to a model or came "out"; instructions come first, as `system`."""
    if side == "out":
        return [*_told(record.output_messages or ())]
    instructions = [("system", part_text(part)) for part in record.system_instructions or ()]
    return [*instructions, *_told(record.input_messages or ())]


def _told(messages: Iterable[Tree]) -> Iterable[tuple[str, str]]:
    for message in messages:
        parts = message.get("parts")
        texts = [part_text(part) for part in parts] if isinstance(parts, list) else []
        yield str(message.get("role") or "message"), joined(*texts)


def text_of(record: SpanRecord, side: str) -> str:
    """Return what went "in" to a call or came "out" as one text: messages, else query or documents, else the value."""
    messages = messages_of(record, side)
    if messages:
        return "\n\n".join(f"{role}: {text}" if side == "in" else text for role, text in messages)
    if side == "in":
        embedded = [show(one["text"]) for one in record.embeddings or () if one.get("text")]
        return record.query or joined(*embedded) or ("" if record.input is None else show(record.input))
    if record.documents:
        return "\n".join(document_text(document) for document in record.documents)
    return "" if record.output is None else show(whole(record.output, record.chunk_count))


def whole(output: Any, chunk_count: int | None) -> Any:
    """Return the pieces of a streamed text as that text, and anything else as it is.

    >>> whole(["Sock", "rates"], 2), whole(["a", "b"], None)
    ('Sockrates', ['a', 'b'])
    """
    if chunk_count is None or not isinstance(output, list):
        return output
    return "".join(output) if output and all(isinstance(piece, str) for piece in output) else output


def part_text(part: object) -> str:
    """Return what a part of a message says; data in it is named and measured, not shown."""
    if not isinstance(part, dict):
        return show(part)
    kind = part.get("type")
    if kind in ("text", "reasoning", "refusal"):
        return show(part.get("content"))
    if kind == "tool_call":
        return f"{part.get('name')}({show(part.get('arguments', ''))})"
    if kind == "tool_call_response":
        return show(part.get("response"))
    if kind == "blob":
        named = part.get("mime_type") or part.get("modality")
        return f"[{named}, {len(str(part.get('content'))) * 3 // 4:,} bytes]"
    if kind in ("uri", "file"):
        return f"[{part.get('modality')}: {part.get('uri') or part.get('file_id')}]"
    return show(part)


def document_text(document: Tree) -> str:
    """Return a document as a line of facts and its text."""
    facts = [f"score {document['score']:.4g}"] if isinstance(document.get("score"), int | float) else []
    facts += [str(document["id"])] if document.get("id") else []
    facts += [pairs(document["metadata"])] if document.get("metadata") else []
    return joined("  ".join(facts), show(document.get("content", "")))


def show(value: object) -> str:
    """Write a value: texts as they are, anything else as JSON, over several lines when one would be long."""
    if isinstance(value, str):
        return value
    try:
        line = json.dumps(value, ensure_ascii=False, default=str)
        return line if len(line) <= 100 else json.dumps(value, ensure_ascii=False, default=str, indent=2)
    except RecursionError:
        return "nested too deeply to show"


def pairs(value: object) -> str:
    """Write a small dictionary or list without brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={_flat(item)}" for key, item in value.items())
    return ", ".join(_flat(item) for item in value) if isinstance(value, list) else _flat(value)


def _flat(value: object) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "nested too deeply to show"


def joined(*texts: str) -> str:
    """Put the texts that are not empty on lines of their own."""
    return "\n".join(text for text in texts if text)
