"""Which path a file of spans may have, and how it is opened: private, never through a link, never waiting.

What is wrong with a path is said when it is configured, while somebody is there to read it (`checked`); the same holds
when the file is opened (`open_to_append`), since a link or a pipe may have been put there in between.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final

from callspan.errors import ConfigurationError

OUR_FOLDER: Final = ".callspan"

_FLAGS: Final = (
    os.O_RDWR
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a reader must not make us wait for one
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_FOLDER_FLAGS: Final = (
    getattr(os, "O_PATH", 0)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_HAS_FOLDERS: Final = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
_ATTEMPTS: Final = 100


def checked(given: Path) -> Path:
    """Return the absolute path of a file that can be written, or created, there; nothing is created yet.

    Raises `ConfigurationError` naming the path for a folder, a pipe, a device, a link, somebody else's file, and where
    permissions do not allow it.
    """
    try:
        path = _without_system_link(given.absolute())
        there = _lstat(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError("path", given, f"{str(given)!r} cannot be used ({type(error).__name__})") from None
    if there is None:
        _check_folder(path)
        return path
    wrong = _wrong_with(there)
    if wrong is None and not os.access(path, os.R_OK | os.W_OK):
        wrong = "cannot be read and written; change its permissions"
    if wrong is None and path.parent.is_symlink():
        wrong = "is behind a symbolic link; give the path that the link leads to"
    if wrong is not None:
        raise ConfigurationError("path", given, f"{str(path)!r} {wrong}")
    return path


def checked_folder(given: Path, field: str) -> Path:
    """Return the absolute path of a folder of ours alone, or that can be made; nothing is made yet.

    Raises `ConfigurationError` naming the path.
    """
    try:
        path = _without_system_link(given.absolute() / "file").parent
        if not is_private_folder(path):
            fix = "give the path of a folder that is yours, that nobody else can write to, and that is no link"
            raise ConfigurationError(field, given, f"{str(path)!r} cannot be used; {fix}")
        _check_folder(path / "file", field)
    except (OSError, ValueError) as error:
        raise ConfigurationError(field, given, f"{str(given)!r} cannot be used ({type(error).__name__})") from None
    return path


def open_to_append(path: Path) -> int:
    """Open the file, made with mode 0600 whatever the umask says; raises `OSError` for what `checked` refuses."""
    make_folder(path.parent)
    if not _HAS_FOLDERS:
        descriptor = _open(path.name, path, None)
    else:
        folder = os.open(path.parent, _FOLDER_FLAGS)
        try:
            descriptor = _open(path.name, path, folder)
        finally:
            os.close(folder)
    wrong = _wrong_with(os.fstat(descriptor))
    if wrong is not None:
        os.close(descriptor)
        raise OSError(f"the file {wrong}")
    return beyond_standard_streams(descriptor)


def open_private(path: Path, *, creates: bool = False) -> int:
    """Open a file of ours to read and write anywhere in it; raises `OSError` for what `checked` refuses."""
    try:
        descriptor = os.open(path, _FLAGS & ~os.O_APPEND)
    except FileNotFoundError:
        if not creates:
            raise
        return open_new(path)
    wrong = _wrong_with(os.fstat(descriptor))
    if wrong is not None:
        os.close(descriptor)
        raise OSError(f"the file {wrong}")
    return beyond_standard_streams(descriptor)


def open_new(path: Path) -> int:
    """Make a file with mode 0600 whatever the umask says; raises `OSError` where there is one already."""
    descriptor = os.open(path, (_FLAGS & ~os.O_APPEND) | os.O_CREAT | os.O_EXCL, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return beyond_standard_streams(descriptor)


def is_at(path: Path, here: os.stat_result) -> bool:
    """Return whether an open file is still the one that the path leads to."""
    there = _lstat(path)
    return there is not None and os.path.samestat(there, here)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it with mode 0700; our own is kept out of version control."""
    if folder.exists():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # another process was faster
        return
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:  # the umask
        folder.chmod(0o700)
    if folder.name == OUR_FOLDER:
        try:
            (folder / ".gitignore").write_bytes(b"*\n")
        except OSError:  # the spans matter more
            return


def is_private_folder(folder: Path) -> bool:
    """Return whether nobody else can put files there: it does not exist yet, or it is ours alone."""
    there = _lstat(folder)
    if there is None:
        return True
    is_closed = sys.platform == "win32" or not stat.S_IMODE(there.st_mode) & 0o022
    return stat.S_ISDIR(there.st_mode) and _is_ours(there) and is_closed


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _is_ours(there: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or there.st_uid == os.geteuid()


def _wrong_with(there: os.stat_result) -> str | None:
    if stat.S_ISLNK(there.st_mode):
        return "is a symbolic link; give the path that it leads to"
    if not stat.S_ISREG(there.st_mode):
        return "is not a regular file; give the path of a file"
    if not _is_ours(there):
        return "belongs to another user; choose another file"
    if there.st_nlink > 1:
        return "has a second name (a hard link); choose another file"
    return None


def _check_folder(path: Path, field: str = "path") -> None:
    folder = path.parent
    while not folder.exists() and not folder.is_symlink() and folder != folder.parent:
        folder = folder.parent
    if folder.is_symlink() and folder == path.parent:
        wrong = "is a symbolic link; give the path that it leads to"
    elif not folder.is_dir():
        wrong = "is no folder; choose another path"
    elif not os.access(folder, os.W_OK | os.X_OK):
        wrong = "cannot be written; choose another folder or change its permissions"
    else:
        return
    raise ConfigurationError(field, path, f"{str(folder)!r} {wrong}")


def _without_system_link(path: Path) -> Path:
    """Follow a link directly below the root, such as /tmp on macOS: only the system can have put it there."""
    folder = path.parent
    if folder.parent == Path(folder.anchor) and folder.is_symlink():
        return folder.resolve() / path.name
    return path


def _open(name: str, path: Path, folder: int | None) -> int:
    target = path if folder is None else name
    for _ in range(_ATTEMPTS):
        try:
            return os.open(target, _FLAGS, dir_fd=folder)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(target, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        except (
            FileExistsError
        ):  # another process was faster; or a link that leads nowhere, which the next round refuses
            continue
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)
        return descriptor
    raise OSError("the file comes and goes")


def beyond_standard_streams(descriptor: int) -> int:
    """Move a file that got the number of a closed stdin, stdout or stderr: what is printed must not go into it."""
    if descriptor > 2 or sys.platform == "win32":
        return descriptor
    import fcntl  # noqa: PLC0415 - does not exist on Windows

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved
