"""How far the worker may be ahead of the senders.

What waits unopened holds half as much, and two threads of one interpreter at once take longer than one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from callspan.pipeline.buffer import Buffer
from callspan.pipeline.lanes import Lanes
from callspan.pipeline.metrics import Metrics

_LONGEST_S: Final = 0.5
_PAUSE_S: Final = (0.005, 0.02)
_MANY: Final = 128  # new spans, which may share less with others than those before


class Pacing:
    """Has the worker wait while all senders have enough. Metrics do not wait: they are made of what is opened."""

    def __init__(self, buffer: Buffer, lanes: Lanes, metrics: Metrics | None, rest: Callable[[float], None]) -> None:
        """Pace what goes from the buffer to the lanes; `rest` sleeps for so many seconds."""
        self._buffer = buffer
        self._lanes = lanes
        self._metrics = metrics
        self._rest = rest

    def wants_more(self, is_over: Callable[[], bool]) -> bool:
        """Wait half a second at most, or until it is over; return whether the lanes are to have more."""
        buffer, deadline = self._buffer, time.monotonic() + _LONGEST_S
        pause_s, seen = _PAUSE_S[0], buffer.offered
        while self._lanes.have_enough and not (self._metrics is not None and self._metrics.is_wanted()):
            if is_over():
                return True
            if not len(buffer) or time.monotonic() >= deadline:
                return False
            self._rest(pause_s)
            pause_s = min(pause_s * 1.5, _PAUSE_S[1])
            if buffer.offered - seen >= _MANY:
                self._lanes.tell_room(buffer)
                pause_s, seen = _PAUSE_S[0], buffer.offered
        return True
