from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pytest

from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from spans import finished


class Attended:
    """Counts how often somebody is called."""

    def __init__(self, *, becomes_awake: bool = True) -> None:
        self.calls = 0
        self.becomes_awake = becomes_awake

    def buffer(self, **bounds: Any) -> Buffer:
        self.watched = Buffer(self, **bounds)
        return self.watched

    def __call__(self) -> None:
        self.calls += 1
        self.watched.awake = self.becomes_awake


def numbered(number: int, size: int = 10) -> Span:
    return finished(name=str(number), size=size)


def names(spans: list[Span]) -> list[str]:
    return [span.name for span in spans]


def test_what_came_first_leaves_first():
    buffer = Attended().buffer()
    for number in range(5):
        buffer.offer(numbered(number))
    assert names(buffer.take(3)) == ["0", "1", "2"]
    assert (len(buffer), buffer.taken, buffer.offered, buffer.waiting_bytes) == (2, 3, 5, 20)
    assert names(buffer.take(512)) == ["3", "4"]
    assert buffer.take(512) == []
    assert (len(buffer), buffer.taken, buffer.offered, buffer.dropped, buffer.waiting_bytes) == (0, 5, 5, 0, 0)


def test_a_batch_is_bounded_in_bytes_and_never_empty():
    buffer = Attended().buffer()
    for number in range(5):
        buffer.offer(numbered(number))
    assert names(buffer.take(5, 1)) == ["0"]
    assert names(buffer.take(5, 20)) == ["1", "2"]
    assert names(buffer.take(1, 20)) == ["3"]
    assert names(buffer.take(5, 20)) == ["4"]


def test_what_is_put_back_leaves_first_again():
    buffer = Attended().buffer()
    for number in range(4):
        buffer.offer(numbered(number))
    taken = buffer.take(3)
    buffer.put_back(taken[1:])
    assert (len(buffer), buffer.taken, buffer.offered, buffer.waiting_bytes) == (3, 1, 4, 30)
    assert names(buffer.take(9)) == ["1", "2", "3"]
    buffer.put_back([])
    assert (len(buffer), buffer.taken, buffer.waiting_bytes) == (0, 4, 0)


def test_what_is_put_back_goes_first_when_there_is_no_room():
    buffer = Attended().buffer(max_spans=3)
    for number in range(3):
        buffer.offer(numbered(number))
    taken = buffer.take(2)
    buffer.offer(numbered(3))
    buffer.put_back(taken)
    assert (len(buffer), buffer.dropped, buffer.offered, buffer.waiting_bytes) == (3, 1, 4, 30)
    assert names(buffer.take(9)) == ["1", "2", "3"]


def test_somebody_is_called_when_nobody_is_awake():
    attended = Attended()
    buffer = attended.buffer()
    buffer.offer(numbered(0))
    assert attended.calls == 1
    buffer.offer(numbered(1))
    assert attended.calls == 1


def test_somebody_is_called_when_there_is_enough_to_do():
    attended = Attended()
    buffer = attended.buffer(wake_spans=3)
    for number in range(4):
        buffer.offer(numbered(number))
    assert attended.calls == 3  # the first, the third and the fourth


def test_somebody_is_called_when_an_eighth_of_the_bytes_is_used():
    attended = Attended()
    buffer = attended.buffer(max_bytes=800)
    buffer.offer(numbered(0, size=50))
    buffer.offer(numbered(1, size=49))
    assert attended.calls == 1
    buffer.offer(numbered(2, size=1))
    assert attended.calls == 2


def test_the_oldest_make_room_when_there_are_too_many():
    buffer = Attended().buffer(max_spans=3)
    for number in range(10):
        buffer.offer(numbered(number))
    assert (len(buffer), buffer.dropped, buffer.offered, buffer.waiting_bytes) == (3, 7, 10, 30)
    assert names(buffer.take(10)) == ["7", "8", "9"]
    assert buffer.waiting_bytes == 0


def test_the_oldest_make_room_when_they_are_too_large():
    buffer = Attended().buffer(max_bytes=100)
    for number in range(5):
        buffer.offer(numbered(number, size=40))
    assert (len(buffer), buffer.dropped, buffer.waiting_bytes) == (2, 3, 80)
    assert names(buffer.take(10)) == ["3", "4"]


def test_one_span_larger_than_the_bound_is_kept_alone():
    buffer = Attended().buffer(max_bytes=100)
    buffer.offer(numbered(0, size=10))
    buffer.offer(numbered(1, size=5000))
    assert (names(buffer.take(10)), buffer.dropped, buffer.waiting_bytes) == (["1"], 1, 0)


def test_nobody_is_called_for_every_span_once_some_were_dropped():
    attended = Attended()
    buffer = attended.buffer(max_bytes=800)
    for number in range(100):
        buffer.offer(numbered(number, size=400))
    buffer.take(100)
    attended.calls = 0
    buffer.offer(numbered(100, size=1))
    assert attended.calls == 0


