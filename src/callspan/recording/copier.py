"""The total copier: any value in, a private tree of plain builtins out, whatever the value is.

It knows the exact types it may look into and reads nothing but stored fields: never a foreign `__repr__`, `__iter__`,
`__len__`, `__getattr__`, `__class__`, `__buffer__` or property. Nodes, depth and bytes are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from callspan.model.prompt import RenderedPrompt
from callspan.recording import stored_fields
from callspan.recording.known_types import describe
from callspan.recording.plain import free_key, key_text
from callspan.recording.stored_fields import placeholder

SNAPSHOT_BYTES: Final = 1_048_576
STRING_BYTES: Final = 262_144
MARGIN_BYTES: Final = (
    4096  # kept beyond a limit and dropped after redaction, so that no half of a secret survives a cut
)
_NODES: Final = 8192
_NODE_BYTES: Final = 64
_ITEMS: Final = 1024  # of one container
_NUMBERS: Final = 8192  # of one vector
_DEPTH: Final = 48
_ONLY_NUMBERS: Final = frozenset(map(id, [float, int]))  # by identity: hashing a class may run its metaclass
_CUT_ITEM: Final = "<{} more>"
_BASE64: Final = re.compile(  # whoever tells of a medium has to know how large it was
    r"(?:data:[\w.+-]{0,64}/?[\w.+-]{0,64}(?:;[\w=.+-]{1,64}){0,4};base64,)?[A-Za-z0-9+/_-]{128}"
)


class Copier:
    """Copies values within one budget. `size` is what was copied, `cut_bytes` the original size if that was more."""

    def __init__(self, *, open_objects: bool = False) -> None:
        """With `open_objects`, copy plain objects by their stored public fields instead of naming their type."""
        self._open_objects = open_objects
        self._nodes = _NODES
        self._path: set[int] = set()
        self._cut = False
        self._original = 0
        self.size = self._beside = 0
        self.prompts: list[Any] | None = None

    @property
    def cut_bytes(self) -> int:
        """The size that the values had, roughly, where something was left out; else 0."""
        return max(self._original, self.size) if self._cut else 0

    @property
    def held_bytes(self) -> int:
        """What the copies hold, with all that is around the values."""
        return self.size + self._beside + _NODE_BYTES * (_NODES - self._nodes)

    def copy(self, value: Any) -> Any:
        """Return a private copy of `value`."""
        return self._copy(value, 0)

    def _copy(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._nodes -= 1
        self._grow(8)
        if kind is str:
            return self._text(value)
        if kind is int or kind is float or value is None or kind is bool:
            return value
        if kind is list or kind is tuple or kind is dict or kind is set or kind is frozenset:
            return self._container(value, kind, depth)
        try:
            return self._object(value, kind, depth)
        except Exception:  # noqa: BLE001 - a class may lie about its own layout; the recursion limit may be near
            return placeholder(kind)

    def _grow(self, count: int) -> None:
        self.size += count
        self._original += count

    def _text(self, text: str) -> str:
        length = len(text)
        left = max(SNAPSHOT_BYTES - self.size, 0)
        limit = min(STRING_BYTES, left) + MARGIN_BYTES
        if length > limit:
            self._cut = True
            mark = _CUT_ITEM.format(length - limit) if _BASE64.match(text) else ""
            self._original += length - limit - len(mark)  # which is not theirs
            text = text[:limit] + mark
        self._grow(len(text))
        self._beside += text.__sizeof__() - len(text)
        return text

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        identity = id(value)
        if identity in self._path:
            return "<cycle>"
        if depth >= _DEPTH or self._nodes <= 0 or self.size > SNAPSHOT_BYTES:
            self._leave_out(len(value))
            return f"<{kind.__name__} of {len(value)}>"
        self._path.add(identity)
        try:
            if kind is dict:
                return self._mapping(value, len(value), depth)
            return self._sequence(value, kind, depth)
        finally:
            self._path.discard(identity)

    def _mapping(self, value: Any, length: int, depth: int) -> dict[Any, Any]:
        copied: dict[Any, Any] = {}
        items = _items(value, max(min(self._nodes, _ITEMS), 0))
        for key, item in items:
            copied[free_key(copied, _key(key))] = self._copy(item, depth + 1)
        if length > len(items):
            self._leave_out(length - len(items))
        return copied

    def _sequence(self, value: Any, kind: type, depth: int) -> list[Any]:
        length = len(value)
        taken = _take(value, kind, max(min(self._nodes, _ITEMS), 0))
        if taken and (type(taken[0]) is float or type(taken[0]) is int) and (kind is list or kind is tuple):
            numbers = self._vector(value, length)
            if numbers is not None:
                return numbers
        copied = [self._copy(item, depth + 1) for item in taken]
        if length > len(taken):
            self._leave_out(length - len(taken))
            copied.append(_CUT_ITEM.format(length - len(taken)))
        return copied

    def _vector(self, value: Any, length: int) -> list[Any] | None:
        """Copy a vector of numbers as one node; None when it is not only numbers."""
        numbers = [*value[:_NUMBERS]]
        if not _ONLY_NUMBERS.issuperset(map(id, map(type, numbers))):
            return None
        self._grow(9 * len(numbers))
        if length > _NUMBERS:
            self._leave_out(length - _NUMBERS)
            numbers.append(_CUT_ITEM.format(length - _NUMBERS))
        return numbers

    def _leave_out(self, count: int) -> None:
        self._cut = True
        self._original += 8 * count

    def _object(self, value: Any, kind: type, depth: int) -> Any:
        if kind is RenderedPrompt:
            self.prompts = [*(self.prompts or ()), value]
            return self._text(str.__str__(value))
        for plain, unwrap in _SUBCLASSES:
            if issubclass(kind, plain):
                return self._copy(unwrap(value), depth)
        mro = stored_fields.mro_of(kind)
        if issubclass(kind, dict):
            return self._nested(value, depth, lambda: self._mapping(value, dict.__len__(value), depth))
        if issubclass(kind, list | tuple):
            return self._nested(value, depth, lambda: self._rows(value, kind, mro, depth))
        described = describe(value, kind)
        if described is not None:
            return self._copy(described, depth)
        return self._fields(value, kind, mro, depth)

    def _nested(self, value: Any, depth: int, copy: Any) -> Any:
        identity = id(value)
        if identity in self._path:
            return "<cycle>"
        if depth >= _DEPTH or self._nodes <= 0:
            self._cut = True
            return placeholder(type(value))
        self._path.add(identity)
        try:
            return copy()
        finally:
            self._path.discard(identity)

    def _rows(self, value: Any, kind: type, mro: tuple[type, ...], depth: int) -> Any:
        plain = list if issubclass(kind, list) else tuple
        items = [*plain.__getitem__(value, slice(0, _NUMBERS))]
        names = stored_fields.namedtuple_fields(mro)
        if names is not None and len(names) == len(items):
            return {name: self._copy(item, depth + 1) for name, item in zip(names, items, strict=True)}
        copied: list[Any] = self._sequence(items, list, depth)
        left_out = plain.__len__(value) - len(items)
        if left_out:
            self._leave_out(left_out)
            copied[-1] = _CUT_ITEM.format(plain.__len__(value) - len(copied) + 1)
        return copied

    def _fields(self, value: Any, kind: type, mro: tuple[type, ...], depth: int) -> Any:
        fields = stored_fields.of(value, mro, any_object=self._open_objects)
        if fields is None:
            return placeholder(kind)
        return self._nested(value, depth, lambda: self._mapping(fields, len(fields), depth))


# Subclasses of plain types, and how to get the plain value without running an override. `issubclass` with a builtin on
# the right asks no metaclass; `in` on the method resolution order would compare classes, and so could run one.
_SUBCLASSES: Final[tuple[tuple[type, Any], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)


def _key(key: Any) -> Any:
    """Return a key that the worker may use without running foreign code."""
    kind = type(key)
    return key if kind is str or kind is int or kind is float or key is None or kind is bool else key_text(key)


def _items(value: Any, count: int) -> list[tuple[Any, Any]]:
    """Take the first items of a dictionary that another thread may be changing."""
    for _ in range(3):
        try:
            return list(islice(dict.items(value), count))
        except RuntimeError:  # it changed size while we looked: once more
            continue
    return _as_far_as(dict.items(value), count)


def _take(value: Any, kind: type, count: int) -> list[Any]:
    if kind is list or kind is tuple:
        return [*value[:count]]
    for _ in range(3):
        try:
            return list(islice(value, count))
        except RuntimeError:
            continue
    return _as_far_as(value, count)


def _as_far_as(values: Iterable[Any], count: int) -> list[Any]:
    """Take what comes before the next change."""
    taken: list[Any] = []
    with suppress(RuntimeError):
        taken.extend(islice(values, count))
    return taken
