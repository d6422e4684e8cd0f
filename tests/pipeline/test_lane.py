from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from callspan.exporters.contract import ExportResult
from callspan.guard import guard
from callspan.model.resource import describe
from callspan.pipeline.lane import Lane, SenderLane
from odd_exporters import Answering, Blocking, Calling, Keeping
from spans import finished

RESOURCE = describe("test")


def some(count: int, size: int = 10) -> list[Any]:
    return [finished(name=str(number), size=size) for number in range(count)]


def lane(exporter: Any) -> Lane:
    return Lane(exporter, exporter.name, RESOURCE)


def sender(exporter: Any, quiet=nullcontext, **bounds: int) -> SenderLane:
    return SenderLane(exporter, exporter.name, RESOURCE, quiet, **bounds)


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


# -- what an exporter answers ------------------------------------------------------------------------------------------


def test_what_is_delivered_is_counted():
    exporter = Keeping()
    made = lane(exporter)
    made.put(some(3))
    assert [span.name for span in exporter.spans] == ["0", "1", "2"]
    assert (made.counters.delivered, made.lost, made.settled, made.waiting, made.overflowed) == (3, 0, 3, 0, 0)
    assert made.thread_id is None
    assert made.last_error is None


@pytest.mark.parametrize(
    ("result", "delivered", "rejected", "dropped"),
    [
        (ExportResult(delivered=5), 5, 0, {}),
        (ExportResult(), 0, 0, {"not delivered": 5}),
        (ExportResult(delivered=2, rejected=3, reason="400"), 2, 3, {}),
        (ExportResult(delivered=2, rejected=1, reason="file: full"), 2, 1, {"file: full": 2}),
        (ExportResult(delivered=3, reason=""), 3, 0, {"not delivered": 2}),
        (ExportResult(delivered=99, rejected=99), 5, 0, {}),
        (ExportResult(delivered=-4, rejected=-4), 0, 0, {"not delivered": 5}),
        (ExportResult(delivered="5"), 0, 0, {"not delivered": 5}),  # type: ignore[arg-type]
        (ExportResult(delivered=2.0, rejected=None), 0, 0, {"not delivered": 5}),  # type: ignore[arg-type]
        (ExportResult(delivered=True, suspicious="x"), 0, 0, {"not delivered": 5}),  # type: ignore[arg-type]
        (ExportResult(delivered=1, reason=["a"]), 1, 0, {"not delivered": 4}),  # type: ignore[arg-type]
        (None, 0, 0, {"exporter answer": 5}),
        ("ok", 0, 0, {"exporter answer": 5}),
    ],
)
def test_never_more_than_there_was_is_counted(result, delivered, rejected, dropped):
    made = lane(Answering(result))
    made.put(some(5))
    counters = made.counters
    assert (counters.delivered, counters.rejected, counters.dropped) == (delivered, rejected, dropped)
    assert made.settled == 5


def test_suspicious_acknowledgements_are_counted():
    made = lane(Answering(ExportResult(delivered=5, suspicious=1)))
    made.put(some(5))
    made.put(some(5))
    assert made.counters.suspicious == 2


def test_the_last_error_says_what_went_wrong_and_so_does_one_line_of_the_log(caplog):
    made = lane(Answering(ExportResult(rejected=5, reason="401"), "wire"))
    made.put(some(5))
    made.put(some(5))
    assert made.last_error == "401"
    assert caplog.messages == ["exporter 'wire' did not deliver 5 spans: 401"]
    made = lane(Answering(42))
    made.put(some(5))
    assert made.last_error == "export returned int, not an ExportResult"


class Cancelled(BaseException):
    """As asyncio's: no Exception."""


@pytest.mark.parametrize("error", [ValueError("secret"), MemoryError(), SystemExit(1), Cancelled()])
def test_an_exporter_that_raises_loses_its_batch_and_nothing_else(error, caplog):
    made = lane(Answering(error, "bad"))
    made.put(some(5))
    made.put(some(2))
    assert made.counters.dropped == {"exporter error": 7}
    assert made.last_error == f"{type(error).__name__} in export"
    assert [record.message for record in caplog.records] == [
        f"exporter 'bad' raised {type(error).__name__}; spans dropped"
    ]


def test_ctrl_c_in_an_export_is_the_users_and_counted_all_the_same():
    made = lane(Answering(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        made.put(some(5))
    assert made.counters.dropped == {"exporter error": 5}


def test_dropping_none_says_nothing():
    made = lane(Keeping())
    made.drop(0, "unreadable")
    assert (made.last_error, made.lost) == (None, 0)


# -- closing and forking -----------------------------------------------------------------------------------------------


def test_closing_closes_the_exporter_unless_somebody_else_uses_it():
    exporter = Keeping()
    lane(exporter).close(close_exporter=False)
    assert exporter.closed == 0
    made = lane(exporter)
    made.close()
    made.wait_closed(0.0)
    assert exporter.closed == 1


@pytest.mark.parametrize("error", [ValueError(), SystemExit()])
def test_an_exporter_that_fails_to_close_is_warned_of(error, caplog):
    class Unclosable(Keeping):
        def close(self) -> None:
            raise error

    lane(Unclosable("bad")).close()
    assert [record.message for record in caplog.records] == [
        f"exporter 'bad' raised {type(error).__name__} when closed"
    ]


def test_a_child_starts_from_zero():
    made = lane(Answering(ExportResult(delivered=1, reason="no")))
    made.put(some(5))
    made.told_lost = 4
    made.reset()
    assert (made.settled, made.last_error, made.told_lost) == (0, None, 0)


# -- senders -----------------------------------------------------------------------------------------------------------


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
