"""How far one exporter has come in one folder of a spool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from callspan.encoding.stored import UnreadableError, unpack
from callspan.guard import guard
from callspan.model.span import Span
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.segments import Segment, find_line, read_lines

_READ_BYTES: Final = 1_048_576
_READ_SPANS: Final = 512


class Place(NamedTuple):
    """Where a span stands: its number in the folder, its file, and where its line begins and ends in that."""

    folder: Folder
    segment: Segment
    number: int
    start: int
    end: int


@dataclass(slots=True)
class Reading:
    """What was read: spans `start` to `next` of the folder, `damaged` of which could not be made out."""

    start: int
    next: int
    segment: Segment
    offset: int
    spans: list[Span] = field(default_factory=list)
    damaged: int = 0


class Reader:
    """An exporter's position. Whoever changes it holds the lane's lock; reading does not need it."""

    def __init__(self, folder: Folder, exporter: str) -> None:
        """Go on where the exporter of that name stopped."""
        self.folder = folder
        self.acknowledged = folder.acknowledged(exporter)
        self.next = self.acknowledged
        """The number of the first span that is neither in memory nor done with."""
        self.known = folder.next
        """The number of the first span that the lane has not been told of: it is in nobody's books yet."""
        self._exporter = exporter
        self._segment: Segment | None = None  # where span `next` begins, if that is known
        self._offset = 0

    def left(self) -> int:
        """Return how many spans stand only on the disk."""
        return self.folder.left(self.next, self.known)

    def learn(self, place: Place) -> None:
        """Take notice of a span that was stored; spans come in their order."""
        self.known = max(self.known, place.number + 1)

    def claim(self, place: Place) -> bool:
        """Take a span that is in memory still; False when others come before it, or it was read already."""
        if place.number != self.next:
            return False
        self._move(place.number + 1, place.segment, place.end)
        return True

    def rewind(self, place: Place) -> None:
        """Go back to a span that leaves the memory without having been settled."""
        if place.number < self.next:
            self._move(place.number, place.segment, place.start)

    def skip(self, segment: Segment) -> int:
        """Pass over a file that goes, the oldest; return how many spans of it were only there."""
        lost = segment.end - max(segment.first, self.next)
        if lost <= 0:
            return 0
        self._move(segment.end, None, 0)
        return lost

    def advance(self, reading: Reading) -> None:
        """Note that what was read is in memory now."""
        self._move(reading.next, reading.segment, reading.offset)

    def _move(self, number: int, segment: Segment | None, offset: int) -> None:
        self.next, self._segment, self._offset = number, segment, offset

    def settle(self, number: int) -> None:
        """Note that all spans before `number` are settled. Where that cannot be written down, duplicates will come."""
        self.acknowledged = number
        try:
            self.folder.acknowledge(self._exporter, number)
        except OSError as error:
            guard.warn("spool position", f"what was delivered cannot be noted in the spool: {error.strerror or error}")

    def read(self) -> Reading | None:
        """Read the next spans, all of one file; None when there are none."""
        number, segment, offset = self.next, self._segment, self._offset
        there = self.folder.at(number)
        if there is None or there.first >= self.known:
            return None
        end = min(there.end, self.known)  # it may be growing
        number = max(number, there.first)
        reading = Reading(self.next, end, there, there.size)
        lines: list[bytes] = []
        try:
            if there is not segment:
                offset = find_line(there, number - there.first)
            lines = read_lines(there, offset, _READ_BYTES)[: min(_READ_SPANS, end - number)]
        except OSError as error:  # it is gone, or the disk is broken: not tried for ever
            guard.warn("spool", f"a file of the spool cannot be read: {error.strerror or error}")
        for line in lines:
            self._take(line, Place(self.folder, there, number, offset, offset + len(line) + 1), reading)
            number += 1
            offset += len(line) + 1
        if lines:
            reading.next, reading.offset = number, offset
        reading.damaged += reading.next - number
        return reading

    def _take(self, line: bytes, place: Place, reading: Reading) -> None:
        try:
            span = unpack(line)
        except UnreadableError:
            reading.damaged += 1
        else:
            span.stored = place
            reading.spans.append(span)
