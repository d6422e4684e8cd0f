"""JSON texts of trees we own: always strictly valid, always UTF-8, whatever floats, integers and texts stand in them.

orjson does the work, in the worker only and never on a value of the user's, which another thread could be changing.
Where it does not exist, `json` does the same more slowly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from callspan.forks import forks

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1  # what orjson writes; receivers that read 64 bits take both halves
_MAX_DEPTH: Final = 200  # below the 254 that orjson allows, and below what common readers allow
_CUT: Final = "<nested deeper than 200>"


def to_json(tree: object) -> str:
    """Write `tree` as JSON. NaN and infinities become the strings "NaN", "Infinity", "-Infinity", integers beyond
    64 bits their digits in a string, and lone surrogates U+FFFD.

    >>> to_json({"a": [1, float("nan")]})
    '{"a":[1,"NaN"]}'
    """  # noqa: D205 - one sentence of rules reads better than a summary that leaves them out
    return to_json_utf8(tree).decode()


def to_json_utf8(tree: object) -> bytes:
    """Write the same in UTF-8: for what is sent as such, decoding and encoding it cost more than writing it."""
    write = _orjson()
    if write is None:
        return _write_slowly(clean(tree))
    try:
        data = write(tree)
    except TypeError:
        data = write(clean(tree))
    else:
        # NaN is written as null and cannot be told from None then: look at the tree, but only where a null stands.
        # `rfind` takes a third of what `in` takes in a conversation of a few thousand characters.
        if data.rfind(b"null") >= 0:
            data = write(clean(tree))
    return data


def dump(tree: object) -> bytes:
    """Write a tree that holds no NaN, no infinity and no None; the fast half of `to_json`."""
    write = _orjson()
    if write is None:
        return _write_slowly(clean(tree))
    try:
        return write(tree)
    except TypeError:
        return write(clean(tree))


def quick_json(tree: object) -> bytes | None:
    """Write a tree to look for something in it, NaN as null; None for one that cannot be written as it is."""
    try:
        write = _orjson()
        if write is not None:
            return write(tree)
        return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return None


def clean(tree: object, depth: int = _MAX_DEPTH) -> Any:
    """Copy `tree` so that any strict JSON writer takes it."""
    if tree is None or isinstance(tree, bool):
        return tree
    if isinstance(tree, str):
        return repair(tree)
    if isinstance(tree, int):
        return tree if _INT_MIN <= tree <= _INT_MAX else digits(tree)
    if isinstance(tree, float):
        return tree if tree - tree == 0 else special(tree)
    if depth == 0:
        return _CUT
    if isinstance(tree, dict):
        return {repair(str(key)): clean(value, depth - 1) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [clean(item, depth - 1) for item in tree]
    return f"<{type(tree).__name__}>"


def repair(text: str) -> str:
    """Return `text` as UTF-8 can hold it: pairs of surrogates joined, lone ones replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def special(number: float) -> str:
    """Name a float that JSON has no number for, as the protobuf JSON mapping does."""
    if number != number:  # noqa: PLR0124 - true for NaN only
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def digits(number: int) -> str:
    """Write an integer of any length; in hexadecimal where Python refuses to count out that many decimals."""
    try:
        return str(number)
    except ValueError:
        return f"{number:#x}"


@cache
def _orjson() -> Callable[[object], bytes] | None:
    try:
        with forks.kept_off():
            import orjson  # noqa: PLC0415 - not before the worker needs it
    except ImportError:
        return None
    writer: Callable[[object], bytes] = orjson.dumps
    return writer


def _write_slowly(tree: object) -> bytes:
    return json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
