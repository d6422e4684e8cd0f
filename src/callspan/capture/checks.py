"""Checks of what users give to decorators and blocks; a wrong value raises `ConfigurationError` where it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from callspan.errors import ConfigurationError

plain: Final = str.__str__
"""Makes exactly a `str` of a text of another type: a member of an enum says something else when it is formatted."""


def texts(value: Any) -> tuple[str, ...] | None:
    """Return an iterable of strings as a tuple; None for anything else, a single string included."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return None
    found = tuple(value)
    return tuple(map(plain, found)) if all(isinstance(item, str) for item in found) else None


def check_tags(tags: Any) -> tuple[str, ...]:
    """Return the tags as a tuple."""
    found = texts(tags)
    if found is None:
        raise ConfigurationError("tags", tags, 'give a list of strings, as in tags=["beta"]')
    return found


def check_metadata(metadata: Any) -> dict[str, Any] | None:
    """Return the metadata in a dictionary of our own; None when there is none."""
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ConfigurationError("metadata", metadata, 'give a dictionary, as in metadata={"team": "search"}')
    return dict(metadata) if metadata else None


def check_user_id(user_id: Any) -> str | None:
    """Return the user's ID as a text; a number, as databases have it, is spelled."""
    if user_id is None:
        return None
    if isinstance(user_id, str):
        return plain(user_id)
    if type(user_id) is int:
        return str(user_id)
    raise ConfigurationError("user_id", user_id, "give a string")


def check_conversation(conversation_id: Any, step: Any) -> str:
    """Check a conversation's ID and the number of a turn; return the ID."""
    if not isinstance(conversation_id, str) or not conversation_id:
        raise ConfigurationError("conversation_id", conversation_id, "give a string that is not empty")
    if step is not None and (type(step) is not int or step < 1):
        raise ConfigurationError("step", step, "give a whole number from 1")
    return plain(conversation_id)
