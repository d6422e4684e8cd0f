"""Makes a thawed tree plain: None, bool, int, float, str, list, and dict with str keys, each container once.

Runs in the worker, on trees of our own. A tree may still share or contain itself, hold bytes, tuples and sets, and have
keys of other types.
"""

from __future__ import annotations

import math
from typing import Any, Final

from callspan.recording.stored_fields import placeholder

_NODES: Final = 100_000
DEPTH: Final = 64
_BIG: Final = 1 << 63
_KEY_BYTES: Final = 64
_SHORT: Final = 32
_ONLY_FLOATS: Final = frozenset([id(float)])


def plain(tree: Any) -> Any:
    """Return the tree with everything spelled in JSON's terms; bounded in depth and number of nodes."""
    return _Walk().visit(tree, 0)


class _Walk:
    def __init__(self) -> None:
        self._left = _NODES
        self._path: set[int] = set()

    def visit(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            return value
        if kind is int:
            return value if -_BIG <= value < _BIG else integer_text(value)
        if kind is float:
            return value if math.isfinite(value) else str(value)
        if kind is dict or kind is list or kind is tuple or kind is set or kind is frozenset:
            return self._container(value, kind, depth)
        if kind is bytes:
            return f"<bytes of {len(value)}: {value[:8].hex()}…>"
        if issubclass(kind, str):  # one that was known to be nothing but a text
            return str.__str__(value)
        return str(value) if kind is complex else placeholder(kind)

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        if id(value) in self._path:
            return "<cycle>"
        if kind is list and len(value) > _SHORT and _is_finite(value):
            return [*value]
        self._left -= len(value) + 1
        if depth >= DEPTH or self._left < 0:
            return f"<{kind.__name__} of {len(value)}>"
        self._path.add(id(value))
        if kind is dict:
            made: Any = {}
            for key, item in value.items():
                name = key if type(key) is str else key_text(key)
                made[free_key(made, name)] = self.visit(item, depth + 1)
        else:
            made = [self.visit(item, depth + 1) for item in value]
        self._path.discard(id(value))
        return made


def _is_finite(values: list[Any]) -> bool:
    """Return whether a list is a vector of finite floats, which needs no spelling: a sum shows NaN and infinity."""
    return _ONLY_FLOATS.issuperset(map(id, map(type, values))) and math.isfinite(sum(values))


def key_text(key: Any) -> str:
    """Spell a key that is no text: numbers and constants as JSON would, what is foreign by its type."""
    kind = type(key)
    if key is None:
        return "null"
    if kind is bool:
        return "true" if key else "false"
    if kind is int:
        return str(key) if -_BIG <= key < _BIG else integer_text(key)
    if kind is float:
        return str(key)
    if kind is bytes:
        return repr(key[:_KEY_BYTES])
    if kind is tuple and len(key) <= _KEY_BYTES and all(type(item) is str or type(item) is int for item in key):
        return ", ".join(map(key_text, key))
    return str.__str__(key) if issubclass(kind, str) else placeholder(kind)


def free_key(made: dict[Any, Any], key: Any) -> Any:
    """Return `key`, numbered where another key already became the same."""
    if key not in made:
        return key
    number = 2
    while f"{key} #{number}" in made:
        number += 1
    return f"{key} #{number}"


def integer_text(value: int) -> str:
    """Spell an integer; a very long one in hexadecimal, which has no digit limit."""
    return str(value) if value.bit_length() < 4096 else f"{value:#x}"[:128] + "…"
