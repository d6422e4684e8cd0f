"""Which files hold spans, and their lines one by one: plain or gzip, in bounded memory; faults are counted."""

from __future__ import annotations

import gzip
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from glob import glob
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, cast

from callspan.errors import ReadError
from callspan.reading.otlp import NOT_A_REQUEST

if TYPE_CHECKING:
    from typing_extensions import Self

NOT_A_FILE: Final = "not a file of spans"

MAX_LINE_BYTES: Final = 256 * 1024 * 1024
_FIRST_BAD_KEPT: Final = 10
_NAMES: Final = re.compile(r"(?P<stem>.+(?<!\.card)\.jsonl?)(?:\.(?P<number>\d{1,9}))?(?:\.gz)?")
_DAMAGED: Final = (EOFError, zlib.error, gzip.BadGzipFile)
_GLOB: Final = re.compile(r"[*?\[]")
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_READ_AT_ONCE: Final = 256 * 1024


@dataclass
class LoadReport:
    """What became of the lines of the files: spans read, and what could not be read, by reason.

    `first_bad` names the first ten bad places as (file, line number from 1, reason); `lines` counts them by file.
    """

    read: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: list[tuple[str, int, str]] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)

    def complain(self, file: Path, line: int, reason: str) -> None:
        """Count one bad place."""
        self.bad[reason] += 1
        if len(self.first_bad) < _FIRST_BAD_KEPT:
            self.first_bad.append((str(file), line, reason))

    def settle(self, file: Path, first: int, lines: int, before: LoadReport) -> None:
        """Count a file once, and not by its lines, when all of several lines that followed `before` are JSON of others.

        Datasets lie beside the files they were made of.
        """
        if lines < 2 or self.read > before.read or self.bad[NOT_A_REQUEST] - before.bad[NOT_A_REQUEST] != lines:
            return
        self.bad[NOT_A_REQUEST] -= lines
        self.bad += Counter()  # none is no reason
        self.first_bad = self.first_bad[: len(before.first_bad)]
        self.complain(file, first, NOT_A_FILE)

    def add(self, later: LoadReport) -> None:
        """Add what was found in other files, or in the lines of the same files that come after those counted here."""
        self.read += later.read
        self.bad.update(later.bad)
        room = _FIRST_BAD_KEPT - len(self.first_bad)
        self.first_bad += [(file, line + self.lines[file], why) for file, line, why in later.first_bad[:room]]
        self.lines.update(later.lines)


class Segment(NamedTuple):
    """The lines of a file that start in [start, end), in bytes; None is its end. A packed file is whole."""

    file: Path
    start: int = 0
    end: int | None = None


class Line(NamedTuple):
    """One line of a file, where it starts (bytes, of the unpacked text where the file is packed) and its number."""

    file: Path
    number: int
    offset: int
    text: bytes


def files_of(path: str | os.PathLike[str]) -> list[Path]:
    """Return the files to read: `path` itself, those that a glob finds, or those of a folder that hold spans by name.

    In a folder these are `*.jsonl` and `*.json`, rotated ones (`*.jsonl.1`) and packed ones (`*.gz`) too, but not the
    cards of datasets (`*.card.json`); a file's
    rotated predecessors come before it, oldest first. Raises `ReadError` when `path` is missing or cannot be opened.
    """
    given = Path(path)
    try:
        if _GLOB.search(str(given)) and not given.exists():
            found = map(Path, glob(str(given), recursive=True))  # noqa: PTH207 - a Path globs below a folder only
            return sorted((file for file in found if file.is_file()), key=_age)
        if not given.is_dir():
            with given.open("rb"):
                return [given]
        return sorted((file for file in given.iterdir() if _NAMES.fullmatch(file.name) and file.is_file()), key=_age)
    except OSError as error:
        raise ReadError(error.errno, error.strerror or type(error).__name__, str(given)) from None


