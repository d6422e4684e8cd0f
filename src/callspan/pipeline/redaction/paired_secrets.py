"""Finds credentials in texts where name and value stand as a pair: `[["authorization", "…"]]`, `[('x-api-key', '…')]`.

Headers are often written so, by `json.dumps` and by `repr`. A pair counts only among pairs, as in trees: `["password",
"email"]` alone is a list of names. Times are linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from callspan.pipeline.redaction.named_secrets import Judge, closing
from callspan.pipeline.redaction.secret_shapes import Interval, values_after

_BLANK: Final = rb"(?:\s|\\{1,16}n)"
_STEMS: Final = rb"(?i:key|token|cookie|secret|pass|pwd|authoriz|credential|string)"
_PAIR: Final = (
    rb"""(?=[\s\\"'])"""  # said first, since most brackets are followed by something else
    + _BLANK
    + rb"""{0,64}(\\{0,16}["'])(?=[A-Za-z][A-Za-z0-9_. -]{2,63}\1)(?=[A-Za-z0-9_. -]{0,63}?"""
    + _STEMS
    + rb"""[A-Za-z0-9_. -]{0,8}\1)([A-Za-z0-9_. -]+)\1"""
    + _BLANK
    + rb"{0,8},"
    + _BLANK
    + rb"{0,64}\1"
)
# One for each bracket: a pattern that begins with one certain byte is searched for several times as fast.
_PAIRS: Final = (
    (b"[", re.compile(rb"\[" + _PAIR)),
    (b"(", re.compile(rb"\(" + _PAIR)),
)
_AROUND: Final = re.compile(rb"(?:[\[(]|[\])]" + _BLANK + rb"{0,8},)" + _BLANK + rb"{0,32}\Z")
_MOST_AROUND: Final = 128
_END: Final = re.compile(_BLANK + rb"{0,64}[\])]")


def find(data: bytes, judge: Judge) -> Iterator[Interval]:
    """Yield where the values of such pairs stand."""
    for bracket, pattern in _PAIRS:
        if data.find(bracket) >= 0:
            yield from values_after(pattern, data, partial(_value_after, data, judge))


def _value_after(data: bytes, judge: Judge, found: re.Match[bytes], end: int) -> Interval | None:
    if judge(found[2].decode()) != "secret" or not _is_among_pairs(data, found.start()):
        return None
    start = found.end()
    stop = closing(data, start, found[1], end)
    is_pair = stop == end or _END.match(data, stop + len(found[1]), end)
    return (start, stop) if start < stop and is_pair else None


def _is_among_pairs(data: bytes, start: int) -> bool:
    """Return whether what opens there stands at the beginning of a list, or after another pair."""
    return _AROUND.search(data, max(start - _MOST_AROUND, 0), start) is not None
