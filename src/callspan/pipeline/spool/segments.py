"""The files of a spool: how they are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callspan.encoding.stored import read_head
from callspan.exporters.paths import open_private
from callspan.model.resource import Resource

SUFFIX: Final = ".spool"
_CHUNK_BYTES: Final = 1_048_576


@dataclass(slots=True, eq=False)
class Segment:
    """One file: spans `first` to `first + count`, all of the same process. `size` is that of what is whole."""

    path: Path
    resource: Resource
    first: int
    count: int
    size: int
    head_size: int
    changed_s: float

    @property
    def end(self) -> int:
        """The number after the last span."""
        return self.first + self.count

    @property
    def number(self) -> int:
        """Which file of its folder it is."""
        return int(self.path.name.removesuffix(SUFFIX))


def read_lines(segment: Segment, offset: int, most_bytes: int) -> list[bytes]:
    """Read whole lines from `offset` on, without their ends; one at least, unless there is none."""
    size = segment.size
    descriptor = open_private(segment.path)
    try:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = b""
        while offset + len(data) < size and (len(data) < most_bytes or b"\n" not in data):
            more = os.read(descriptor, min(_CHUNK_BYTES, size - offset - len(data)))
            if not more:
                break
            data += more
    finally:
        os.close(descriptor)
    is_rest = offset + len(data) >= size and not data.endswith(b"\n")  # a torn line counts as one
    lines = data.split(b"\n")
    return lines if is_rest and data else lines[:-1]


def find_line(segment: Segment, number: int) -> int:
    """Return where the line begins that has `number` others before it, the first line of the file not counted."""
    offset = segment.head_size
    while number and (lines := read_lines(segment, offset, _CHUNK_BYTES)[:number]):
        number -= len(lines)
        offset += sum(map(len, lines)) + len(lines)
    return offset


def surveyed(path: Path) -> Segment | None:
    """Look at a file of a dead process; None for one that holds nothing yet."""
    descriptor = open_private(path)
    try:
        there = os.fstat(descriptor)
        first_line = os.read(descriptor, _CHUNK_BYTES)
        count, last = first_line.count(b"\n"), first_line[-1:]
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    finally:
        os.close(descriptor)
    if not there.st_size:
        return None
    first_line = first_line[: first_line.find(b"\n") + 1]
    resource, first = read_head(first_line)
    int(path.name.removesuffix(SUFFIX))
    spans = count - 1 + (last != b"\n")
    if not spans:
        return None
    return Segment(path, resource, first, spans, there.st_size, len(first_line), there.st_mtime)


def lines_in(path: Path) -> int:
    """Return how many spans a file held that cannot be read: its lines, but for the first, and one at least."""
    try:
        descriptor = open_private(path)
    except OSError:
        return 1
    try:
        count = 0
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            count += chunk.count(b"\n")
    except OSError:
        return 1
    finally:
        os.close(descriptor)
    return max(count - 1, 1)
