from __future__ import annotations

import threading
from typing import Any

from callspan.pipeline.counters import Counters, Stats, balanced


def test_what_is_settled_is_delivered_or_lost():
    counters = Counters()
    counters.delivered += 3
    counters.rejected += 2
    counters.drop(4, "disk full")
    counters.drop(1, "queue full")
    assert counters.lost == 7
    assert counters.settled == 10
    assert counters.dropped == {"disk full": 4, "queue full": 1}


def test_nothing_dropped_leaves_no_reason_behind():
    counters = Counters()
    counters.drop(0, "disk full")
    assert counters.dropped == {}


def test_invented_reasons_are_told_apart_up_to_a_bound():
    counters = Counters()
    for number in range(1000):
        counters.drop(1, f"error {number} " + "x" * 1000)
    assert len(counters.dropped) == 33
    assert counters.dropped["other"] == 968
    assert max(map(len, counters.dropped)) == 120
    assert counters.lost == 1000
    counters.drop(1, "error 0 " + "x" * 1000)
    assert counters.dropped["other"] == 968


def test_threads_lose_no_count():
    counters = Counters()

    def drop() -> None:
        for number in range(2000):
            counters.drop(1, f"reason {number % 20}")

    threads = [threading.Thread(target=drop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(counters.dropped.values()) == {800}


def counted(**counts: Any) -> dict[str, Stats]:
    zero: dict[str, Any] = dict.fromkeys(Stats.__annotations__, 0)
    return {"a": Stats(**{**zero, "dropped": {}, **counts})}  # type: ignore[typeddict-item]


def test_books_that_balance_are_shown_at_once():
    told = [counted(ended=7, adopted=1, delivered=2, rejected=1, dropped={"x": 1}, buffered=3, spooled=1), {}]
    assert balanced(lambda: told.pop(0))["a"]["ended"] == 7
    assert told == [{}]


def test_books_that_do_not_balance_are_looked_at_again():
    told = [counted(ended=3), counted(ended=3, buffered=2), counted(ended=3, buffered=3), {}]
    assert balanced(lambda: told.pop(0))["a"]["buffered"] == 3
    assert told == [{}]


def test_books_that_never_balance_are_shown_as_they_are():
    assert balanced(lambda: counted(ended=3))["a"]["ended"] == 3


def test_a_thread_that_delivers_does_not_wait_for_itself():
    told = [counted(ended=3), {}]
    assert balanced(lambda: told.pop(0), [None, threading.get_ident()])["a"]["buffered"] == 0
    assert told == [{}]
