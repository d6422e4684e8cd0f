from __future__ import annotations

from typing import Any

import pytest

from callspan.pipeline.buffer import Buffer
from callspan.pipeline.metrics import Metrics
from callspan.pipeline.pacing import Pacing
from spans import finished


class Full:
    """Lanes that have enough for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.told = 0

    @property
    def have_enough(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    def tell_room(self, _: Buffer) -> None:
        self.told += 1


class Rests:
    """Sleeps are noted, and `then` happens in each."""

    def __init__(self, then: Any = None) -> None:
        self.slept: list[float] = []
        self._then = then

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._then is not None:
            self._then()


def holding(count: int) -> Buffer:
    buffer = Buffer(lambda: None)
    for _ in range(count):
        buffer.offer(finished())
    return buffer


def paced(buffer: Buffer, lanes: Any, rest: Rests, metrics: Metrics | None = None) -> Pacing:
    return Pacing(buffer, lanes, metrics, rest)


def test_lanes_that_have_not_enough_want_more_at_once():
    rest = Rests()
    assert paced(holding(1), Full(0), rest).wants_more(lambda: False)
    assert rest.slept == []


def test_it_waits_until_they_want_more_and_longer_each_time():
    rest = Rests()
    assert paced(holding(1), Full(6), rest).wants_more(lambda: False)
    assert rest.slept == pytest.approx([0.005, 0.0075, 0.01125, 0.016875, 0.02, 0.02])


def test_but_not_for_nothing_and_not_for_ever():
    rest = Rests()
    assert not paced(holding(0), Full(9), rest).wants_more(lambda: False)
    assert rest.slept == []
    clock = iter([0.0, 0.1, 0.6])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callspan.pipeline.pacing.time.monotonic", lambda: next(clock))
        assert not paced(holding(1), Full(9), rest).wants_more(lambda: False)
    assert len(rest.slept) == 1


def test_in_the_end_they_get_all():
    assert paced(holding(1), Full(9), Rests()).wants_more(lambda: True)


def test_metrics_get_all():
    metrics = Metrics()
    metrics.is_wanted = lambda: True
    assert paced(holding(1), Full(9), Rests(), metrics).wants_more(lambda: False)
    metrics.is_wanted = lambda: False
    rest = Rests()
    assert paced(holding(1), Full(2), rest, metrics).wants_more(lambda: False)
    assert len(rest.slept) == 2


def test_room_is_told_anew_when_many_have_come():
    buffer, lanes = holding(1), Full(4)

    def come() -> None:
        for _ in range(64):
            buffer.offer(finished())

    rest = Rests(come)
    assert paced(buffer, lanes, rest).wants_more(lambda: False)
    assert lanes.told == 2
    assert rest.slept == pytest.approx([0.005, 0.0075, 0.005, 0.0075])
