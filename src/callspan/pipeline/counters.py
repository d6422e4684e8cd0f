"""What became of every span, per exporter: the conservation law's right-hand side."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict


class Stats(TypedDict):
    """Counts of one exporter. At rest, `ended + adopted = delivered + rejected + sum(dropped) + buffered + spooled`."""

    ended: int
    adopted: int
    delivered: int
    rejected: int
    dropped: dict[str, int]
    buffered: int
    spooled: int
    retries: int
    suspicious: int


class Counters:
    """Counts of one exporter; written by the one thread that serves it."""

    __slots__ = ("delivered", "dropped", "rejected", "retries", "suspicious")

    def __init__(self) -> None:
        """Start at zero."""
        self.delivered = self.rejected = self.retries = self.suspicious = 0
        self.dropped: Counter[str] = Counter()

    @property
    def settled(self) -> int:
        """Spans whose fate is known."""
        return self.delivered + self.rejected + sum(self.dropped.values())
