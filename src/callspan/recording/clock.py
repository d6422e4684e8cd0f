"""Wall-clock starts and monotonic durations.

A span starts at `monotonic + offset`, where the offset anchors the monotonic clock to the wall; its end is the start
plus monotonic time. So a wall clock that jumps never makes a duration negative. The worker re-anchors now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_DRIFT_ALLOWED_NS: Final = 5_000_000


class Clock:
    """Reads both clocks; `ticks()` is monotonic, `ticks() + offset_ns` is nanoseconds since 1970."""

    __slots__ = ("_wall_ns", "offset_ns", "ticks")

    def __init__(
        self, ticks: Callable[[], int] = time.perf_counter_ns, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Anchor; tests pass clocks of their own."""
        self.ticks = ticks
        self._wall_ns = wall_ns
        self.offset_ns = wall_ns() - ticks()

    def now_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self.ticks() + self.offset_ns

    def anchor(self) -> None:
        """Follow the wall clock if it was set, or drifted by more than five milliseconds."""
        offset_ns = self._wall_ns() - self.ticks()
        if abs(offset_ns - self.offset_ns) > _DRIFT_ALLOWED_NS:
            self.offset_ns = offset_ns
