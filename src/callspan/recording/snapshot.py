"""Private copies of values, taken on the caller's thread in the time of a few attribute look-ups.

A record shows a value as it was at the call, so something has to be copied there and then. Strings and numbers are
kept by reference, they cannot change. Containers of exactly the builtin types are copied level by level, each by one
call of C code that runs nothing of theirs; types and sizes are checked on the copies, which no other thread can reach.
What is of another type, too much, or nested in itself goes to the total copier (`recording.copier`). The worker opens
the snapshot with `recording.thawing.thaw`.

`marshal.dumps` would copy what lies deep a little faster. But it asks every object that it does not know for its
buffer: so it copies whole arrays, and it runs `__buffer__` of Python classes in the middle of a list they may change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from callspan.model.span import Snapshot
from callspan.recording.copier import SNAPSHOT_BYTES, Copier

_ITEMS: Final = 8192  # in one value; what is longer goes to the copier, which says what it left out
_DEEP_ITEMS: Final = 8192  # below the first two levels, in all
_SHORT: Final = 32  # of so few items, each is checked
_NUMBERS: Final = 131_072  # in longer vectors, in all
_NUMBER_BYTES: Final = 32
_CONTAINER_BYTES: Final = 144  # a small dictionary with what the collector of garbage adds; a list holds less
_LARGE_BYTES: Final = 16_384
_ITEM_BYTES: Final = 32  # a place in a container, and a number in it
_FOREIGN: Final = -1
_VECTOR: Final = -2

# Types by identity: a set of classes would ask each class for its hash, and so its metaclass.
_CONTAINERS: Final = frozenset(map(id, [dict, list, tuple]))
_SCALARS: Final = frozenset(map(id, [str, int, float, bool, type(None)]))
_ONLY_NUMBERS: Final = frozenset(map(id, [float, int]))


class Chunk:
    """Marks a chunk of a stream that is a snapshot of its own."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot) -> None:
        """Hold the snapshot."""
        self.snapshot = snapshot


