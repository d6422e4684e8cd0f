"""How much of what spans hold is held by others anyway: texts that several calls share, or that the program keeps.

A span counts its texts in full, since nobody could tell on the caller's thread who else has them. In the worker the
interpreter's own count of references tells. A few spans of each batch stand for all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from callspan.model.span import Span

_EVERY: Final = 64
_FEW: Final = 4
_LONG: Final = 128  # characters
_OWN: Final = 3  # references: the container's, the loop's, and that of the call that asks
_LEAST: Final = 0.3  # what calls that stop to share their texts hold beyond the bound, until the worker looks again


def sample(spans: Sequence[Span]) -> Sequence[Span]:
    """Return the spans that stand for all."""
    return spans[::_EVERY]


def look(spans: Sequence[Span]) -> float | None:
    """Return which part of what sealed spans count they hold alone, by a look at a few of the oldest."""
    some = [spans[place] for place in range(0, min(len(spans), _FEW * _EVERY), _EVERY)]
    return share(some, sum(map(shared_bytes, some)))


def shared_bytes(span: Span) -> int:
    """Return what would stay if a sealed span went: of a text with four holders, three quarters.

    Roles and names are shared by all calls, and count only where longer texts are shared, too: it is close enough to
    the truth as it is where nothing else is.
    """
    long = short = 0.0
    for snapshot in (span.input, span.output):
        if snapshot is not None:
            for values in _values_of(snapshot[0], snapshot[2]):
                for value in values:
                    if type(value) is str and (others := sys.getrefcount(value) - _OWN) > 0:
                        part = value.__sizeof__() * others / (others + 1)
                        if len(value) >= _LONG:
                            long += part
                        else:
                            short += part
    return int(long + short) if long else 0


def _values_of(roots: list[Any], copies: list[Any] | None) -> Iterator[Iterable[Any]]:
    yield roots
    for root in (*roots, *(copies or ())):
        if type(root) is dict:
            yield root.values()
        elif type(root) is list:
            yield root
            yield from (row.values() for row in root if type(row) is dict)


def share(spans: Sequence[Span], shared: int) -> float | None:
    """Return which part of what the spans count they hold alone, where they share so many bytes; None of a single one.

    It would tell what the program keeps, and not what it shares with those after it.
    """
    counted = sum(span.size for span in spans)
    return max(1 - shared / counted, _LEAST) if len(spans) > 1 and counted else None
