from __future__ import annotations

from typing import Any

import pytest

from callspan.exporters.contract import ExportResult
from callspan.guard import guard
from callspan.model.resource import describe
from callspan.pipeline.lane import Lane
from odd_exporters import Answering, Keeping, Retrying
from spans import finished

RESOURCE = describe("test")


def some(count: int, size: int = 10) -> list[Any]:
    return [finished(name=str(number), size=size) for number in range(count)]


def lane(exporter: Any) -> Lane:
    return Lane(exporter, exporter.name, RESOURCE)


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


def test_a_local_exporter_is_not_asked_again():
    exporter = Retrying(1, local=True)
    made = lane(exporter)
    made.hurry()
    made.warn()
    made.put(some(3))
    assert (made.counters.dropped, made.trouble, made.counters.retries) == ({"HTTP 503": 3}, None, 0)


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
