"""The attributes of one span, taken out name by name: what nobody understood is left over, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from callspan.reading.parse import parsed

T = TypeVar("T")
Tree = dict[str, Any]

_LARGEST_COUNT: Final = 2**63 - 1
_LARGEST_NUMBER: Final = 1e200  # so that no sum becomes infinite


class Attributes:
    """Attributes to be taken. Several names of the same thing are given at once, the most telling first.

    A value that is not of the wanted type is treated as if it were not there, and stays in `left`.
    """

    __slots__ = ("_roots", "left")

    def __init__(self, left: Tree) -> None:
        """Take from `left`, which is changed."""
        self.left = left
        self._roots: set[str] | None = None

    def take(self, convert: Callable[[Any], T | None], *names: str) -> T | None:
        """Return the first value that `convert` does not answer with None; the values of all names are gone then."""
        left, found = self.left, None
        for name in names:
            if name in left:
                value = convert(left[name])
                if value is not None:
                    del left[name]
                    found = value if found is None else found
        return found

    def text(self, *names: str) -> str | None:
        """Take a text that is not empty."""
        return self.take(as_text, *names)

    def count(self, *names: str) -> int | None:
        """Take a whole number of at least 0."""
        return self.take(as_count, *names)

    def number(self, *names: str) -> float | None:
        """Take a number."""
        return self.take(as_number, *names)

    def texts(self, *names: str) -> list[str] | None:
        """Take a list of texts, also a JSON text of one, or a single text."""
        return self.take(as_texts, *names)

    def mapping(self, *names: str) -> Tree | None:
        """Take a dictionary, also a JSON text of one."""
        return self.take(as_mapping, *names)

    def sequence(self, *names: str) -> list[Any] | None:
        """Take a list, also a JSON text of one."""
        return self.take(as_sequence, *names)

    def under(self, prefix: str) -> Tree:
        """Take everything whose name starts with `prefix`, which ends in a dot, by the rest of the name."""
        if self._roots is None:
            self._roots = {name.partition(".")[0] for name in self.left}
        if prefix.partition(".")[0] not in self._roots:
            return {}
        names = [name for name in self.left if name.startswith(prefix)]
        return {name[len(prefix) :]: self.left.pop(name) for name in names}


def as_text(value: object) -> str | None:
    """Return a text that is not empty; a whole number, which some tools use as an ID, as a text."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


def as_count(value: object) -> int | None:
    """Return a whole number of at least 0 that has 64 bits, also where a tool wrote it as 12.0."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST_COUNT else None


def as_number(value: object) -> float | None:
    """Return a number that is not a truth value, nor infinite or NaN: one of those would make a sum unreadable."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER else None


def as_texts(value: object) -> list[str] | None:
    """Return a list of texts."""
    if isinstance(value, str) and value[:1] == "[":
        value = parsed(value)
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def as_mapping(value: object) -> Tree | None:
    """Return a dictionary."""
    value = parsed(value)
    return value if isinstance(value, dict) else None


def as_sequence(value: object) -> list[Any] | None:
    """Return a list."""
    value = parsed(value)
    return value if isinstance(value, list) else None


def as_flag(value: object) -> bool | None:
    """Return a truth value."""
    return value if isinstance(value, bool) else None


def as_anything(value: object) -> Any:
    """Return the value; None stays in place."""
    return value
