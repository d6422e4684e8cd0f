"""Looks at all texts of a span at once: joined, so that what costs a little per search is paid once per span.

`Scan` is given every text with the place it came from, and puts back those in which something was replaced.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

from callspan.guard import guard
from callspan.pipeline.redaction.secret_shapes import Interval

Put = Callable[[Any, Any, str], None]
Find = Callable[[bytes], Iterable[Interval]]

BATCH_CHARACTERS: Final = 524_288
_JOINT: Final = "\x00"


class Scan:
    """Collects texts and replaces what `finders` and `patterns` find in them by `mark`; `count` is how much that was.

    A place is a container and a key, or an object and the name of an attribute: `put` knows how to write there. A text
    that cannot be looked at is replaced as a whole.
    """

    __slots__ = ("_finders", "_keys", "_mark", "_patterns", "_places", "_put", "_renamed", "_size", "_texts", "count")

    def __init__(self, finders: Sequence[Find], patterns: Sequence[re.Pattern[str]], mark: str, put: Put) -> None:
        """Start empty."""
        self._finders = finders
        self._patterns = patterns
        self._mark = mark
        self._put = put
        self.count = 0
        self._renamed: list[tuple[dict[str, Any], str, str]] = []
        self._clear()

    def _clear(self) -> None:
        self._texts: list[str] = []
        self._places: list[Any] = []
        self._keys: list[Any] = []
        self._size = 0

    def add(self, place: Any, key: Any, text: str) -> None:
        """Look at this text too, soon."""
        self._texts.append(text)
        self._places.append(place)
        self._keys.append(key)
        self._size += len(text)
        if self._size > BATCH_CHARACTERS:
            self._look()

    def add_key(self, tree: dict[str, Any], key: str) -> None:
        """Look at the name of a value, too; it is changed in the end: somebody is going through the dictionary."""
        self.add((tree,), key, key)

    def flush(self) -> None:
        """Look at all texts so far."""
        self._look()
        for tree, old, new in self._renamed:
            items = [*tree.items()]
            tree.clear()
            for key, value in items:
                tree[_free(tree, new) if key == old else key] = value
        self._renamed.clear()

    def _look(self) -> None:
        if not self._texts:
            return
        try:
            self._find()
        except Exception as error:  # noqa: BLE001 - fail closed: all that could not be looked at goes
            guard.note("the redaction gate", error)
            for place, key in zip(self._places, self._keys, strict=True):
                self._write(place, key, self._mark)
                self.count += 1
        self._clear()

    def _write(self, place: Any, key: Any, text: str) -> None:
        if type(place) is tuple:
            self._renamed.append((place[0], key, text))
        else:
            self._put(place, key, text)

    def _find(self) -> None:
        for pattern in self._patterns:
            self._apply(pattern)
        joined = _JOINT.join(self._texts)
        data = joined.encode("utf-8", "surrogatepass")
        found = [interval for find in self._finders for interval in find(data)]
        if found:
            self._replace(data, found, is_ascii=joined.isascii())

    def _apply(self, pattern: re.Pattern[str]) -> None:
        """Replace what an expression of the user's matches, text by text: it may have anchors."""
        for index, text in enumerate(self._texts):
            cleaned, count = pattern.subn(lambda found: self._mark if found[0] else "", text)
            if count and cleaned != text:
                self.count += count
                self._texts[index] = cleaned
                self._write(self._places[index], self._keys[index], cleaned)

    def _replace(self, data: bytes, found: list[Interval], *, is_ascii: bool) -> None:
        sizes = (len(text) if is_ascii else len(text.encode("utf-8", "surrogatepass")) for text in self._texts)
        starts = [0, *accumulate(size + 1 for size in sizes)]
        by_text: dict[int, list[Interval]] = {}
        for start, stop in found:
            index = bisect_right(starts, start) - 1
            by_text.setdefault(index, []).append((start, min(stop, starts[index + 1] - 1)))
        mark = self._mark.encode()
        for index, intervals in by_text.items():
            start, stop = starts[index], starts[index + 1] - 1
            text, count = replaced(data, start, stop, intervals, mark)
            if count:
                self.count += count
                self._write(self._places[index], self._keys[index], text)


def _free(tree: dict[str, Any], key: str) -> str:
    """Return the key, numbered where another one was replaced by the same."""
    number = 1
    while (name := key if number == 1 else f"{key} #{number}") in tree:
        number += 1
    return name


def replaced(data: bytes, start: int, stop: int, intervals: list[Interval], mark: bytes) -> tuple[str, int]:
    """Return the text between `start` and `stop` with `mark` for each interval, and how many were replaced.

    What overlaps counts once; a mark that stands there already does not count.
    """
    pieces: list[bytes] = []
    position, count = start, 0
    intervals.sort()
    merged: list[Interval] = []
    for first, last in intervals:
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    for first, last in merged:
        if data[first:last].strip() != mark and last > first:
            pieces += (data[position:first], mark)
            position = last
            count += 1
    pieces.append(data[position:stop])
    return b"".join(pieces).decode("utf-8", "surrogatepass"), count