def test_reset_forgets_everything():
    buffer = Attended().buffer(max_spans=2)
    for number in range(5):
        buffer.offer(numbered(number))
    buffer.take(1)
    buffer.reset()
    assert (len(buffer), buffer.taken, buffer.dropped, buffer.offered, buffer.waiting_bytes) == (0, 0, 0, 0, 0)
    assert not buffer.awake


def test_what_is_being_taken_is_never_missing_in_the_count():
    class Watched(deque):
        def popleft(self):
            seen.append(buffer.offered)
            return super().popleft()

    seen: list[int] = []
    buffer = Attended().buffer(max_spans=3)
    buffer._spans = Watched()
    for number in range(4):
        buffer.offer(numbered(number))
    buffer.take(10)
    assert min(seen) >= 4
    assert buffer.offered == 4


def test_a_worker_that_is_faster_than_whoever_makes_room_takes_nothing_off_twice():
    class Emptied(deque):
        def popleft(self):
            raise IndexError

    buffer = Attended().buffer(max_spans=1)
    buffer._spans = Emptied()
    buffer.offer(numbered(0))
    buffer.offer(numbered(1))
    assert buffer.dropped == 0


def test_a_full_stack_leaves_the_span_in_the_queue():
    def fail() -> None:
        raise RecursionError

    buffer = Buffer(fail)
    buffer.offer(numbered(0))
    assert names(buffer.take(10)) == ["0"]


def test_an_offer_inside_an_offer_is_taken_too():
    attended = Attended(becomes_awake=False)
    buffer = attended.buffer()
    attend = buffer._attend

    def attend_and_offer() -> None:
        attend()
        if attended.calls < 5:  # as a signal handler that comes in here would
            buffer.offer(numbered(attended.calls))

    buffer._attend = attend_and_offer
    buffer.offer(numbered(0))
    assert names(buffer.take(10)) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("max_spans", [100, 1_000_000])
def test_no_count_is_lost_among_threads(max_spans):
    buffer = Attended().buffer(max_spans=max_spans, wake_spans=50)
    taken = []
    done = threading.Event()

    def offer() -> None:
        for number in range(3000):
            buffer.offer(numbered(number))

    def take() -> None:
        while not done.is_set() or len(buffer):
            taken.extend(buffer.take(64))

    threads = [threading.Thread(target=offer) for _ in range(8)]
    taker = threading.Thread(target=take)
    for thread in [*threads, taker]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    taker.join()
    assert buffer.offered == buffer.taken + buffer.dropped == 24_000
    assert len(taken) == buffer.taken
    assert buffer.waiting_bytes == 0


def test_what_waits_in_front_of_it_shares_its_bound():
    waiting = 0
    buffer = Attended().buffer(max_bytes=50, wake_spans=1, before=lambda: waiting)
    for number in range(5):
        buffer.offer(numbered(number))
    assert (len(buffer), buffer.dropped) == (5, 0)
    waiting = 30
    buffer.offer(numbered(5))
    assert (len(buffer), buffer.dropped) == (2, 4)
    assert names(buffer.take(9)) == ["4", "5"]


def test_what_others_can_spare_makes_it_larger():
    buffer = Attended().buffer(max_bytes=50, wake_spans=1)
    buffer.spare_bytes = 30
    for number in range(9):
        buffer.offer(numbered(number))
    assert (len(buffer), buffer.dropped) == (8, 1)
    buffer.spare_bytes = 0
    buffer.offer(numbered(9))
    assert (len(buffer), buffer.dropped) == (5, 5)


def test_what_others_hold_anyway_does_not_count():
    buffer = Attended().buffer(max_bytes=50, wake_spans=1)
    buffer.share = 0.5
    for number in range(11):
        buffer.offer(numbered(number))
    assert (len(buffer), buffer.dropped, buffer.waiting_bytes) == (10, 1, 50)


def test_what_others_hold_is_learnt_once_when_there_is_no_room():
    looked = []

    def look(spans: Any) -> float | None:
        looked.append(len(spans))
        if len(looked) == 1:
            raise RuntimeError("deque mutated")
        return None if len(looked) == 2 else 0.5

    buffer = Attended().buffer(max_bytes=50, wake_spans=1, look=look)
    for number in range(12):
        buffer.offer(numbered(number))
    assert looked == [6, 6, 6]
    assert (len(buffer), buffer.dropped) == (10, 2)


def test_what_others_hold_is_learnt_anew_with_what_is_told_of_spans_that_have_left():
    found = [0.8, 0.2, None]
    buffer = Attended().buffer(max_bytes=50, look=lambda _: found.pop(0))
    for told, learnt in ((0.5, 0.8), (0.5, 0.5), (0.4, 0.4)):
        buffer.learn(told)
        assert buffer.share == learnt
