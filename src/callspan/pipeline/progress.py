"""Whether delivery gets anywhere, for those who wait for it only as long as it does."""

from __future__ import annotations

from callspan.pipeline.buffer import Buffer
from callspan.pipeline.lanes import Lanes


class Progress:
    """Tells for how long nothing has moved, by what it sees each time it looks."""

    def __init__(self, lanes: Lanes, buffer: Buffer, now_s: float) -> None:
        """Take a first look."""
        self._lanes = lanes
        self._buffer = buffer
        self._settled_at = self._moved_at = now_s
        self._moved = lanes.moved
        self._taken = buffer.taken

    def stalled_s(self, now_s: float, *, is_loading: bool) -> float:
        """Look again, and return for how long there has been no progress.

        Getting ready, imports included, is progress while it may lead to something. Once an attempt has failed, it has
        led to nothing, and the time that it took counts as well.
        """
        moved, taken = self._lanes.moved, self._buffer.taken
        if moved != self._moved:
            self._settled_at = self._moved_at = now_s
        elif taken != self._taken or is_loading:
            self._moved_at = now_s
        self._moved, self._taken = moved, taken
        return now_s - (self._settled_at if self._lanes.is_in_trouble else self._moved_at)
