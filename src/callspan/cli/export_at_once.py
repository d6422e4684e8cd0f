"""Examples of all calls of some kinds, made while the table of spans is: the files are read but once.

Until the table is whole nobody knows what was thought of a call, so what was made waits in a folder: in frames of some
hundred calls, as `export_worker` sends them. As a program, it is the worker that reads for the table, with this beside.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from callspan.cli.cleaning import Cleaner
from callspan.cli.export_worker import receive, send
from callspan.datasets.examples import is_looked_at
from callspan.datasets.making import Calls, Made, Maker
from callspan.errors import CallspanError
from callspan.reading.lean import Keep
from callspan.reading.table_worker import main

if TYPE_CHECKING:
    from callspan.reading.overview import Row

FORM: Final = "openai-chat"
"""The only form that is made at once: all others tell of feedback too."""
_CALLS_AT_ONCE: Final = 500  # in a frame
_BUFFER_BYTES: Final = 1 << 20


class AtOnce:
    """Makes the calls among the spans that are read, beside the table of `tables.to_arrow`."""

    def __init__(self, folder: Path, kinds: Sequence[str]) -> None:
        """Keep what is made of calls of these kinds in a folder, which must be empty."""
        self._folder = folder
        self.keep = Keep(frozenset(kinds), is_looked_at)
        self.program = ("callspan.cli.export_at_once", str(folder), *kinds)
        self._maker = Maker(FORM, Cleaner())
        self._places: list[tuple[int, int]] = []
        self._file: Path | None = None
        self._stream: IO[bytes] | None = None
        self._index: list[tuple[bytes, tuple[int, int], int, int]] = []
        self._redacted, self._refused = 0, Counter[str]()

    def take(self, rows: Sequence[Row]) -> None:
        """Make the calls among some rows of one file."""
        kept = [(row.span, row.place) for row in rows if row.span is not None]
        if not kept:
            return
        file = kept[0][1].file
        if file != self._file or len(self._places) >= _CALLS_AT_ONCE:
            self._write()
            self._file = file
        self._places += [(place.offset, place.number) for _, place in kept]
        self._maker.make_chats([span for span, _ in kept])

    def finish(self) -> None:
        """Write what is left, and where everything stands."""
        self._write()
        if self._stream is not None:
            self._stream.close()
        told = marshal.dumps((self._index, self._redacted, dict(self._refused)))
        self._named("index").write_bytes(told)

    def open(self) -> MadeAtOnce:
        """Return what was made, once all have finished."""
        return MadeAtOnce(self._folder)

    def _write(self) -> None:
        """Write a frame of what was made."""
        if not self._places:
            return
        if self._stream is None:
            self._stream = self._named("frames").open("wb", buffering=_BUFFER_BYTES)
        file = os.fsencode(str(self._file).encode("utf-8", "replace"))  # as the table has it
        made = self._maker.made()
        self._index.append((file, self._places[0], self._stream.tell(), len(self._places)))
        send(self._stream, (self._places, made.contents, made.digests))
        self._redacted += made.redacted
        self._refused.update(made.refused)
        self._places = []

    def _named(self, suffix: str) -> Path:
        return self._folder / f"{os.getpid()}.{suffix}"


class MadeAtOnce:
    """What was made of calls, in the order of the files."""

    columns: Final = ("line_offset", "line_number")
    """Columns of calls that are looked at, to see that they are those that were made."""

    def __init__(self, folder: Path) -> None:
        """Look up what stands where."""
        self._redacted, self._refused = 0, Counter[str]()
        index = []
        for told in folder.glob("*.index"):
            entries, redacted, refused = marshal.loads(told.read_bytes())  # noqa: S302 - from ourselves
            index += [(*entry, told.with_suffix(".frames")) for entry in entries]
            self._redacted += redacted
            self._refused.update(refused)
        self._index = sorted(index)
        sizes = [size for *_, size, _ in self._index]
        self.total = sum(sizes)
        self.sizes = [*sizes, 1]
        """How many calls are asked for each time; in the end one more, to see that there is none."""

    def beside(self, calls: Iterator[Calls]) -> Iterator[tuple[Calls, Made]]:
        """Yield calls with what was made of them: all calls that there are, in the order of the files, by `sizes`."""
        redacted, refused = self._redacted, dict(self._refused)
        nothing: Calls = dict.fromkeys(self.columns, ())
        for places, contents, digests in chain(self._frames(), [([], [], [])]):
            some = next(calls, nothing)
            if [*zip(*(some[name] for name in self.columns), strict=True)] != places:
                raise CallspanError("other calls were found than were made; nothing was written")
            if places:
                yield some, Made(contents, digests, redacted, refused)
                redacted, refused = 0, {}

    def _frames(self) -> Iterator[tuple[list[tuple[int, int]], list[Any], list[bytes]]]:
        streams = {path: path.open("rb") for path in {path for *_, path in self._index}}
        try:
            for _, _, position, _, path in self._index:
                streams[path].seek(position)
                yield receive(streams[path])
        finally:
            for stream in streams.values():
                stream.close()


if __name__ == "__main__":
    main(sys.argv[-1], AtOnce(Path(sys.argv[1]), sys.argv[2:-1]))
