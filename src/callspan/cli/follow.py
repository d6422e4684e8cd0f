"""`callspan view --follow`: what is written to files from now on, through rotation, and to files that come later."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from callspan.cli.unreadable import complain
from callspan.drawing.shown import TraceOfRows
from callspan.errors import ReadError
from callspan.reading.files import LoadReport, Segment, files_of, is_packed
from callspan.reading.otlp import RawSpan
from callspan.reading.overview import Row
from callspan.reading.rows import load_rows
from callspan.reading.trees import build_traces

PAUSE_S: Final = 0.2
QUIET_S: Final = 2.0
"""A trace whose root has not come is shown after so long without a span of it: the root may be in another file."""

_CHUNK: Final = 1 << 16
Inode = tuple[int, int]


class Tail:
    """Reads the whole lines that were added to some files since it looked last.

    A file is known by its inode, so one that was renamed by a rotation is read to its end, and its successor from the
    beginning. Packed files are left alone: nobody appends to them.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Start at the end of what is there."""
        self._paths = paths
        self._read_to: dict[Inode, int] = {}
        for segment, inode in self._new():
            self._read_to[inode] = segment.end or 0

    def segments(self) -> list[Segment]:
        """Return what was added."""
        found = []
        for segment, inode in self._new():
            self._read_to[inode] = segment.end or 0
            found.append(segment)
        return found

    def _new(self) -> Iterator[tuple[Segment, Inode]]:
        for file in self._files():
            try:
                told = file.stat()
                inode, size = (told.st_dev, told.st_ino), told.st_size
                start = self._read_to.get(inode, 0)
                if size < start:  # it was emptied
                    start = self._read_to[inode] = 0
                end = _last_line(file, start, size)
            except OSError:
                continue
            if end > start and not is_packed(file):
                yield Segment(file, start, end), inode

    def _files(self) -> Iterator[Path]:
        for path in self._paths:
            try:
                yield from files_of(path)
            except ReadError:
                continue  # not there yet


def _last_line(file: Path, start: int, size: int) -> int:
    """Return where the last whole line ends; `start` if none was added."""
    with file.open("rb") as stream:
        end = size
        while end > start:
            begin = max(end - _CHUNK, start)
            stream.seek(begin)
            at = stream.read(end - begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1
            end = begin
    return start


def follow(
    paths: Sequence[str],
    show: Callable[[list[TraceOfRows]], None],
    trace_prefix: str = "",
    finds: Callable[[RawSpan], bool] | None = None,
) -> None:
    """Show each trace once its root has come, and what comes later of it as it comes. Ends by Ctrl-C.

    What cannot be read is told when it comes.
    """
    tail, waiting, report = Tail(paths), Waiting(), LoadReport()
    sys.stderr.write(f"callspan view: waiting for spans in {', '.join(paths)}, until Ctrl-C\n")
    sys.stderr.flush()
    while True:
        for row in load_rows(tail.segments(), report, trace_prefix, finds):
            waiting.add(row)
        ready = waiting.ready()
        if ready:
            show(build_traces(ready))
            sys.stdout.flush()
        complain("view", report, knows_lines=False)
        report.bad.clear()
        report.first_bad.clear()
        time.sleep(PAUSE_S)


class Waiting:
    """Spans whose root has not ended."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Wait for nothing yet."""
        self._now_s = now_s
        self._rows: dict[str, list[Row]] = {}
        self._seen_s: dict[str, float] = {}

    def add(self, row: Row) -> None:
        """Take a span."""
        self._rows.setdefault(row.trace_id, []).append(row)
        self._seen_s[row.trace_id] = self._now_s()

    def ready(self) -> list[Row]:
        """Return the spans of traces whose root is there, or that have been quiet for long."""
        late = self._now_s() - QUIET_S
        done = [
            trace_id
            for trace_id, rows in self._rows.items()
            if any(row.parent_id is None for row in rows) or self._seen_s[trace_id] <= late
        ]
        ready = [row for trace_id in done for row in self._rows.pop(trace_id)]
        for trace_id in done:
            del self._seen_s[trace_id]
        return ready
