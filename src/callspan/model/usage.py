"""Token counts of one model call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

UsageSource = Literal["reported", "estimated"]

_MOST_NAMES: Final = 64  # what has more is no usage object


@dataclass(slots=True)
class Usage:
    """Token counts as the GenAI conventions define them.

    `input_tokens` includes what was read from and written to a cache, `output_tokens` includes reasoning; the other
    counts are parts of these two. None means "not reported", which is not the same as 0.
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


# Where the same count stands in the usage objects of providers: (field of ours, paths tried in order).
_PATHS: Final[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = (
    ("input_tokens", (("input_tokens",), ("prompt_tokens",), ("prompt_token_count",))),
    ("output_tokens", (("output_tokens",), ("completion_tokens",), ("candidates_token_count",))),
    ("total_tokens", (("total_tokens",), ("total_token_count",))),
    (
        "cache_read_tokens",
        (
            ("input_tokens_details", "cached_tokens"),
            ("prompt_tokens_details", "cached_tokens"),
            ("input_token_details", "cache_read"),
            ("cache_read_input_tokens",),
        ),
    ),
    (
        "cache_write_tokens",
        (
            ("input_tokens_details", "cache_write_tokens"),
            ("prompt_tokens_details", "cache_write_tokens"),
            ("input_token_details", "cache_creation"),
            ("cache_creation_input_tokens",),
        ),
    ),
    (
        "reasoning_tokens",
        (
            ("output_tokens_details", "reasoning_tokens"),
            ("completion_tokens_details", "reasoning_tokens"),
            ("output_token_details", "reasoning"),
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

    Understands OpenAI's chat and Responses shapes, LangChain's `usage_metadata` and the names that compatible servers
    use. A count that is missing, null or not a whole number stays None.

    >>> read_usage({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}).output_tokens
    2
    """
    if not isinstance(tree, dict):
        return None
    usage = Usage()
    found = False
    for field, path in _paths_in(tuple(tree)) if len(tree) <= _MOST_NAMES else ():
        count = tree[path[0]] if len(path) == 1 else _follow(tree, path)
        if type(count) is int and count >= 0 and getattr(usage, field) is None:
            setattr(usage, field, count)
            found = True
    return usage if found else None


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
