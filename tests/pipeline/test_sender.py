from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from callspan.exporters.contract import ExportResult
from callspan.guard import guard
from callspan.model.resource import describe
from callspan.pipeline.retry import Backoff
from callspan.pipeline.sender import SenderLane
from odd_exporters import Blocking, Calling, Keeping, Retrying
from spans import finished

RESOURCE = describe("test")


def some(count: int, size: int = 10) -> list[Any]:
    return [finished(name=str(number), size=size) for number in range(count)]


def sender(exporter: Any, quiet=nullcontext, **more: Any) -> SenderLane:
    return SenderLane(exporter, exporter.name, RESOURCE, quiet, **more)


def at_once() -> Backoff:
    """Try again without waiting."""
    return Backoff(draw=lambda: 0.0)


def wait_until(condition, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def forgetful_guard():
    guard.forget()
    yield
    guard.forget()


def closed(made: SenderLane) -> SenderLane:
    made.close()
    made.wait_closed(time.monotonic() + 5)
    return made


# -- a thread of its own -----------------------------------------------------------------------------------------------


def test_a_sender_delivers_in_a_thread_of_its_own():
    exporter = Keeping("wire", local=False)
    made = sender(exporter)
    made.put(some(1500))
    wait_until(lambda: made.settled == 1500)
    assert exporter.batches == [512, 512, 476]
    assert set(exporter.threads) == {"callspan-wire"}
    assert made.waiting == 0
    made.close()
    made.wait_closed(time.monotonic() + 5)
    assert exporter.closed == 1
    wait_until(lambda: made.thread_id is None)


def test_whoever_puts_does_not_wait_for_an_exporter_that_blocks():
    exporter = Blocking()
    made = sender(exporter)
    start = time.monotonic()
    made.put(some(1))
    exporter.entered.wait(5)
    made.put(some(600))
    assert time.monotonic() - start < 1
    assert (made.waiting, made.settled) == (601, 0)
    exporter.released.set()
    wait_until(lambda: made.settled == 601)
    made.close()


def test_a_sender_that_cannot_keep_up_drops_the_oldest():
    exporter = Blocking()
    made = sender(exporter, max_spans=10)
    made.put(some(1))
    exporter.entered.wait(5)
    made.put(some(25))
    assert (made.waiting, made.overflowed, made.lost, made.settled) == (11, 15, 15, 15)
    exporter.released.set()
    wait_until(lambda: made.settled == 26)
    assert [span.name for span in exporter.spans] == ["0", *map(str, range(15, 25))]
    made.close()


def test_a_sender_holds_no_more_bytes_than_it_may():
    exporter = Blocking()
    made = sender(exporter, max_bytes=1000)
    made.put(some(1))
    exporter.entered.wait(5)
    made.put(some(30, size=100))
    assert (made.waiting, made.overflowed) == (11, 20)
    exporter.released.set()
    made.close()


def test_closing_a_sender_that_is_blocked_comes_back_and_drops_what_waits():
    exporter = Blocking()
    made = sender(exporter)
    made.put(some(1))
    exporter.entered.wait(5)
    made.put(some(7))
    start = time.monotonic()
    made.close()
    made.wait_closed(time.monotonic() + 0.05)
    assert time.monotonic() - start < 1
    assert (made.counters.dropped, made.waiting, exporter.closed) == ({"shutdown": 7}, 1, 0)
    exporter.released.set()
    wait_until(lambda: exporter.closed == 1)
    assert made.settled == 8


def test_what_comes_after_closing_is_dropped():
    exporter = Keeping(local=False)
    made = sender(exporter)
    made.close()
    made.wait_closed(time.monotonic() + 5)
    made.put(some(3))
    assert (made.counters.dropped, exporter.spans, exporter.closed) == ({"shutdown": 3}, [], 1)


def test_a_sender_may_leave_the_exporter_open():
    exporter = Keeping(local=False)
    made = sender(exporter)
    made.close(close_exporter=False)
    made.wait_closed(time.monotonic() + 5)
    assert exporter.closed == 0


def test_what_slips_in_while_closing_is_dropped_and_the_exporter_closed_once():
    exporter = Keeping(local=False)
    made = sender(exporter)
    made.close()
    made.wait_closed(time.monotonic() + 5)
    wait_until(lambda: made.thread_id is None)
    made._is_closed = False  # as seen by a worker that looked just before
    put_late, made._queue._attend = made.put, lambda: None
    put_late(some(2))
    made._is_closed = True
    made.start()
    wait_until(lambda: made.settled == 2)
    assert made.counters.dropped == {"shutdown": 2}
    wait_until(lambda: made.thread_id is None)
    assert exporter.closed == 1


def test_without_threads_spans_are_dropped_and_counted(monkeypatch):
    def fail(_) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    exporter = Keeping(local=False)
    made = sender(exporter)
    made.put(some(3))
    assert (made.counters.dropped, made.waiting) == ({"no thread": 3}, 0)
    made.close()
    made.wait_closed(time.monotonic() + 5)
    assert exporter.closed == 0  # closing may hang, and there is no thread that could


def test_a_child_has_a_sender_and_a_queue_of_its_own():
    exporter = Blocking()
    made = sender(exporter)
    made.put(some(1))
    exporter.entered.wait(5)
    made.put(some(3))
    made.reset()  # as in a child, where the sender is gone
    assert (made.waiting, made.settled, made.thread_id) == (0, 0, None)
    exporter.released.set()
    made.put(some(2))
    wait_until(lambda: made.settled >= 2)
    made.close()


def test_a_sender_is_quiet_while_it_exports():
    inside = []

    @contextmanager
    def quiet():
        inside.append(threading.current_thread().name)
        yield
        inside.remove(threading.current_thread().name)

    exporter = Calling(lambda: list(inside), "wire", local=False)
    made = sender(exporter, quiet)
    made.put(some(1))
    wait_until(lambda: made.settled == 1)
    assert exporter.returned == [["callspan-wire"]]
    made.close()


# -- trying again ------------------------------------------------------------------------------------------------------


def test_what_is_to_be_retried_is_sent_again_in_order_and_nothing_else_before():
    exporter = Retrying(3)
    made = sender(exporter, backoff=at_once)
    made.put(some(4))
    wait_until(lambda: made.settled == 4)
    assert [span.name for span in exporter.spans] == ["0", "1", "2", "3"]
    assert (made.counters.delivered, made.counters.retries, made.lost, made.waiting) == (4, 3, 0, 0)
    assert closed(made).counters.dropped == {}


def test_what_was_delivered_is_not_sent_again():
    spans = some(6)
    exporter = Retrying(0, [ExportResult(delivered=2, rejected=1, retry=spans[3:], reason="HTTP 503")])
    made = sender(exporter, backoff=at_once)
    made.put(spans)
    wait_until(lambda: made.settled == 6)
    assert [span.name for span in exporter.spans] == ["3", "4", "5"]
    assert (made.counters.delivered, made.counters.rejected, made.counters.retries) == (5, 1, 1)
    closed(made)


def test_fewer_are_sent_after_a_failure_and_more_after_a_success():
    exporter = Retrying(3)
    made = sender(exporter, backoff=at_once)
    made.put(some(1500))
    wait_until(lambda: made.settled == 1500)
    assert exporter.offered == [512, 256, 128, 64, 128, 256, 512, 512, 28]
    assert [int(span.name) for span in exporter.spans] == list(range(1500))
    closed(made)


def test_a_batch_has_a_bound_in_bytes():
    exporter = Keeping(local=False)
    made = sender(exporter)
    made._queue.awake = True  # nobody takes one before all are there
    made.put(some(10, size=3 * 1_048_576))
    made._queue.awake = False
    made.start()
    wait_until(lambda: made.settled == 10)
    assert exporter.batches == [1, 3, 3, 3]  # the first one shows that it gets through
    closed(made)


def test_what_waits_for_a_retry_is_in_the_queue_and_bounded_like_it():
    exporter = Retrying(1, [])
    made = sender(exporter, max_spans=10, backoff=lambda: Backoff(draw=lambda: 1.0))
    made.put(some(5))
    wait_until(lambda: made.trouble)
    assert (made.waiting, made.settled, made.trouble) == (5, 0, "HTTP 503")
    made.put([finished(name=str(number), size=10) for number in range(5, 13)])
    assert (made.waiting, made.overflowed, made.settled) == (10, 3, 3)
    made.hurry()
    wait_until(lambda: made.settled == 13)
    assert [span.name for span in exporter.spans] == [str(number) for number in range(3, 13)]
    assert made.trouble is None
    closed(made)


@pytest.mark.parametrize(
    ("answer", "delivered", "rejected", "dropped"),
    [
        (lambda spans: ExportResult(retry=iter(spans)), 0, 0, {"not delivered": 5}),
        (lambda spans: ExportResult(retry="spans"), 0, 0, {"not delivered": 5}),  # type: ignore[arg-type]
        (lambda spans: ExportResult(retry=some(3)), 0, 0, {"not delivered": 5}),
        (lambda spans: ExportResult(delivered=5, retry=spans), 5, 0, {}),
        (lambda spans: ExportResult(delivered=3, rejected=2, retry=list(spans)), 3, 2, {}),
        (lambda spans: ExportResult(delivered=3, retry=[spans[4], spans[4], *some(2)]), 4, 0, {"not delivered": 1}),
        (lambda spans: ExportResult(delivered=3, retry=list(spans)[::-1]), 5, 0, {}),
    ],
)
def test_every_span_is_counted_once_whatever_is_to_be_retried(answer, delivered, rejected, dropped):
    exporter = Retrying(0, [answer])
    made = sender(exporter, backoff=at_once)
    made._queue.awake = True
    made.put(some(5))
    made._queue.awake = False
    made.start()
    wait_until(lambda: made.settled == 5)
    counters = made.counters
    assert (counters.delivered, counters.rejected, counters.dropped) == (delivered, rejected, dropped)
    closed(made)


def test_who_hurries_wakes_a_sender_that_waits():
    exporter = Retrying(1)
    made = sender(exporter, backoff=lambda: Backoff(draw=lambda: 20.0))
    made.put(some(1))
    wait_until(lambda: made.trouble)
    assert made.settled == 0
    made.hurry()
    wait_until(lambda: made.settled == 1, 1)
    closed(made)


def test_closing_wakes_a_sender_that_waits_and_drops_what_is_left():
    exporter = Retrying(99, retry_after_s=50)
    made = sender(exporter)
    made.put(some(3))
    wait_until(lambda: made.trouble)
    start = time.monotonic()
    closed(made)
    assert time.monotonic() - start < 1
    assert (made.counters.dropped, made.waiting, exporter.closed) == ({"shutdown": 3}, 0, 1)
    assert made.last_error == "HTTP 503"


def test_what_comes_back_from_an_attempt_after_closing_is_dropped():
    exporter = Retrying(99)
    exporter.released.clear()
    made = sender(exporter)
    made.put(some(3))
    assert exporter.entered.wait(5)
    made.close()
    exporter.released.set()
    made.wait_closed(time.monotonic() + 5)
    assert (made.counters.dropped, made.waiting, made.settled) == ({"shutdown": 3}, 0, 3)


def test_a_child_knows_nothing_of_the_outage_of_its_parent():
    exporter = Retrying(1)
    made = sender(exporter, backoff=lambda: Backoff(draw=lambda: 20.0))
    made.put(some(3))
    wait_until(lambda: made.trouble)
    made.reset()
    assert (made.waiting, made.trouble, made.counters.retries) == (0, None, 0)
    made.put(some(1))
    wait_until(lambda: made.settled == 1)
    closed(made)


# -- what is said ------------------------------------------------------------------------------------------------------


class Outage:
    """A backoff whose clock is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> Backoff:
        return Backoff(lambda: self.now, lambda: 1.0)


def test_an_outage_is_warned_of_once_it_lasts_and_its_end_is_told(caplog):
    caplog.set_level(logging.INFO, "callspan")
    outage = Outage()
    made = sender(Retrying(1, name="wire"), backoff=outage)
    made.put(some(2))
    wait_until(lambda: made.trouble)
    made.warn()
    assert caplog.messages == []
    outage.now = 10.0
    exporter_calls_before = made.counters.retries
    made.warn()
    made.warn()
    assert caplog.messages == ["exporter 'wire' cannot deliver (HTTP 503); spans are kept as far as they fit"]
    assert exporter_calls_before in (0, 1)
    made.hurry()
    wait_until(lambda: made.settled == 2)
    made.warn()
    made.warn()
    assert caplog.messages[1:] == ["exporter 'wire' delivers again"]
    closed(made)


def test_an_exporter_that_is_too_slow_is_warned_of(caplog):
    exporter = Blocking()
    made = sender(exporter, max_spans=10)
    made.put(some(1))
    exporter.entered.wait(5)
    made.put(some(25))
    made.warn()
    made.warn()
    assert caplog.messages == ["exporter 'blocking' is too slow; the oldest 15 spans were dropped"]
    exporter.released.set()
    closed(made)


def test_until_it_has_delivered_a_sender_has_enough_with_what_it_begins_with():
    exporter = Blocking()
    made = sender(exporter)
    assert not made.has_enough
    made.put(some(1))
    assert exporter.entered.wait(5)
    assert made.has_enough
    exporter.released.set()
    wait_until(lambda: made.settled == 1)
    assert not made.has_enough
    closed(made)


@pytest.mark.parametrize(("nearly", "size"), [(1023, 10), (2, 3 << 20)], ids=["two batches", "eight mebibytes"])
def test_a_sender_that_keeps_up_has_enough_with_so_much(nearly, size):
    exporter = Blocking()
    made = sender(exporter)
    made.counters.delivered = 1
    made.put(some(1))
    assert exporter.entered.wait(5)
    made.put(some(nearly, size=size))
    assert not made.has_enough
    made.put(some(1, size=size))
    assert made.has_enough
    exporter.released.set()
    closed(made)


def test_a_sender_that_cannot_deliver_has_enough_with_what_it_tries():
    exporter = Retrying(100)
    made = sender(exporter)
    made.counters.delivered = 1
    made.put(some(2))
    wait_until(lambda: made.trouble)
    assert made.has_enough
    exporter.failures = 0
    made.hurry()
    wait_until(lambda: made.settled == 3)
    assert not made.has_enough
    closed(made)
