"""Values as the conventions type them: each function returns the value in its type, or None when it is not of it."""

from __future__ import annotations

from typing import Any

from callspan.dialects.json_text import to_json


def text(value: object) -> str | None:
    """Take a non-empty text."""
    return value if isinstance(value, str) and value else None


def texts(value: object) -> list[str] | None:
    """Take a list of texts; one text stands for a list of one."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    return None


def text_places(value: object) -> list[str] | None:
    """Take a list with one place per answer, so that the second text stays that of the second answer.

    >>> text_places([None, "stop"])
    ['', 'stop']
    """
    if isinstance(value, list) and any(isinstance(item, str) and item for item in value):
        return [item if isinstance(item, str) else "" for item in value]
    return None


def whole(value: object) -> int | None:
    """Take a whole number, also one written as a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: object) -> float | None:
    """Take any number as a double."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def flag(value: object) -> bool | None:
    """Take a boolean."""
    return value if isinstance(value, bool) else None


def as_text(value: Any) -> str:
    """Return a text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else to_json(value)
