from __future__ import annotations

import random

import pytest

from callspan.pipeline.retry import LONGEST_ASKED_S, Backoff, draw


class Clock:
    """Says what time it is, as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waits(backoff: Backoff, count: int) -> list[float]:
    found = []
    for _ in range(count):
        backoff.begin()
        backoff.failed()
        found.append(backoff.wait_s())
    return found


def test_nobody_waits_in_good_health(clock):
    backoff = Backoff(clock)
    assert (backoff.wait_s(), backoff.is_failing, backoff.failing_s) == (0.0, False, 0.0)


def test_the_bound_of_the_waits_doubles_up_to_half_a_minute(clock):
    assert waits(Backoff(clock, lambda: 1.0), 8) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert waits(Backoff(clock, lambda: 0.25), 7) == [0.25, 0.5, 1, 2, 4, 7.5, 7.5]
    assert waits(Backoff(clock, lambda: 0.0), 3) == [0, 0, 0]


def test_years_of_failure_do_not_overflow(clock):
    assert set(waits(Backoff(clock, lambda: 1.0), 3000)[6:]) == {30.0}


def test_waiting_makes_an_attempt_due(clock):
    backoff = Backoff(clock, lambda: 1.0)
    backoff.failed()
    clock.now += 0.75
    assert backoff.wait_s() == 0.25
    clock.now += 5
    assert (backoff.wait_s(), backoff.failing_s) == (0.0, 5.75)


def test_success_starts_the_schedule_anew(clock):
    backoff = Backoff(clock, lambda: 1.0)
    assert waits(backoff, 4)[-1] == 8
    backoff.succeeded()
    assert (backoff.wait_s(), backoff.is_failing, backoff.failing_s) == (0.0, False, 0.0)
    assert waits(backoff, 1) == [1]


def test_an_outage_is_as_old_as_its_first_failure(clock):
    backoff = Backoff(clock)
    backoff.failed()
    clock.now += 10
    backoff.failed()
    clock.now += 10
    assert backoff.failing_s == 20


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(7.0, 7.0), (7, 7.0), (0.001, 0.001), (60, 60.0), (61, LONGEST_ASKED_S), (31_536_000, LONGEST_ASKED_S)],
)
def test_a_receiver_is_left_alone_as_long_as_it_asks_for_up_to_a_minute(asked, waited, clock):
    backoff = Backoff(clock, lambda: 1.0)
    backoff.failed(asked)
    assert backoff.wait_s() == pytest.approx(waited)


@pytest.mark.parametrize("asked", [None, 0, -1, -0.5, float("nan"), float("inf"), "7", True, [7], 1e999])
def test_what_cannot_be_meant_is_the_usual_wait(asked, clock):
    backoff = Backoff(clock, lambda: 0.5)
    backoff.failed(asked)
    assert backoff.wait_s() == 0.5


def test_who_hurries_does_not_wait_and_finds_short_waits_afterwards(clock):
    backoff = Backoff(clock, lambda: 1.0)
    assert waits(backoff, 6)[-1] == 30
    backoff.hurry()
    assert backoff.wait_s() == 0
    assert waits(backoff, 2) == [1, 2]


def test_who_hurries_during_an_attempt_gets_another_one(clock):
    backoff = Backoff(clock, lambda: 1.0)
    backoff.begin()
    backoff.hurry()
    backoff.failed()
    assert backoff.wait_s() == 0
    assert waits(backoff, 1) == [1]


def test_what_a_receiver_asked_for_stands_unless_it_is_the_last_attempt(clock):
    backoff = Backoff(clock, lambda: 1.0)
    backoff.failed(20)
    backoff.hurry()
    assert backoff.wait_s() == 20
    backoff.hurry(is_last=True)
    backoff.hurry()
    assert backoff.wait_s() == 0
    backoff.begin()
    backoff.failed(20)
    backoff.hurry()
    assert backoff.wait_s() == 20


def test_a_wait_is_drawn_without_the_applications_random_numbers():
    random.seed(0)
    before = random.getstate()
    drawn = [draw() for _ in range(200)]
    assert random.getstate() == before
    assert all(0 <= number < 1 for number in drawn)
    assert len(set(drawn)) > 190
