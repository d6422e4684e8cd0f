"""Examples of all calls of some kinds, made while the table of spans is: the files are read but once.

Until the table is whole nobody knows what was thought of a call, so what was made waits in a folder: in frames of some
hundred calls, as `export_worker` sends them. As a program, it is the worker that reads for the table, with this beside.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from callspan.cli.cleaning import Cleaner
from callspan.cli.export_worker import receive, send
from callspan.datasets.examples import is_looked_at
from callspan.datasets.making import Calls, Made, Maker
from callspan.datasets.writing import TOLD
from callspan.errors import CallspanError
from callspan.reading.lean import Keep
from callspan.reading.table_worker import main

if TYPE_CHECKING:
    from callspan.reading.overview import Row

FORM: Final = "openai-chat"
"""The only form that is made at once: all others tell of feedback too."""
_CALLS_AT_ONCE: Final = 500  # in a frame
_BUFFER_BYTES: Final = 1 << 20
_FACTS: Final = tuple(name for name in TOLD if name != "label")  # that follows from feedback
_facts_of: Final = attrgetter(*_FACTS)


class AtOnce:
    """Makes the calls among the spans that are read, beside the table of `tables.to_arrow`."""

    def __init__(self, folder: Path, kinds: Sequence[str]) -> None:
        """Keep what is made of calls of these kinds in a folder, which must be empty."""
        self._folder = folder
        self.keep = Keep(frozenset(kinds), is_looked_at)
        self.program = ("callspan.cli.export_at_once", str(folder), *kinds)
        self._maker = Maker(FORM, Cleaner())
        self._places: list[tuple[int, int]] = []
        self._facts: list[tuple[Any, ...]] = []
        self._file: Path | None = None
        self._stream: IO[bytes] | None = None
        self._index: list[tuple[bytes, tuple[int, int], int, int]] = []
        self._redacted, self._refused = 0, Counter[str]()

    def take(self, rows: Sequence[Row]) -> None:
        """Make the calls among some rows of one file."""
        kept = [row for row in rows if row.span is not None]
        if not kept:
            return
        file = kept[0].place.file
        if file != self._file or len(self._places) >= _CALLS_AT_ONCE:
            self._write()
            self._file = file
        self._places += [row.place[1:] for row in kept]
        self._facts += map(_facts_of, kept)
        self._maker.make_chats([row.span for row in kept])

    def finish(self) -> None:
        """Write what is left, and where everything stands."""
        self._write()
        if self._stream is not None:
            self._stream.close()
        told = marshal.dumps((self._index, self._redacted, dict(self._refused)))
        self._named("index").write_bytes(told)

    def made(self, total: int, labels: Iterable[dict[str, Any]]) -> Iterator[tuple[Calls, Made]]:
        """Yield the calls, in the order of the files, with what was made of them, once all have finished.

        `total` is how many there have to be, `labels` has label, file, line_offset and line_number of those with one.
        """
        found = _Found(self._folder)
        if found.total != total:
            raise CallspanError("other calls were found than were made; nothing was written")
        return found.with_labels(labels)

    def _write(self) -> None:
        """Write a frame of what was made."""
        if not self._places:
            return
        if self._stream is None:
            self._stream = self._named("frames").open("wb", buffering=_BUFFER_BYTES)
        file = os.fsencode(str(self._file).encode("utf-8", "replace"))  # as the table has it
        made = self._maker.made()
        self._index.append((file, self._places[0], self._stream.tell(), len(self._places)))
        try:
            send(self._stream, (self._places, self._facts, made.contents, made.digests))
        except OSError:
            with suppress(OSError):  # else what did not fit is tried again, and complained of, when the program ends
                self._stream.close()
            raise
        self._redacted += made.redacted
        self._refused.update(made.refused)
        self._places, self._facts = [], []

    def _named(self, suffix: str) -> Path:
        return self._folder / f"{os.getpid()}.{suffix}"


class _Found:
    """What was made of calls, in the order of the files."""

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
        self.total = sum(size for *_, size, _ in index)

    def with_labels(self, labels: Iterable[dict[str, Any]]) -> Iterator[tuple[Calls, Made]]:
        """Yield the calls with what was made of them."""
        by_place = {(one["file"].encode(), (one["line_offset"], one["line_number"])): one["label"] for one in labels}
        redacted, refused = self._redacted, dict(self._refused)
        for file, (places, facts, contents, digests) in self._frames():
            calls: Calls = dict(zip(_FACTS, zip(*facts, strict=True), strict=True))
            calls["label"] = [by_place.get((file, place)) for place in places] if by_place else [None] * len(places)
            yield calls, Made(contents, digests, redacted, refused)
            redacted, refused = 0, {}

    def _frames(self) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
        streams = {path: path.open("rb") for path in {path for *_, path in self._index}}
        try:
            for file, _, position, _, path in self._index:
                streams[path].seek(position)
                yield file, receive(streams[path])
        finally:
            for stream in streams.values():
                stream.close()


if __name__ == "__main__":
    main(AtOnce(Path(sys.argv[1]), sys.argv[2:]))
