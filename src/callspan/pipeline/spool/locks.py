"""Who owns a folder of a spool: whoever has locked the file `lock` in it. The system unlocks it when a process ends."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final

from callspan.exporters.paths import open_private

if sys.platform == "win32":  # pragma: no cover - other locks, the same meaning
    import msvcrt
else:
    import fcntl

LOCK: Final = "lock"


def locked(path: Path, *, is_new: bool) -> int | None:
    """Return the lock's descriptor; None where another process, or another part of this one, holds it."""
    lock = path / LOCK
    try:
        descriptor = open_private(lock, creates=True)
    except (FileNotFoundError, FileExistsError):  # another process has just removed the folder, or made the lock
        return None
    try:
        if sys.platform == "win32":  # pragma: no cover
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.lstat(lock)):
            return descriptor
    except FileNotFoundError:  # whoever had it has removed it
        pass
    except (BlockingIOError, PermissionError):
        pass
    except OSError:  # a file system without locks: ours is nobody else's, others are not for us
        if is_new:
            return descriptor
    os.close(descriptor)
    return None


def is_folder_name(name: str) -> bool:
    """Return whether a folder of a spool may be called that."""
    return len(name) == 16 and not set(name) - set("0123456789abcdef")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether this may be a folder of ours, without following a link."""
    try:
        return is_folder_name(entry.name) and stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False
