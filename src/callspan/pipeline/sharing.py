"""How much of what spans hold is held by others anyway: texts that several calls share, or that the program keeps.

A span counts its texts in full, since nobody could tell on the caller's thread who else has them. In the worker the
interpreter's own count of references tells. A few spans of each batch stand for all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from callspan.model.span import Snapshot, Span

_EVERY: Final = 64
_FEW: Final = 4
_LONG: Final = 128  # characters
_FREE: Final = frozenset((bool, type(None), dict, list, tuple))  # seen elsewhere, or there once for all
_OWN: Final = 3  # references: the container's, the loop's, and that of the call that asks
_WITH_GAPS: Final = 1.02  # what the allocator takes beyond what it is asked for
_LEAST: Final = 0.3  # what calls that stop to share their texts hold beyond the bound, until the worker looks again


def sample(spans: Sequence[Span]) -> Sequence[Span]:
    """Return the spans that stand for all."""
    return spans[::_EVERY]


def look(spans: Sequence[Span]) -> float | None:
    """Return which part of what sealed spans count they hold alone, by a look at a few of the oldest and the newest.

    Of the two the larger part: calls may have stopped to share their texts, or have just begun to.
    """
    places = range(0, min(len(spans), _FEW * _EVERY), _EVERY)
    parts = [held(some) for some in ([spans[place] for place in places], [spans[-1 - place] for place in places])]
    return max((part for part in parts if part is not None), default=None)


def held(spans: Sequence[Span]) -> float | None:
    """Return which part of what sealed spans count they hold alone; None of a single one.

    It would tell what the program keeps, and not what it shares with those after it.
    """
    return _part(spans, _WITH_GAPS * sum(map(held_bytes, spans)))


def held_bytes(span: Span) -> float:
    """Return what goes if a sealed span goes: its containers, as large as they are, and its part of what is in them.

    What it counts beside its input and output is taken for true.
    """
    known = [snapshot for snapshot in (span.input, span.output) if snapshot is not None]
    return span.size + sum(_held_bytes(snapshot) - snapshot[3] for snapshot in known)


def _held_bytes(snapshot: Snapshot) -> float:
    total = 0.0
    for container in _containers_of(snapshot):
        total += sys.getsizeof(container)
        for value in container.values() if type(container) is dict else container:
            kind = type(value)
            if kind is str or kind is int or kind is float:
                total += value.__sizeof__() / max(sys.getrefcount(value) - _OWN + 1, 1)
            elif kind not in _FREE:
                return snapshot[3] - _shared_bytes(snapshot)  # who knows how large it is
    return total


def shared_bytes(span: Span) -> int:
    """Return what would stay if a sealed span went: of a text with four holders, three quarters.

    Roles and names are shared by all calls, and count only where longer texts are shared, too: it is close enough to
    the truth as it is where nothing else is.
    """
    return int(sum(_shared_bytes(snapshot) for snapshot in (span.input, span.output) if snapshot is not None))


def _shared_bytes(snapshot: Snapshot) -> float:
    long = short = 0.0
    for container in _containers_of(snapshot):
        for value in container.values() if type(container) is dict else container:
            if type(value) is str and (others := sys.getrefcount(value) - _OWN) > 0:
                part = value.__sizeof__() * others / (others + 1)
                if len(value) >= _LONG:
                    long += part
                else:
                    short += part
    return long + short if long else 0


def _containers_of(snapshot: Snapshot) -> Iterator[Any]:
    """Go through the lists and dictionaries that were copied."""
    yield snapshot[0]
    for root in (*snapshot[0], *(snapshot[2] or ())):
        if type(root) is dict:
            yield root
        elif type(root) is list:
            yield root
            yield from (row for row in root if type(row) is dict)


def share(spans: Sequence[Span], shared: int) -> float | None:
    """Return which part of what spans count they hold alone, where they share so many bytes; None of a single one."""
    return _part(spans, sum(span.size for span in spans) - shared)


def _part(spans: Sequence[Span], own: float) -> float | None:
    counted = sum(span.size for span in spans)
    return min(max(own / counted, _LEAST), 1.0) if len(spans) > 1 and counted else None