def _age(file: Path) -> tuple[str, int, str]:
    match = _NAMES.fullmatch(file.name)
    stem, number = (match["stem"], match["number"]) if match is not None else (file.name, 0)
    return str(file.parent / stem), -int(number or 0), file.name


def read_lines(files: Iterable[Path | Segment], report: LoadReport) -> Iterator[Line]:
    """Yield every line that is not blank, of one file after the other; the report counts what cannot be read.

    A file that starts with a line of a single bracket is one document over many lines, and yielded as one. The lines of
    a segment are numbered from the last one of the same file that the report has seen.
    """
    for given in files:
        file, start, end = given if isinstance(given, Segment) else Segment(given)
        number = report.lines[str(file)] if start else 0
        first, seen, before = number + 1, 0, LoadReport(report.read, report.bad.copy(), report.first_bad.copy())
        try:
            with open_unpacked(file) as stream:
                offset = _first_line(stream, start)
                most = sys.maxsize if end is None else end
                while offset < most and (text := stream.readline(MAX_LINE_BYTES)):
                    number += 1
                    if not offset:
                        text = _document(stream, text)
                    length = len(text)
                    if length >= MAX_LINE_BYTES and _is_cut(text):
                        report.complain(file, number, "line too long")
                        length += _skip_line(stream)
                    elif not text.isspace():
                        seen += 1
                        yield Line(file, number, offset, text.removeprefix(_BOM))
                    offset += length
        except _DAMAGED:
            report.complain(file, number + 1, "damaged gzip")
        except OSError as error:
            report.complain(file, number + 1, f"unreadable file: {error.strerror or type(error).__name__}")
        report.lines[str(file)] = number
        report.settle(file, first, seen, before)


class Again:
    """Reads lines again, of one file at a time, which stays open until `close` or the end of a `with`.

    To find a place in a packed file takes as long as to read it up to there, so whoever comes back should come back to
    the same one of these.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self._file: Path | None = None
        self._stream: IO[bytes] | None = None

    def lines(self, file: Path, offsets: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that start at `offsets`, in rising order; ends early when the file has changed or gone."""
        try:
            stream = self._opened(file)
            for offset in sorted(offsets):
                stream.seek(offset)
                text = stream.readline(MAX_LINE_BYTES)
                yield offset, (text if offset else _document(stream, text)).removeprefix(_BOM)
        except (OSError, *_DAMAGED):
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
        self._file = self._stream = None

    def _opened(self, file: Path) -> IO[bytes]:
        if self._stream is None or file != self._file:
            self.close()
            self._stream, self._file = open_unpacked(file), file
        return self._stream

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def is_packed(file: Path) -> bool:
    """Return whether the file's first bytes say gzip; False where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(2) == _GZIP
    except OSError:
        return False


def open_unpacked(file: Path) -> IO[bytes]:
    """Open a file for reading, unpacking it when its first bytes say gzip, whatever its name."""
    stream = BufferedReader(file.open("rb", buffering=0), _READ_AT_ONCE)
    if stream.peek(2)[:2] != _GZIP:
        return stream
    stream.close()
    return cast("IO[bytes]", gzip.open(file))


def _document(stream: IO[bytes], first: bytes) -> bytes:
    """Return the first line of a file, or all of it where that line is a single bracket."""
    if first.removeprefix(_BOM).strip() in (b"{", b"["):
        return first + stream.read(MAX_LINE_BYTES - len(first))
    return first


def _first_line(stream: IO[bytes], start: int) -> int:
    """Go to the first line that starts at or after byte `start`; return where that is."""
    if not start:
        return 0
    stream.seek(start - 1)
    return start - 1 + _skip_line(stream)


def _is_cut(text: bytes) -> bool:
    return len(text) >= MAX_LINE_BYTES and not text.endswith(b"\n")


def _skip_line(stream: IO[bytes]) -> int:
    skipped = 0
    while text := stream.readline(MAX_LINE_BYTES):
        skipped += len(text)
        if text.endswith(b"\n"):
            break
    return skipped
