"""Token counts of one model call."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

UsageSource = Literal["reported", "estimated"]

_MOST_NAMES: Final = 64  # what has more is no usage object
_MOST_LEVELS: Final = 4
_LARGEST: Final = 2**53  # beyond, not every reader of JSON gives the same number back
_NAME: Final = re.compile(r"(?=.{1,64}\Z)[A-Za-z_]+(?:\d{1,2}[A-Za-z_]+){0,2}")  # no key of anybody looks like this
_WORDS: Final = frozenset({"modality", "service_tier", "type", "unit"})
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,23}")


@dataclass(slots=True)
class Usage:
    """Token counts as the GenAI conventions define them.

    `input_tokens` includes what was read from and written to a cache, `output_tokens` includes reasoning; the other
    counts are parts of these two. None means "not reported", which is not the same as 0. `raw` is what the provider
    said in its own words, as far as these are numbers: counts that have no field here, prices, times.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    text_input_tokens: int | None = None
    text_output_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    source: UsageSource = "reported"
    tokenizer: str | None = None
    raw: dict[str, Any] | None = field(default=None, compare=False)


# Of the input, and told beside it, by Anthropic. It is known by having no total, as those have who count them within.
_BESIDE: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
_BY_AGE: Final = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_GOOGLES: Final = ("prompt_token_count", "candidates_token_count")

