"""When to try again: the waits grow while a receiver is out of reach, and are as long as it asks for where it asks.

Full jitter: each wait is drawn between nothing and a bound that doubles, from one second to thirty. That spreads the
clients of a receiver that comes back best, and half the bound is waited on average. Nothing is ever given up for having
been tried too often or being too old: what a queue may hold is the limit, and the newest is no better than the oldest
once the receiver is back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
LONGEST_ASKED_S: Final = 60.0


def draw() -> float:
    """Return a number from 0 to 1; not from `random`, whose sequence is the application's."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


class Backoff:
    """Says when the next attempt is due, for one receiver.

    Attempts are made in one thread; `hurry` may be called from any other, as it only ever sets a flag.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, draw: Callable[[], float] = draw) -> None:
        """Start in good health. `clock` gives seconds, `draw` a share of the bound to wait."""
        self._clock = clock
        self._draw = draw
        self._failures = 0
        self._due = self._asked = 0.0
        self._is_hurried = self._is_last = False
        self.failing_since: float | None = None
        """When the first attempt failed that no delivery has followed, by the clock; None in good health."""

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failing_since is not None

    @property
    def failing_s(self) -> float:
        """How long nothing has been delivered; 0 in good health."""
        return 0.0 if self.failing_since is None else self._clock() - self.failing_since

    def hurry(self, *, is_last: bool = False) -> None:
        """Make the next attempt due now, since somebody waits for it.

        What the receiver asked for stands all the same, unless the attempt `is_last`: then all would be lost anyway.
        """
        self._is_last = self._is_last or is_last
        self._is_hurried = True  # last: whoever reads it reads the other afterwards

    def wait_s(self) -> float:
        """Return how long the next attempt has to wait; 0 when it is due."""
        if not self.is_failing:
            return 0.0
        due = self._due
        if self._is_hurried:
            due = 0.0 if self._is_last else self._asked
        return max(due - self._clock(), 0.0)

    def begin(self) -> None:
        """Note that an attempt begins: who hurries from here on wants another one."""
        if self._is_hurried:
            self._is_hurried = self._is_last = False
            self._failures = 0  # he will not wait for half a minute

    def succeeded(self) -> None:
        """Note that something was delivered, or refused for good: the receiver is there."""
        self._failures = 0
        self.failing_since = None

    def failed(self, retry_after_s: Any = None) -> None:
        """Note that it failed, and how long the receiver asked to be left alone, if that can be meant."""
        now = self._clock()
        if self.failing_since is None:
            self.failing_since = now
        bound = min(FIRST_WAIT_S * 2.0 ** min(self._failures, 10), LONGEST_WAIT_S)
        self._failures += 1
        asked = _seconds(retry_after_s)
        self._asked = now + asked
        self._due = now + (asked or bound * self._draw())


def _seconds(asked: Any) -> float:
    """Return a wait that was asked for; 0 for what is none."""
    if type(asked) not in (int, float) or not 0 < asked < float("inf"):
        return 0.0
    return min(float(asked), LONGEST_ASKED_S)
