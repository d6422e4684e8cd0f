"""Opens snapshots in the worker: the copies that `freeze` took level by level become trees again, in JSON's terms.

The copies are ours alone, so they are spelled where they stand: one look at each value, and nothing is copied again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from callspan.model.span import Snapshot
from callspan.recording.plain import DEPTH, free_key, key_text, plain
from callspan.recording.snapshot import Chunk, Vector, Whole
from callspan.recording.stored_fields import placeholder

_SCALARS: Final = frozenset(map(id, [str, int, float, bool, type(None)]))
_BIG: Final = 1 << 63
_LEVELS: Final = DEPTH - 2  # the first two are linked before levels are counted


def thaw(snapshot: Snapshot) -> list[Any]:
    """Return the roots as plain trees of our own. Called once, by the worker: the snapshot is used up."""
    roots, _, copies, *_ = snapshot
    deep: Iterator[Any] = iter(copies or ())
    linked: list[Any] = []
    for index, root in enumerate(roots):
        kind = type(root)
        if kind is dict:
            _link(root, deep, linked)
        elif kind is list:
            _link_rows(root, deep, linked)
        elif kind is Whole:
            roots[index] = plain(root.tree)
        elif kind is not str:
            roots[index] = _numbers(root) if kind is Vector else plain(root)
    for _ in range(_LEVELS):
        if not linked:
            return roots
        level, linked = linked, []
        for copied in level:
            _link(copied, deep, linked)
    return _cut_off(roots, deep, linked)


def _cut_off(roots: list[Any], deep: Iterator[Any], linked: list[Any]) -> list[Any]:
    """Open the rest of what is nested very deeply, and leave out what is too deep."""
    for copied in linked:  # grows, as `deep` did when they were copied
        _link(copied, deep, linked)
    return [plain(root) for root in roots]


def _link(copied: Any, deep: Iterator[Any], linked: list[Any]) -> None:
    """Put the copies of what lies deeper where the originals stand, in the order in which freeze found them.

    What is no plain scalar is spelled, and so are keys that are no texts.
    """
    if type(copied) is list:
        for place, value in enumerate(copied):
            if type(value) is not str:
                copied[place] = _opened(value, deep, linked)
        return
    places: list[str] = []
    for key, value in copied.items():
        if type(key) is not str:
            _spell_keys(copied)
            _link(copied, deep, linked)
            return
        kind = type(value)
        if kind is str or kind is bool or value is None:
            continue
        if (kind is int and -_BIG <= value < _BIG) or (kind is float and value - value == 0):
            continue
        places.append(key)
    for key in places:
        copied[key] = _opened(copied[key], deep, linked)


def _link_rows(rows: list[Any], deep: Iterator[Any], linked: list[Any]) -> None:
    """Do the same for the items of a list at the top, whose dictionaries `freeze` copied with it."""
    for place, row in enumerate(rows):
        kind = type(row)
        if kind is dict:
            for key, value in row.items():  # messages hold texts alone, mostly
                if type(value) is not str or type(key) is not str:
                    _link(row, deep, linked)
                    break
        elif kind is Chunk:
            rows[place] = thaw(row.snapshot)[0]
        elif kind is not str:
            rows[place] = _opened(row, deep, linked)


def _opened(value: Any, deep: Iterator[Any], linked: list[Any]) -> Any:
    """Return the copy that stands for a container, or the text for a scalar that JSON lacks."""
    kind = type(value)
    if (kind is int and -_BIG <= value < _BIG) or (kind is float and value - value == 0):
        return value
    if kind is not dict and kind is not list and kind is not tuple:
        return plain(value)
    copied = next(deep)
    if type(copied) is Vector:
        return _numbers(copied)
    linked.append(copied)
    return copied


def _spell_keys(copied: dict[Any, Any]) -> None:
    """Spell the keys as texts; the values stay in their order."""
    pairs = [*copied.items()]
    copied.clear()
    for key, value in pairs:
        copied[free_key(copied, key_text(key))] = value


def _numbers(vector: Vector) -> Any:
    """Return the items of a vector; what is no scalar after all is named, since nothing of it was copied."""
    items = vector.items
    if not _SCALARS.issuperset(map(id, map(type, items))):
        items = [item if id(type(item)) in _SCALARS else placeholder(type(item)) for item in items]
    return plain(items)
