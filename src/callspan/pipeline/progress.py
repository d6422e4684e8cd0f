"""Whether delivery gets anywhere, for those who wait for it only as long as it does."""

from __future__ import annotations

from callspan.pipeline.buffer import Buffer
from callspan.pipeline.lanes import Lanes


class Progress:
    """Tells whether anything has moved between two looks."""

    def __init__(self, lanes: Lanes, buffer: Buffer) -> None:
        """Take a first look."""
        self._lanes = lanes
        self._buffer = buffer
        self._moved = lanes.moved
        self._taken = buffer.taken

    def was_made(self) -> bool:
        """Look again. What is prepared for a lane that is in trouble gets nowhere; getting into it is no progress."""
        moved, taken = self._lanes.moved, self._buffer.taken
        was_made = moved != self._moved or (taken != self._taken and not self._lanes.is_in_trouble)
        self._moved, self._taken = moved, taken
        return was_made
