"""JSON texts to plain data: orjson where it is installed, the standard library where it is not or where it refuses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any


def _slow_sorted(tree: Any) -> bytes:
    return json.dumps(tree, sort_keys=True, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


def _slow_written(tree: Any) -> bytes:
    text = json.dumps(_finite(tree), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _finite(tree: Any) -> Any:
    """Put None in the place of numbers that JSON has not, as orjson does."""
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_finite(item) for item in tree]
    return None if isinstance(tree, float) and not isfinite(tree) else tree


_fast_loads: Callable[[str | bytes], Any] = json.loads
_fast_written: Callable[[Any], bytes] = _slow_written
_fast_sorted: Callable[[Any], bytes] = _slow_sorted
with contextlib.suppress(ImportError):
    import orjson

    _fast_loads = orjson.loads
    _fast_written = orjson.dumps
    _fast_sorted = partial(orjson.dumps, option=orjson.OPT_SORT_KEYS)


def loads(text: str | bytes) -> Any:
    """Parse JSON. Raises `ValueError`, or `RecursionError` for what is nested too deeply.

    Takes what the standard library takes too: NaN, and half characters (lone surrogates) as escapes.
    """
    try:
        return _fast_loads(text)
    except ValueError:
        return json.loads(text)


def parsed(value: object) -> Any:
    """Return the data that a JSON text holds; the value itself when it is no text, or not JSON.

    >>> parsed('{"a": 1}'), parsed("plain words"), parsed([1])
    ({'a': 1}, 'plain words', [1])
    """
    if isinstance(value, str):
        try:
            return loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def opened(value: object) -> Any:
    """Return the list or dictionary that a text holds as JSON; anything else as it is, texts of numbers included.

    >>> opened('["a"]'), opened("35")
    (['a'], '35')
    """
    return parsed(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def sorted_json(tree: Any) -> bytes:
    """Write plain data as bytes that are the same for the same content, whatever the order of keys.

    >>> sorted_json({"b": 1, "a": []}) == sorted_json({"a": [], "b": 1})
    True
    """
    try:
        return _fast_sorted(tree)
    except TypeError:  # half characters, numbers of any size
        return _slow_sorted(tree)


def written_json(tree: Any) -> bytes:
    """Write plain data as JSON in one line of UTF-8. Half characters become `?`, NaN and infinities null.

    >>> written_json({"city": "Köln", "rain": float("nan")}).decode()
    '{"city":"Köln","rain":null}'
    """
    try:
        return _fast_written(tree)
    except TypeError:  # half characters, numbers of any size
        return _slow_written(tree)
