"""Renames a full file to `name.1`, `name.1` to `name.2`, and so on; the oldest goes."""

from __future__ import annotations

from pathlib import Path


def rotate(path: Path, backups: int) -> None:
    """Make room at `path`, keeping `backups` older files; with 0 the full file is deleted.

    A file that somebody else takes away in the meantime is not missed. Raises `OSError` when the folder cannot be
    changed.
    """
    if backups <= 0:
        path.unlink(missing_ok=True)
        return
    for number in range(backups, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        try:
            newer.replace(older)
        except FileNotFoundError:
            continue
