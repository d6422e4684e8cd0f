"""What an exporter says to the person who runs it: each thing once, through callspan's logger."""

from __future__ import annotations

from callspan.guard import guard


class Hints:
    """Says each thing once. Nothing that a receiver sent, no header value and no query of a URL belongs in one."""

    def __init__(self, name: str) -> None:
        """Speak for the exporter called `name`."""
        self.name = name
        self._told: set[str] = set()

    def once(self, cause: str, message: str) -> None:
        """Warn of `cause` unless that was done before."""
        if cause not in self._told:
            self._told.add(cause)
            guard.warn(f"{self.name}: {cause}", f"{self.name}: {message}")
