"""Replaces images, sounds and files in base64 by what they are: type, size and digest. Before anything else looks.

Where media stand as such (parts of messages) and where they stand as data URLs, anywhere in a span's content.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from callspan.model.facts import Facts
from callspan.model.span import Span

LEAST_CHARACTERS: Final = 256
_URL: Final = re.compile(
    r"data:([\w.+-]{1,64}/[\w.+-]{1,64})?((?:;[\w=.+-]{1,64}){0,4});base64,([A-Za-z0-9+/_=-]{256,}(?:<\d{1,18} more>)?)"
)
_CUT: Final = re.compile(r"<(\d{1,18}) more>\Z")
_MESSAGES: Final = ("input_messages", "output_messages")
_FREE: Final = (
    "input",
    "output",
    "extra",
    "system_instructions",
    "documents",
    "input_documents",
    "query",
    "metadata",
    "attributes",
)
_TYPES: Final = ("mime_type", "media_type", "mimeType", "format")
_IN_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{64}[A-Za-z0-9+/_\r\n-]{128}")


def replace_media(span: Span) -> None:
    """Replace media in base64 in the span's content; `facts.truncated` says how large the largest of a field was."""
    facts = span.facts
    assert facts is not None
    if 0 < span.size < LEAST_CHARACTERS:
        return
    for field in (*_MESSAGES, *_FREE):
        tree = getattr(facts, field)
        if tree:
            _note(facts, field, _replace(facts, field, tree))
    for prompt in facts.prompts:
        _note(facts, "prompts", _replace(prompt, "variables", prompt.variables))
    for embedded in facts.embeddings or ():
        if _may_hold(embedded.get("text")):
            _note(facts, "embeddings", _replace(embedded, "text", embedded["text"]))


def _note(facts: Facts, field: str, size: int) -> None:
    if size:
        facts.truncated[field] = max(facts.truncated.get(field, 0), size)


def _replace(holder: Any, key: Any, tree: Any) -> int:
    """Replace in place; return the size of the largest text that held media."""
    kind = type(tree)
    if kind is dict:
        name = _where(tree)
        content = tree.get(name)
        if name and type(content) is str and len(content) >= LEAST_CHARACTERS:
            told_type = next(filter(None, (tree.get(one) for one in (*_TYPES, "modality"))), None)
            tree[name] = told(told_type, content)
            return _length(content)
        return max((_replace(tree, name, value) for name, value in tree.items() if _may_hold(value)), default=0)
    if kind is list:
        return max((_replace(tree, index, item) for index, item in enumerate(tree) if _may_hold(item)), default=0)
    if kind is str and len(tree) >= LEAST_CHARACTERS and ";base64," in tree:
        new = _URL.sub(lambda found: told(found[1], found[3]), tree)
        if new != tree:
            if type(holder) is Facts:
                setattr(holder, key, new)
            else:
                holder[key] = new
            return _length(tree)
    return 0


def _where(tree: dict[str, Any]) -> str:
    """Return under which name a dictionary holds a medium in base64, as it is written by us and by others.

    By LangChain, Anthropic, OpenAI (its images and sounds), Google, and the Model Context Protocol.
    """
    kind = tree.get("type")
    if kind == "blob":
        return "content"
    if kind == "base64" or tree.get("source_type") == "base64":
        return "data"
    if "base64" in tree and "type" in tree:
        return "base64"
    if "b64_json" in tree:
        return "b64_json"
    data = tree.get("data")
    is_medium = type(data) is str and any(name in tree for name in _TYPES) and _IN_BASE64.match(data)
    return "data" if is_medium else ""


def _may_hold(value: Any) -> bool:
    kind = type(value)
    return kind is dict or kind is list or (kind is str and len(value) >= LEAST_CHARACTERS)


def told(mime_type: Any, data: str) -> str:
    """Say what stood there: the type, the size of what base64 stands for, and the digest of the text in base64.

    Of what was cut when it was recorded, the size is that of the whole, the digest of the part that was kept.

    >>> told("image/png", "AAAA" * 100)[:32]
    '<image/png, 300 bytes, sha256 of'
    """
    cut = _cut_of(data)
    size, part = f"{len(data.rstrip('=')) * 3 // 4}", ""
    if cut is not None:
        size, part = f"about {_length(data) * 3 // 4}", f"the first {cut.start()} characters of "
        data = data[: cut.start()]
    digest = hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"<{mime_type or 'data'}, {size} bytes, sha256 of {part}base64 {digest}>"


def _cut_of(text: str) -> re.Match[str] | None:
    """Find what the copier left of the rest of a text, if it has cut it."""
    return _CUT.search(text, max(len(text) - 32, 0))


def _length(text: str) -> int:
    """Return how long a text was before it was cut."""
    cut = _cut_of(text)
    return len(text) if cut is None else cut.start() + int(cut[1])
