"""Finds credentials in texts where name and value stand as a pair: `[["authorization", "…"]]`, `[('x-api-key', '…')]`.

Headers are often written so, by `json.dumps` and by `repr`. A pair counts only among pairs, as in trees: `["password",
"email"]` alone is a list of names. Times are linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from callspan.pipeline.named_secrets import Judge, closing
from callspan.pipeline.secret_shapes import Interval, end_of_text, is_dense

_OPENINGS: Final = (b"[[", b"[(", b"((", b"[\n", b"[\\")  # texts without pairs have none of these, mostly
_STEMS: Final = tuple(b"key token cookie secret passw pwd passph authoriz credential connection".split())
_PAIR: Final = re.compile(
    rb"""
    [\[(] (?:\s|\\{1,16}n){0,64} (\\{0,16}["']) ([A-Za-z][A-Za-z0-9_.\x20-]{2,63}) \1
    (?:\s|\\{1,16}n){0,8} , (?:\s|\\{1,16}n){0,64} \1
    """,
    re.VERBOSE,
)
_AROUND: Final = re.compile(rb"(?:[\[(]|[\])](?:\s|\\{1,16}n){0,8},)(?:\s|\\{1,16}n){0,32}\Z")
_MOST_AROUND: Final = 128
_END: Final = re.compile(rb"(?:\s|\\{1,16}n){0,64}[\])]")


def find(data: bytes, judge: Judge) -> Iterator[Interval]:
    """Yield where the values of such pairs stand."""
    if not any(data.find(opening) >= 0 for opening in _OPENINGS):
        return
    lowered = data.lower()
    if not any(stem in lowered for stem in _STEMS):
        return
    start = first = end = count = 0
    while (found := _PAIR.search(data, start)) is not None:
        start = found.end()
        if not any(stem in found[2].lower() for stem in _STEMS):
            continue
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
