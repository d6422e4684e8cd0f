"""A file that threads and processes append whole lines to.

Every append happens under an advisory lock of the file where the system has them, in one write if the disk takes it.
What the disk takes only in part is taken back to the end of a line. A file that was rotated, moved or deleted meanwhile
is left for the one that stands at the path now.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Final

from callspan.exporters.paths import is_at, open_to_append
from callspan.exporters.rotation import rotate

if sys.platform == "win32":  # pragma: no cover - no advisory locks; each process has its own file there
    fcntl = None
else:
    import fcntl

IS_SHARED: Final = fcntl is not None
"""Whether several processes may append to one file."""

_ATTEMPTS: Final = 1000
_WAIT_S: Final = 10.0
_PAUSE_S: Final = (0.0002, 0.005)


class AppendedFile:
    """Appends to the file at `path`, opened with the first line. `max_bytes` and `backups` as in `FileExporter`."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        """Remember the path; nothing is opened yet."""
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._descriptor: int | None = None
        self._opened: os.stat_result | None = None
        self._turn = threading.Lock()
        _files.add(self)

    def append(self, data: bytes) -> tuple[int, OSError | None]:
        """Append whole lines; return how many bytes of whole lines the file took, and what kept it from taking more."""
        turn = self._turn
        # Two pipelines, an old one that drains and a new one, may share a file; with a limit, since the lock may be
        # held further down on this very stack, where a signal came in.
        if not turn.acquire(timeout=_WAIT_S):
            return 0, OSError(errno.EBUSY, "another thread keeps it busy")
        try:
            descriptor = self._locked(len(data))
            try:
                return _write(descriptor, data)
            finally:
                _unlock(descriptor)
        except OSError as error:
            self._let_go()
            return 0, error
        finally:
            turn.release()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._turn.acquire(timeout=_WAIT_S):
            try:
                self._let_go()
            finally:
                self._turn.release()

    def after_fork(self) -> None:
        """Start over in a child: it shares the open file with its parent, and a lock belongs to the open file."""
        self._turn = threading.Lock()
        self._let_go()

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._is_ours(descriptor):
            os.close(descriptor)

    def _is_ours(self, descriptor: int) -> bool:
        """Return whether the number still means our file: a program that becomes a daemon closes all it finds open."""
        try:
            return self._opened is not None and os.path.samestat(os.fstat(descriptor), self._opened)
        except OSError:
            return False

    def _ready(self) -> int:
        descriptor = self._descriptor
        if descriptor is None or not self._is_ours(descriptor):
            self._descriptor = descriptor = open_to_append(self.path)
            self._opened = os.fstat(descriptor)
        return descriptor

    def _locked(self, count: int) -> int:
        """Return the open, locked file that stands at the path now, after rotating it where that is due."""
        for _ in range(_ATTEMPTS):
            descriptor = self._ready()
            _lock(descriptor)
            try:
                here = os.fstat(descriptor)
                stands = is_at(self.path, here)
                if stands and not (self._max_bytes and 0 < here.st_size > self._max_bytes - count):
                    return descriptor
                if stands:
                    self._rotate()
            except BaseException:
                _unlock(descriptor)
                raise
            _unlock(descriptor)
            self._let_go()
        raise OSError("the file keeps being moved away")

    def _rotate(self) -> None:
        if not IS_SHARED:  # Windows does not rename open files
            self._let_go()
        rotate(self.path, self._backups)


def _write(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
    start = os.fstat(descriptor).st_size
    # Whoever was killed in the middle of a line must not spoil ours.
    head = b"" if _ends_with_line(descriptor, start) else b"\n"
    written, error = write_all(descriptor, head + data)
    if error is None:
        return len(data), None
    whole = (head + data).rfind(b"\n", 0, written) + 1
    if os.fstat(descriptor).st_size == start + written:  # nobody truncated it meanwhile
        os.ftruncate(descriptor, start + whole)
    return max(whole - len(head), 0), error


def write_all(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
    """Write as much as the disk takes; return how many bytes that was, and what kept it from taking more."""
    written = 0
    while written < len(data):
        try:
            count = os.write(descriptor, data[written:] if written else data)
        except OSError as error:
            return written, error
        if not count:
            return written, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += count
    return written, None


def _ends_with_line(descriptor: int, size: int) -> bool:
    return not size or not hasattr(os, "pread") or os.pread(descriptor, 1, size - 1) == b"\n"


def _lock(descriptor: int) -> None:
    """Lock the file against other processes; asks again and again, since a process that is stopped keeps its lock."""
    if fcntl is None:
        return
    until, pause = time.monotonic() + _WAIT_S, _PAUSE_S[0]
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise OSError(errno.EBUSY, "another process keeps it locked") from None
            time.sleep(pause)
            pause = min(pause * 1.5, _PAUSE_S[1])
        except OSError:  # a file system without locks: one write per batch has to do
            return
        else:
            return


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError:  # a file system without locks
            return


_files: Final[weakref.WeakSet[AppendedFile]] = weakref.WeakSet()


def _after_fork() -> None:
    for file in list(_files):
        file.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
