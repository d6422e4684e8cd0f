"""One process' part of a spool: a folder that belongs to whoever holds its lock, and the files of lines in it.

    lock                locked for as long as the process lives; the system lets go of it, however the process ends
    00000001.spool …    a first line that says whose spans these are, then a line per span
    otlp.done           the number of the first span that this exporter is not done with

Spans are numbered through all files of a folder, and every line counts, the unreadable ones too. No file is kept open
but the lock: what is opened for each batch cannot be closed, or become somebody else's, in between.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from callspan.encoding.stored import UnreadableError, head
from callspan.exporters.appending import write_all
from callspan.exporters.paths import is_private_folder, make_folder, open_new, open_private
from callspan.model.resource import Resource
from callspan.pipeline.spool.locks import LOCK, locked
from callspan.pipeline.spool.segments import SUFFIX, Segment, lines_in, surveyed

_DONE: Final = ".done"
_NAME_CHARACTERS: Final = 64


class Folder:
    """A folder whose lock is held. One thread changes it, any may read `segments`, which is replaced, not changed."""

    def __init__(self, path: Path, lock: int) -> None:
        """Own the folder; `make` and `take_over` know how to get there."""
        self.path = path
        self.segments: tuple[Segment, ...] = ()
        self.next = 0
        """The number of the next span."""
        self._lock = lock
        self._locked = os.fstat(lock)
        self._is_sealed = True  # the next span begins a new file

    # -- getting hold of one -------------------------------------------------------------------------------------------

    @classmethod
    def make(cls, spool_dir: Path) -> Folder:
        """Make a folder that is nobody else's. Raises `OSError` where that cannot be."""
        make_folder(spool_dir)
        if not is_private_folder(spool_dir):
            raise OSError(errno.EPERM, "the spool's folder belongs to, or can be written by, somebody else")
        for _ in range(10):
            path = spool_dir / os.urandom(8).hex()
            path.mkdir(mode=0o700)
            try:
                path.chmod(0o700)  # whatever the umask
            except FileNotFoundError:  # somebody took it for what a dead process left, and removed it
                continue
            lock = locked(path, is_new=True)
            if lock is not None:
                return cls(path, lock)
        raise OSError(errno.EAGAIN, "somebody else takes every new folder")  # pragma: no cover

    @classmethod
    def take_over(cls, path: Path) -> Folder | None:
        """Return the folder of a process that has ended; None where it has not, or the folder is not for us."""
        if not is_private_folder(path):
            return None
        lock = locked(path, is_new=False)
        return None if lock is None else cls(path, lock)

    def is_held(self) -> bool:
        """Return whether the folder is still ours: a program that becomes a daemon closes all files it finds."""
        if not self._has_lock():
            lock = locked(self.path, is_new=False)
            if lock is None:
                return False
            self._lock, self._locked = lock, os.fstat(lock)
        return True

    def _has_lock(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock), self._locked)
        except OSError:
            return False

    def let_go(self) -> None:
        """Leave the folder to whoever comes next; in a forked child, which shares the lock, to the parent."""
        if self._has_lock():
            os.close(self._lock)
        self._lock = -1

    def remove(self) -> None:
        """Delete the folder if it holds nothing but what is done with, and let go of it."""
        if not self.segments and self._has_lock():
            for path in (*self.path.glob(f"*{_DONE}"), *self.path.glob(f"*{SUFFIX}")):  # the latter are empty
                path.unlink(missing_ok=True)
            try:
                (self.path / LOCK).unlink(missing_ok=True)
                self.path.rmdir()
            except OSError:  # somebody keeps something of his own there
                pass
        self.let_go()

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, lines: Sequence[bytes], resource: Resource, *, syncs: bool) -> tuple[int, OSError | None]:
        """Append lines; return how many were taken, and what kept it from taking more.

        What the disk takes in part is taken back to the end of a line, and the next line begins a new file.
        """
        before = self.next
        try:
            if self._is_sealed:
                self._begin(lines, resource, syncs=syncs)
            else:
                self._extend(self.segments[-1], lines, syncs=syncs)
        except OSError as error:
            self._is_sealed = True
            return self.next - before, error
        return len(lines), None

    def seal(self) -> None:
        """Let the next span begin a new file."""
        self._is_sealed = True

    def _begin(self, lines: Sequence[bytes], resource: Resource, *, syncs: bool) -> None:
        number = self.segments[-1].number + 1 if self.segments else self._last_number() + 1
        path = self.path / f"{number:08d}{SUFFIX}"
        first_line = head(resource, self.next)
        segment = Segment(path, resource, self.next, 0, 0, len(first_line), 0.0)
        descriptor = open_new(path)
        try:
            self._write(descriptor, segment, (first_line, *lines), syncs=syncs)
        finally:
            os.close(descriptor)
            if not segment.count:
                path.unlink(missing_ok=True)
        self._is_sealed = False
        if syncs:
            _sync_folder(self.path)

    def _last_number(self) -> int:
        numbers = [int(path.name[:8]) for path in self.path.glob(f"*{SUFFIX}") if path.name[:8].isdecimal()]
        return max(numbers, default=0)

    def _extend(self, segment: Segment, lines: Sequence[bytes], *, syncs: bool) -> None:
        descriptor = open_private(segment.path)
        try:
            if os.fstat(descriptor).st_size != segment.size:
                raise OSError(errno.EIO, "somebody else has written to a file of the spool")
            os.lseek(descriptor, segment.size, os.SEEK_SET)
            self._write(descriptor, segment, lines, syncs=syncs)
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, segment: Segment, lines: Sequence[bytes], *, syncs: bool) -> None:
        written, error = write_all(descriptor, b"".join(lines))
        count = size = 0
        for line in lines:
            if size + len(line) > written:
                break
            size += len(line)
            count += 1
        if error is not None:
            os.ftruncate(descriptor, segment.size + size)
        self._note(segment, count - (segment.size == 0), size)
        if error is not None:
            raise error
        if syncs:
            _sync(descriptor)

    def _note(self, segment: Segment, count: int, size: int) -> None:
        if count <= 0:  # not even a span behind the first line
            return
        segment.changed_s = segment.path.stat().st_mtime
        segment.size += size
        segment.count += count  # after the size: who sees the span finds its line
        if segment not in self.segments:
            self.segments = (*self.segments, segment)
        self.next = segment.end  # last: whoever reads up to it finds the rest in place

    def drop(self, segment: Segment) -> None:
        """Delete a file. Needs no room on the disk."""
        if self.segments and self.segments[-1] is segment:
            self._is_sealed = True
        self.segments = tuple(it for it in self.segments if it is not segment)
        segment.path.unlink(missing_ok=True)

    # -- reading -------------------------------------------------------------------------------------------------------

    def survey(self) -> Iterator[tuple[Path, int]]:
        """Find out what a dead process left, and yield the files that cannot be read, with how many lines they have."""
        found: list[Segment] = []
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            try:
                segment = surveyed(path)
            except (OSError, UnreadableError, ValueError):
                yield path, lines_in(path)
                continue
            if segment is None:
                continue  # nothing is in it yet
            if found:  # a file that somebody made longer moves the others on: better twice than never
                segment.first = max(segment.first, found[-1].end)
            found.append(segment)
        self.segments = tuple(found)
        self.next = found[-1].end if found else 0
        self._is_sealed = True

    def left(self, start: int, end: int) -> int:
        """Return how many spans there are from number `start` on, and before `end`."""
        parts = ((max(segment.first, start), min(segment.end, end)) for segment in self.segments)
        return sum(stop - first for first, stop in parts if stop > first)

    def at(self, number: int) -> Segment | None:
        """Return the file of that span, or of the next one there is; None at the end."""
        return next((segment for segment in self.segments if segment.end > number), None)

    # -- acknowledgements ----------------------------------------------------------------------------------------------

    def acknowledge(self, exporter: str, number: int) -> None:
        """Write down that an exporter is done with all spans before `number`. An unwritten one costs duplicates."""
        if self._lock < 0 or not self.path.exists():
            return
        text = b"%020d" % number
        descriptor = open_private(self._done_of(exporter), creates=True)
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b"%b %08x\n" % (text, zlib.crc32(text)))
        finally:
            os.close(descriptor)

    def acknowledged(self, exporter: str) -> int:
        """Return the number of the first span that the exporter is not done with."""
        try:
            descriptor = open_private(self._done_of(exporter))
        except OSError:
            return 0
        try:
            text, _, check = os.read(descriptor, 64).strip().partition(b" ")
        except OSError:
            return 0
        finally:
            os.close(descriptor)
        return int(text) if text.isdigit() and check == b"%08x" % zlib.crc32(text) else 0

    def _done_of(self, exporter: str) -> Path:
        """Return the exporter's file; its name may hold anything, and may be as long as it likes."""
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in exporter)
        if plain != exporter or len(plain) > _NAME_CHARACTERS:
            data = exporter.encode("utf-8", "surrogatepass")
            plain = f"{plain[:_NAME_CHARACTERS]}-{zlib.crc32(data):08x}"
        return self.path / f"{plain}{_DONE}"


def _sync(descriptor: int) -> None:
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(descriptor)


def _sync_folder(path: Path) -> None:
    """Make sure that a new file is found after a power cut, too."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