class Vector:
    """Marks a copy of what looks like a vector; nobody has looked at all its items yet."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        """Hold the items."""
        self.items = items


class Texts:
    """Marks dictionaries of nothing but texts that we have just made ourselves: `freeze` takes them as they are."""

    __slots__ = ("rows", "size")

    def __init__(self, rows: list[dict[str, Any]], size: int) -> None:
        """Hold them, and the length of all texts."""
        self.rows = rows
        self.size = size


class Whole:
    """Marks a root that the copier made: a plain tree."""

    __slots__ = ("tree",)

    def __init__(self, tree: Any) -> None:
        """Hold the tree."""
        self.tree = tree


def freeze(  # noqa: C901, PLR0912 - one loop, which calls nothing for what is plain
    roots: list[Any],
    names: tuple[str, ...] | None = None,
    open_objects: bool = False,  # noqa: FBT001, FBT002 - by position, for speed
) -> Snapshot:
    """Replace the values in `roots`, a list of our own, by private copies.

    Runs no code of the values' types, but for the `__eq__` of keys that have one hash; what cannot be copied becomes a
    placeholder that names its type. With `open_objects`, plain objects are copied by their stored public fields too.
    """
    if len(roots) == 1 and type(roots[0]) is str and len(roots[0]) <= SNAPSHOT_BYTES:  # most answers
        size = roots[0].__sizeof__()
        return roots, names, None, size + (size >> 3 if size > _LARGE_BYTES else 0), 0, None
    size = 0
    deep: list[Any] = []
    foreign = None
    copies: list[Any] | None = None
    try:
        for index, root in enumerate(roots):
            kind = type(root)
            if kind is str:
                size += root.__sizeof__()
            elif kind is int or kind is float or root is None or kind is bool:
                pass
            else:
                before = len(deep)
                added = _FOREIGN
                if kind is dict:
                    if len(root) <= _ITEMS:
                        roots[index] = copied = root.copy()
                        added = _check(copied.values(), deep, _CONTAINER_BYTES + _ITEM_BYTES * len(copied))
                elif kind is list or kind is tuple:
                    rows: list[Any] = []
                    added = _copy_rows(root, rows, deep)
                    if added == _VECTOR:
                        roots[index] = Vector([*root])
                        added = _NUMBER_BYTES * len(root)
                    elif added != _FOREIGN:
                        roots[index] = rows
                elif kind is Texts and len(root.rows) <= _ITEMS:
                    roots[index], added = root.rows, root.size
                if added == _FOREIGN:
                    del deep[before:]
                    foreign = [index] if foreign is None else [*foreign, index]
                else:
                    size += added
        if deep:
            copies = []
            size = _copy_deep(deep, copies, size)
    except Exception:  # noqa: BLE001 - two keys of one hash, which a dictionary compares while it is copied
        size = _FOREIGN
    if size == _FOREIGN or (size > SNAPSHOT_BYTES and _told_bytes(roots, copies, foreign or ()) > SNAPSHOT_BYTES):
        return _copy(roots, names, None, 0, range(len(roots)), open_objects=open_objects)
    if foreign is not None:
        return _copy(roots, names, copies, size, foreign, open_objects=open_objects)
    if size > _LARGE_BYTES:
        size += size >> 3  # the allocator of large blocks leaves gaps, some more with every text that comes and goes
    return roots, names, copies, size, 0, None


def freeze_own(tree: dict[Any, Any] | Texts) -> Snapshot:
    """Do the same for one value that we have just made ourselves: what is plain and small is taken as it is."""
    if isinstance(tree, Texts):
        is_small = tree.size <= _LARGE_BYTES and len(tree.rows) <= _SHORT
        return ([tree.rows], None, None, tree.size, 0, None) if is_small else freeze([tree])
    size = _CONTAINER_BYTES + _ITEM_BYTES * len(tree)
    for value in tree.values():
        kind = type(value)
        if kind is str:
            size += value.__sizeof__()
        elif value is not None and kind is not int and kind is not float and kind is not bool:
            return freeze([tree])
    return ([tree], None, None, size, 0, None) if size <= _LARGE_BYTES else freeze([tree])


def _copy_rows(root: Any, rows: list[Any], deep: list[Any]) -> int:
    """Copy the items of a list into `rows`, dictionaries one by one; return the size, _FOREIGN or _VECTOR."""
    if len(root) > _SHORT and _is_vector(root):
        return _VECTOR if len(root) <= SNAPSHOT_BYTES // _NUMBER_BYTES else _FOREIGN
    if len(root) > _ITEMS:
        return _FOREIGN
    size = _CONTAINER_BYTES
    left = _ITEMS
    for row in [*root]:  # or another thread that appends all the time would keep us here
        kind = type(row)
        if kind is dict:
            left -= len(row)
            if left < 0:
                return _FOREIGN
            copied = row.copy()
            rows.append(copied)
            size += _CONTAINER_BYTES
            for value in copied.values():  # what _check does, without calling it for every document
                kind = type(value)
                if kind is str:
                    size += value.__sizeof__()
                elif kind is float or kind is int:
                    pass
                elif kind is dict or kind is list or kind is tuple:
                    deep.append(value)
                elif value is not None and kind is not bool:
                    return _FOREIGN
        else:
            rows.append(row)
            size = _check((row,), deep, size)
            if size == _FOREIGN:
                return _FOREIGN
    return size + _ITEM_BYTES * (len(rows) + _ITEMS - left)


def _check(values: Iterable[Any], deep: list[Any], size: int) -> int:
    """Weigh the values of a container of our own and note the containers among them.

    Return `size` and what came to it, or _FOREIGN.
    """
    for value in values:
        kind = type(value)
        if kind is str:
            size += value.__sizeof__()
        elif kind is float or kind is int:
            pass
        elif kind is dict or kind is list or kind is tuple:
            deep.append(value)
        elif value is not None and kind is not bool:
            return _FOREIGN
    return size


def _copy_deep(deep: list[Any], copies: list[Any], size: int) -> int:
    """Copy the containers in `deep` and those in them, level by level; return `size` and what came to it, or _FOREIGN.

    `deep` grows while it is walked: what is nested in itself ends when there is too much.
    """
    left, numbers = _DEEP_ITEMS, 0
    keep = copies.append
    copied: Any
    values: Iterable[Any]
    for one in deep:
        left -= len(one) + 1
        if type(one) is dict:
            if left < 0:
                return _FOREIGN
            copied = one.copy()
            values = copied.values()
        elif len(one) > _SHORT and _is_vector(one):
            left += len(one)
            numbers += len(one)
            if numbers > _NUMBERS:
                return _FOREIGN
            copied, values = Vector([*one]), ()
        elif left < 0:
            return _FOREIGN
        else:
            copied = values = [*one]
        keep(copied)
        for value in values:  # as in _check and _copy_rows
            kind = type(value)
            if kind is str:
                size += value.__sizeof__()
            elif kind is float or kind is int:
                pass
            elif kind is dict or kind is list or kind is tuple:
                deep.append(value)
            elif value is not None and kind is not bool:
                return _FOREIGN
    return size + _CONTAINER_BYTES * len(copies) + _ITEM_BYTES * (_DEEP_ITEMS - left) + _NUMBER_BYTES * numbers


def _is_vector(value: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether a long sequence has numbers wherever one looks: at both ends and in between."""
    middle = len(value) // 2
    try:
        seen = value[0], value[1], value[middle // 2], value[middle], value[middle + 1], value[-2], value[-1]
    except IndexError:  # another thread emptied it
        return False
    return _ONLY_NUMBERS.issuperset(map(id, map(type, seen)))


def _told_bytes(roots: list[Any], copies: list[Any] | None, foreign: Iterable[int]) -> int:
    """Return what the texts and the vectors come to, without what holds them: that is what a snapshot is cut by."""
    ours = [root for index, root in enumerate(roots) if index not in foreign]
    size = 0
    for one in (*ours, *(copies or ())):
        kind = type(one)
        if kind is list:
            size += sum(_text_bytes(row.values()) for row in one if type(row) is dict)
        if kind is Vector:
            size += _NUMBER_BYTES * len(one.items)
        else:
            size += _text_bytes(one.values() if kind is dict else one if kind is list else (one,))
    return size


def _text_bytes(values: Iterable[Any]) -> int:
    return sum(len(value) for value in values if type(value) is str)


def _copy(
    roots: list[Any],
    names: tuple[str, ...] | None,
    copies: list[Any] | None,
    size: int,
    indexes: Iterable[int],
    *,
    open_objects: bool,
) -> Snapshot:
    """Let the copier make these roots anew, from the originals that the shallow copies still hold below."""
    copier = Copier(open_objects=open_objects)
    for index in indexes:
        root = roots[index]
        if type(root) is Vector:
            root = root.items
        elif type(root) is Texts:
            root = root.rows
        roots[index] = Whole(copier.copy(root))
    return roots, names, copies, size + copier.held_bytes, copier.cut_bytes, copier.prompts
