"""What became of every span, per exporter: the conservation law's right-hand side."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypedDict

_LOOKS: Final = 50
_PAUSE_S: Final = 0.001
_MAX_REASONS: Final = 32
_MAX_REASON_CHARACTERS: Final = 120


class Stats(TypedDict):
    """Counts of one exporter. At rest, `ended + adopted = delivered + rejected + sum(dropped) + buffered + spooled`.

    `dropped` is by reason: "queue full", "sampled" (and so not recorded), "unreadable" (could not be
    prepared), "refused by a processor",
    "exporter error", "exporter answer", "no thread", "shutdown", "worker died", "spool full", "spool too old", "spool
    damaged", or what the exporter says. `adopted` spans were taken over from the spools of processes that have ended;
    `spooled` ones are safe on the disk and not settled, `buffered` ones are in memory alone.
    """

    ended: int
    adopted: int
    delivered: int
    rejected: int
    dropped: dict[str, int]
    buffered: int
    spooled: int
    retries: int
    suspicious: int


def balanced(count: Callable[[], dict[str, Stats]], delivering: Iterable[int | None] = ()) -> dict[str, Stats]:
    """Count until the books balance, for 50 ms at most: spans on their way from one place to the next are in neither.

    Nobody is made to wait for whoever asks: counting takes no lock. One of the threads that are `delivering` counts
    once: in a signal handler or an exporter, it would wait for itself.
    """
    counts = count()
    for _ in range(0 if threading.get_ident() in delivering else _LOOKS):
        if all(map(_is_balanced, counts.values())):
            break
        time.sleep(_PAUSE_S)
        counts = count()
    return counts


def _is_balanced(stats: Stats) -> bool:
    settled = stats["delivered"] + stats["rejected"] + sum(stats["dropped"].values())
    return stats["ended"] + stats["adopted"] == settled + stats["buffered"] + stats["spooled"]


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What became of everything that had ended when the call was made.

    `ok` when all of it, and all since the last flush, was delivered; `remaining` spans were not settled by the
    deadline. `errors` says per exporter why spans were lost since the last flush, or why some remain.
    """

    ok: bool
    remaining: int = 0
    errors: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Be true when it went well."""
        return self.ok


class Counters:
    """Counts of one exporter.

    Threads may add at the same time: no call to Python code stands between the load and the store of any `+=` here,
    which is why `dropped` is a `defaultdict(int)` and no `Counter`, whose missing keys are made by Python code.
    """

    __slots__ = ("delivered", "dropped", "rejected", "retries", "suspicious")

    def __init__(self) -> None:
        """Start at zero."""
        self.delivered = self.rejected = self.retries = self.suspicious = 0
        self.dropped: defaultdict[str, int] = defaultdict(int)

    def drop(self, count: int, reason: str) -> None:
        """Count dropped spans; exporters invent reasons, so there is a bound to how many are told apart."""
        reason = reason[:_MAX_REASON_CHARACTERS]
        if reason not in self.dropped and len(self.dropped) >= _MAX_REASONS:
            reason = "other"
        if count > 0:
            self.dropped[reason] += count

    @property
    def lost(self) -> int:
        """Spans that will not arrive."""
        return self.rejected + sum(self.dropped.values())

    @property
    def settled(self) -> int:
        """Spans whose fate is known."""
        return self.delivered + self.lost