# Where the same count stands in the usage objects of providers: (field of ours, paths tried in order).
_PATHS: Final[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = (
    ("input_tokens", (("input_tokens",), ("prompt_tokens",), ("prompt_token_count",), ("prompt_eval_count",))),
    ("output_tokens", (("output_tokens",), ("completion_tokens",), ("candidates_token_count",), ("eval_count",))),
    ("total_tokens", (("total_tokens",), ("total_token_count",))),
    (
        "cache_read_tokens",
        (
            ("input_tokens_details", "cached_tokens"),
            ("prompt_tokens_details", "cached_tokens"),
            ("input_token_details", "cache_read"),
            ("input_token_details", "flex_cache_read"),  # as LangChain has it where a service tier was asked for
            ("input_token_details", "priority_cache_read"),
            ("cache_read_input_tokens",),
            ("cached_content_token_count",),
        ),
    ),
    (
        "cache_write_tokens",
        (
            ("input_tokens_details", "cache_write_tokens"),
            ("prompt_tokens_details", "cache_write_tokens"),
            ("input_token_details", "cache_creation"),
            ("input_token_details", "flex_cache_creation"),
            ("input_token_details", "priority_cache_creation"),
            ("cache_creation_input_tokens",),
        ),
    ),
    (
        "reasoning_tokens",
        (
            ("output_tokens_details", "reasoning_tokens"),
            ("completion_tokens_details", "reasoning_tokens"),
            ("output_token_details", "reasoning"),
            ("output_token_details", "flex_reasoning"),
            ("output_token_details", "priority_reasoning"),
            ("thoughts_token_count",),
        ),
    ),
    (
        "audio_input_tokens",
        (
            ("prompt_tokens_details", "audio_tokens"),
            ("input_tokens_details", "audio_tokens"),
            ("input_token_details", "audio"),
            ("input_token_details", "audio_tokens"),
        ),
    ),
    (
        "audio_output_tokens",
        (
            ("completion_tokens_details", "audio_tokens"),
            ("output_tokens_details", "audio_tokens"),
            ("output_token_details", "audio"),
        ),
    ),
    (
        "text_input_tokens",
        (
            ("prompt_tokens_details", "text_tokens"),
            ("input_tokens_details", "text_tokens"),
            ("input_token_details", "text_tokens"),
        ),
    ),
    ("text_output_tokens", (("completion_tokens_details", "text_tokens"), ("output_tokens_details", "text_tokens"))),
    ("image_input_tokens", (("prompt_tokens_details", "image_tokens"), ("input_tokens_details", "image_tokens"))),
    ("image_output_tokens", (("output_tokens_details", "image_tokens"),)),
    ("accepted_prediction_tokens", (("completion_tokens_details", "accepted_prediction_tokens"),)),
    ("rejected_prediction_tokens", (("completion_tokens_details", "rejected_prediction_tokens"),)),
)


def read_usage(tree: object) -> Usage | None:
    """Read the usage object of a provider, given as plain data; None when it holds no count.

    Understands OpenAI's chat and Responses shapes, LangChain's `usage_metadata`, Anthropic's, which tells cached input
    beside the rest and not within, Google's, which tells thoughts so, and the names that compatible servers use. A
    count that is missing, null or not a whole number stays None.

    >>> read_usage({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}).output_tokens
    2
    """
    if not isinstance(tree, dict):
        return None
    usage = Usage()
    found = False
    for name, path in _paths_in(tuple(tree)) if len(tree) <= _MOST_NAMES else ():
        count = tree[path[0]] if len(path) == 1 else _follow(tree, path)
        if type(count) is int and count >= 0 and getattr(usage, name) is None:
            setattr(usage, name, count)
            found = True
    if not found:
        return None
    if usage.input_tokens is not None and "input_tokens" in tree and usage.total_tokens is None:
        usage.input_tokens += sum(_count(tree.get(name)) for name in _BESIDE)
    if not usage.cache_write_tokens and "input_token_details" in tree:
        _add_what_langchain_tells_by_age(usage, tree["input_token_details"])
    if any(name in tree for name in _GOOGLES):
        _add_what_google_tells_beside(usage, tree)
    usage.raw = raw_usage(tree)
    return usage


def _add_what_langchain_tells_by_age(usage: Usage, details: object) -> None:
    """Count what Anthropic's caches have taken, where LangChain says for how long they keep it, and 0 for the sum."""
    written = sum(_count(details.get(name)) for name in _BY_AGE) if isinstance(details, dict) else 0
    if written:
        usage.cache_write_tokens = written


def _add_what_google_tells_beside(usage: Usage, tree: dict[Any, Any]) -> None:
    """Count thoughts as output and the texts of tools as input, unless the total says that they are counted already."""
    thoughts, tools = (_count(tree.get(name)) for name in ("thoughts_token_count", "tool_use_prompt_token_count"))
    told = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    if usage.total_tokens is not None and told + thoughts + tools > usage.total_tokens:
        return
    if tools:
        usage.input_tokens = (usage.input_tokens or 0) + tools
    if thoughts:
        usage.output_tokens = (usage.output_tokens or 0) + thoughts


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def raw_usage(tree: object) -> dict[str, Any] | None:
    """Return the usage object of a provider as it is, a copy and bounded; None where nothing of it is to be kept.

    Numbers and truth values stay, and single words where providers have some (a modality, a service tier). Other texts,
    and names that may be more than names, do not: so nothing in it has to be looked at for secrets.

    >>> raw_usage({"prompt_tokens": 5, "cost": 0.25, "service_tier": "default", "note": "for Jane"})
    {'prompt_tokens': 5, 'cost': 0.25, 'service_tier': 'default'}
    """
    kept = _numbers(tree, _MOST_LEVELS) if isinstance(tree, dict) else None
    return kept or None


def _numbers(tree: dict[Any, Any], levels: int) -> dict[str, Any]:
    if len(tree) > _MOST_NAMES:
        return {}
    names = _names_among(tuple(tree))
    kept: dict[str, Any] = {
        name: value for name in names if type(value := tree[name]) is int and -_LARGEST <= value <= _LARGEST
    }
    if len(kept) < len(names):
        for name in names:
            if name not in kept and (item := _number(name, tree[name], levels)) is not None:
                kept[name] = item
    return kept


def _number(name: str, value: Any, levels: int) -> Any:
    """Return what is kept of a value that is no whole number, or a huge one; None for nothing."""
    kind = type(value)
    if kind is dict:
        return _numbers(value, levels - 1) or None if levels > 1 else None
    if kind is list:
        items = [_numbers(item, levels - 1) for item in value[:_MOST_NAMES] if type(item) is dict] if levels > 1 else []
        return [item for item in items if item] or None
    if kind is str:
        return value if name in _WORDS and _WORD.fullmatch(value) else None
    return value if kind is bool or (kind is float and math.isfinite(value)) else None


@lru_cache(maxsize=256)
def _names_among(names: tuple[Any, ...]) -> tuple[str, ...]:
    """Return those that are names of counts and of nothing else; a provider always uses the same."""
    return tuple(name for name in names if type(name) is str and _NAME.fullmatch(name))


@lru_cache(maxsize=256)
def _paths_in(names: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the fields and paths worth following in an object with these names; a provider always uses the same."""
    return tuple((field, path) for field, paths in _PATHS for path in paths if path[0] in names)


def _follow(tree: dict[str, Any], path: tuple[str, ...]) -> Any:
    node: Any = tree
    for key in path:
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    return node
