"""Finds credentials in texts where name and value stand as a pair: `[["authorization", "…"]]`, `[('x-api-key', '…')]`.

Headers are often written so, by `json.dumps` and by `repr`. A pair counts only among pairs, as in trees: `["password",
"email"]` alone is a list of names. Times are linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from callspan.pipeline.redaction.named_secrets import Judge, closing
from callspan.pipeline.redaction.secret_shapes import Interval, end_of_text, is_dense

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
            yield from _find(data, pattern, judge)


def _find(data: bytes, pattern: re.Pattern[bytes], judge: Judge) -> Iterator[Interval]:
    start = first = end = count = 0
    while (found := pattern.search(data, start)) is not None:
        start = found.end()
        if start > end:
            first, end, count = start, end_of_text(data, start), 0
        count += 1
        if is_dense(count, start - first):
            yield start, end
            start = end
        elif judge(found[2].decode()) == "secret" and _is_among_pairs(data, found.start()):
            stop = closing(data, start, found[1], end)
            if start < stop and (stop == end or _END.match(data, stop + len(found[1]), end)):
                yield start, stop
                start = stop


def _is_among_pairs(data: bytes, start: int) -> bool:
    """Return whether what opens there stands at the beginning of a list, or after another pair."""
    return _AROUND.search(data, max(start - _MOST_AROUND, 0), start) is not None
