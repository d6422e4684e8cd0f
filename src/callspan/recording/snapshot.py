"""Private copies of values, taken on the caller's thread in the time of a few attribute look-ups.

A record shows a value as it was at the call, so something has to be copied there and then. Strings and numbers are
kept by reference, they cannot change. The containers of the top two levels are copied one by one, which is also where
sizes and types are checked. What lies deeper is copied by one `marshal.dumps`: it runs no Python code, does not
release the GIL, ends cycles and shared structures, and refuses what is not a plain builtin. Everything else goes to
the total copier (`recording.copier`). The worker opens the snapshot again with `thaw`.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator
from typing import Any, Final

from callspan.model.span import Snapshot
from callspan.recording.copier import SNAPSHOT_BYTES, Copier

_ITEMS: Final = 1024  # longer containers go to the copier, which counts nodes
_NUMBERS: Final = 32_768  # a longer vector does, too
_FOREIGN: Final = -1
_VECTOR: Final = -2
_MARSHAL_VERSION: Final = 4  # the first whose references end cycles and shared structures


class Chunk:
    """Marks a chunk of a stream that is a snapshot of its own."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot) -> None:
        """Hold the snapshot."""
        self.snapshot = snapshot


class Whole:
    """Marks a root that the copier made, and that has nothing left in the blob."""

    __slots__ = ("tree",)

    def __init__(self, tree: Any) -> None:
        """Hold the tree."""
        self.tree = tree


def freeze(  # noqa: C901, PLR0912 - one flat sequence: a call in here would show in every span
    roots: list[Any],
    names: tuple[str, ...] | None = None,
    open_objects: bool = False,  # noqa: FBT001, FBT002 - by position, for speed
) -> Snapshot:
    """Replace the values in `roots`, a list of our own, by private copies.

    Never runs code of the values' types; what cannot be copied becomes a placeholder that names its type. With
    `open_objects`, plain objects are copied by their stored public fields too.
    """
    size = 0
    deep: list[Any] = []
    foreign = None
    for index, root in enumerate(roots):
        kind = type(root)
        if kind is str:
            size += len(root)
        elif kind is int or kind is float or root is None or kind is bool:
            pass
        else:
            before = len(deep)
            added = _FOREIGN
            if kind is dict:
                if len(root) <= _ITEMS:
                    roots[index] = copied = root.copy()
                    added = _check(copied.values(), deep)
            elif kind is list or kind is tuple:
                rows: list[Any] = []
                added = _copy_rows(root, rows, deep)
                if added == _VECTOR:
                    deep.append(root)
                    added = 0
                elif added != _FOREIGN:
                    roots[index] = rows
            if added == _FOREIGN:
                del deep[before:]
                foreign = [index] if foreign is None else [*foreign, index]
            else:
                size += added
    blob = None
    if deep:
        try:
            blob = marshal.dumps(deep, _MARSHAL_VERSION)
            size += len(blob)
        except ValueError:  # something in there is not plain, or it is nested too deeply
            size = SNAPSHOT_BYTES + 1
    if size > SNAPSHOT_BYTES:
        return _copy(roots, names, None, 0, range(len(roots)), open_objects=open_objects)
    if foreign is not None:
        return _copy(roots, names, blob, size, foreign, open_objects=open_objects)
    return roots, names, blob, size, 0, None


def _copy_rows(root: Any, rows: list[Any], deep: list[Any]) -> int:
    """Copy the items of a list into `rows`, dictionaries one by one; return the size, _FOREIGN or _VECTOR."""
    if len(root) > _ITEMS:
        return _VECTOR if _is_vector(root) else _FOREIGN
    size = 0
    for row in root:
        kind = type(row)
        if kind is dict:
            copied = row.copy()
            rows.append(copied)
            for value in copied.values():  # what _check does, without calling it for every document
                kind = type(value)
                if kind is str:
                    size += len(value)
                elif kind is float or kind is int:
                    pass
                elif kind is dict or kind is list or kind is tuple:
                    if len(value) > _ITEMS and not _is_vector(value):
                        return _FOREIGN
                    deep.append(value)
                elif value is not None and kind is not bool:
                    return _FOREIGN
        elif (kind is float or kind is int) and not rows and _is_vector(root):
            return _VECTOR
        else:
            rows.append(row)
            added = _check((row,), deep)
            if added == _FOREIGN:
                return _FOREIGN
            size += added
    return size


def _check(values: Iterable[Any], deep: list[Any]) -> int:
    """Weigh the values of containers of our own and note the containers among them; return the size, or _FOREIGN."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind is float or kind is int:
            pass
        elif kind is dict or kind is list or kind is tuple:
            if len(value) > _ITEMS and not _is_vector(value):
                return _FOREIGN
            deep.append(value)
        elif value is not None and kind is not bool:
            return _FOREIGN
    return size


def _is_vector(value: Any) -> bool:
    """Return whether a non-empty sequence looks like numbers, and few enough for marshal to copy them all."""
    kind = type(value)
    if kind is not list and kind is not tuple:
        return False
    try:
        first = type(value[0])
    except IndexError:  # another thread emptied it
        return False
    return (first is float or first is int) and len(value) <= _NUMBERS


def _copy(
    roots: list[Any],
    names: tuple[str, ...] | None,
    blob: bytes | None,
    size: int,
    indexes: Iterable[int],
    *,
    open_objects: bool,
) -> Snapshot:
    """Let the copier make these roots anew, from the originals that the shallow copies still hold below."""
    copier = Copier(open_objects=open_objects)
    for index in indexes:
        roots[index] = Whole(copier.copy(roots[index]))
    return roots, names, blob, size + copier.size, copier.cut_bytes, copier.prompts


# -- in the worker -----------------------------------------------------------------------------------------------------


def thaw(snapshot: Snapshot) -> list[Any]:
    """Return the roots as trees of plain builtins. Called once, by the worker: the snapshot is used up."""
    roots, _, blob, *_ = snapshot
    deep: Iterator[Any] = iter(marshal.loads(blob)) if blob else iter(())  # noqa: S302 - our own bytes
    for index, root in enumerate(roots):
        kind = type(root)
        if kind is Whole:
            roots[index] = root.tree
        elif kind is dict:
            _relink(root, root.items(), deep)
        elif kind is list or kind is tuple:
            if _is_vector(root):
                roots[index] = next(deep)
                continue
            for place, row in enumerate(root):
                kind = type(row)
                if kind is dict:
                    _relink(row, row.items(), deep)
                elif kind is list or kind is tuple:
                    root[place] = next(deep)
                elif kind is Chunk:
                    root[place] = thaw(row.snapshot)[0]
    return roots


def _relink(copied: dict[Any, Any], items: Any, deep: Iterator[Any]) -> None:
    """Put the copies of the deep parts where freeze found the originals, in the same order."""
    for key, value in items:
        kind = type(value)
        if kind is dict or kind is list or kind is tuple:
            copied[key] = next(deep)
