"""Reads environment variables; a wrong one is warned of once, by name and never by value, and counts as not set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from callspan.guard import guard

T = TypeVar("T")
MAX_TEXT: Final = 65_536


def is_sensible(text: str) -> bool:
    """Return whether a text is printable and of a length that somebody may have meant."""
    return len(text) <= MAX_TEXT and text.isprintable()


class Environment:
    """Reads variables; a value that cannot be meant is warned of and counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read from `environ`."""
        self._environ = environ

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return the parsed value; None when the variable is missing, empty or wrong."""
        raw = self._environ.get(name, "").strip()
        if not raw:
            return None
        try:
            if not is_sensible(raw):
                raise ValueError("printable text of a sensible length")  # noqa: TRY301
            return parse(raw)
        except ValueError as error:
            _warn_once(name, str(error))
            return None

    def is_set(self, name: str) -> bool:
        """Return whether the variable has a value, whatever it is."""
        return bool(self._environ.get(name, "").strip())

    def first(self, default: T, name: str, parse: Callable[[str], T]) -> T:
        """Return the parsed value, or the default."""
        value = self.read(name, parse)
        return default if value is None else value


_warned: Final[set[str]] = set()


def _warn_once(name: str, expected: str) -> None:
    if name not in _warned:
        _warned.add(name)
        guard.warn(name, f"environment variable {name} is ignored: it needs {expected}")


def say_once(message: str) -> None:
    """Say something to the person at the terminal, once per process; a closed stderr is no reason to fail."""
    if message not in _warned:
        _warned.add(message)
        try:
            print(message, file=sys.stderr)  # noqa: T201 - the one line of `configure()`
        except (OSError, ValueError, AttributeError):
            return
