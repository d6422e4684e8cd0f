"""What came back: taken from the client's objects on the caller's thread, read in the worker."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal

from callspan.model.facts import MISSING, Facts
from callspan.model.messages import Message
from callspan.model.span import Span
from callspan.model.usage import read_usage
from callspan.recording.results import keep_vectors, read_choice

Tree = dict[str, Any]
Shape = Literal["model", "stream", "raw", "unread", "http", "plain"]

_NUMBERS: Final = (float, int)
_SHAPES: Final[dict[tuple[str, str], Shape]] = {
    ("openai", "BaseModel"): "model",
    ("openai", "Stream"): "stream",
    ("openai", "AsyncStream"): "stream",
    ("openai", "LegacyAPIResponse"): "raw",
    ("openai", "BaseAPIResponse"): "unread",
    ("httpx", "Response"): "http",
    ("httpx2", "Response"): "http",
}

# -- on the caller's thread --------------------------------------------------------------------------------------------


def _shape_of(kind: type) -> Shape:
    """Tell what a result is by the names of its classes, since the client's classes differ between versions.

    `model` has an answer's fields, `raw` the bytes it came in, `unread` nothing yet; `plain` is what the user chose.
    """
    for ancestor in kind.__mro__:
        shape = _SHAPES.get((ancestor.__module__.partition(".")[0], ancestor.__name__))
        if shape is not None:
            return shape
    return "plain"


def _is_client_model(kind: type) -> bool:
    """Return whether a type is one of the client's own models, not one of the user's that a parsed answer may hold."""
    return kind.__module__.startswith("openai.") and _shape_of(kind) == "model"


shape_of: Final[Callable[[Any], Shape]] = lru_cache(maxsize=256)(_shape_of)
is_client_model: Final[Callable[[Any], bool]] = lru_cache(maxsize=1024)(_is_client_model)


def tree_of(model: Any) -> Tree:
    """Copy the stored fields of one of the client's models, and of those inside, into dictionaries and lists.

    The copier for any object takes ten times as long.
    """
    tree: Tree = {**model.__dict__}
    extra = getattr(model, "__pydantic_extra__", None)
    if extra:
        tree.update(extra)
    for name, value in tree.items():
        kind = type(value)
        if kind is str or value is None or kind is int:
            continue
        if kind is list:
            if value and type(value[0]) not in _NUMBERS:  # the vectors, whose length is in the thousands
                tree[name] = [tree_of(item) if is_client_model(type(item)) else item for item in value]
        elif is_client_model(kind):
            tree[name] = tree_of(value)
    return tree


def head_of(model: Any) -> Tree:
    """Copy what a model says of the whole answer, without its lists: identity and usage."""
    fields = vars(model)
    tree: Tree = {name: value for name, value in fields.items() if type(value) is str or type(value) is int}
    usage = fields.get("usage")
    if is_client_model(type(usage)):
        tree["usage"] = tree_of(usage)
    return tree


def claim_usage(parent: Span | None) -> None:
    """Let a model span around leave its own usage out, if it is still open: the same tokens are reported here."""
    if parent is not None and not parent.end_ns:
        parent.usage_below = True


# -- in the worker -----------------------------------------------------------------------------------------------------


def read_chat(facts: Facts, answer: Tree) -> None:
    """Read a chat completion, or one of the older kind; whatever is missing or of another type is left out."""
    read_head(facts, answer)
    choices = answer.get("choices")
    choices = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    if choices:
        facts.output_messages = [_read_choice(choice) for choice in choices]
        facts.output = MISSING
    reasons = [choice.get("finish_reason") for choice in choices]
    if any(isinstance(reason, str) for reason in reasons):
        facts.response["finish_reasons"] = reasons


def _read_choice(choice: Tree) -> Message:
    """Read a choice; the log probabilities of its tokens, where they were asked for, stand beside its parts."""
    message: Any = read_choice(choice)
    told = choice.get("logprobs")
    tokens = told.get("content") or told.get("refusal") if isinstance(told, dict) else None
    if isinstance(tokens, list):
        rows = [token for token in tokens if isinstance(token, dict)]
        message["logprobs"] = [{"token": row.get("token"), "logprob": row.get("logprob")} for row in rows]
    elif isinstance(told, dict) and isinstance(told.get("token_logprobs"), list):  # of the older completions
        texts = told.get("tokens")
        pairs = zip(texts if isinstance(texts, list) else [], told["token_logprobs"], strict=False)
        message["logprobs"] = [{"token": text, "logprob": logprob} for text, logprob in pairs]
    return message  # type: ignore[no-any-return]


def read_embeddings(facts: Facts, answer: Tree, vectors: str) -> None:
    """Read vectors, as numbers or as base64, beside the texts that the request has left in `facts.embeddings`.

    `vectors` is what to keep of them: full, hash or none.
    """
    read_head(facts, answer)
    data = answer.get("data")
    rows = [row.get("embedding") for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    found = [vector for vector in map(_vector, rows) if vector]
    if found:
        texts = [entry.get("text", "") for entry in facts.embeddings or ()]
        facts.dimensions = len(found[0])
        facts.output = MISSING
        keep_vectors(facts, texts, found, vectors)


def read_head(facts: Facts, answer: Tree) -> None:
    """Read what all answers say of themselves."""
    for name in ("id", "model", "system_fingerprint", "service_tier"):
        value = answer.get(name)
        if isinstance(value, str):
            facts.response[name] = value
    facts.usage = read_usage(answer.get("usage"))


def _vector(given: Any) -> list[float] | None:
    """Return a vector's numbers; those of base64 are 32-bit floats, lowest byte first."""
    if isinstance(given, str):
        try:
            packed = b64decode(given, validate=True)
            return list(struct.unpack(f"<{len(packed) // 4}f", packed))
        except (ValueError, struct.error):
            return None
    if isinstance(given, list):
        return [number for number in given if isinstance(number, int | float)]
    return None
