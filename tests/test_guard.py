from __future__ import annotations

import logging
from collections import deque

import pytest

from callspan.guard import Guard


@pytest.fixture
def fresh() -> Guard:
    return Guard()


def fault() -> ValueError:
    try:
        raise ValueError("hush")
    except ValueError as error:
        return error


def test_a_fault_is_counted_and_logged_later_without_its_text(fresh, caplog):
    fresh.note("opening a call", fault())
    assert caplog.messages == []
    fresh.log()
    (message,) = caplog.messages
    assert message.startswith(f"opening a call: ValueError at {__file__}:")
    assert message.endswith("Your code is not affected; some telemetry may be missing.")
    assert "hush" not in message
    assert fresh.counts == {"opening a call": 1}
    assert caplog.records[0].name == "callspan"


def test_the_same_cause_is_logged_once_a_minute(fresh, caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("callspan.guard.time.monotonic", lambda: now[0])
    for _ in range(5):
        fresh.note("a", fault())
        fresh.note("b", fault())
    fresh.log()
    assert len(caplog.messages) == 2
    now[0] += 59
    fresh.note("a", fault())
    fresh.log()
    assert len(caplog.messages) == 2
    now[0] += 1
    fresh.note("a", fault())
    fresh.log()
    assert len(caplog.messages) == 3
    assert fresh.counts == {"a": 7, "b": 5}


def test_what_is_noted_is_bounded(fresh):
    for number in range(10_000):
        fresh.note(f"place {number % 10}", ValueError())
    assert len(fresh._fresh) == 256


def test_a_strict_guard_raises_what_it_notes(fresh):
    fresh.strict = True
    with pytest.raises(ValueError, match="hush"):
        fresh.note("a", fault())
    assert fresh.counts == {"a": 1}


def test_odd_things_are_only_counted(fresh, caplog):
    fresh.strict = True
    fresh.count("span ended twice")
    fresh.log()
    assert fresh.counts == {"span ended twice": 1}
    assert caplog.messages == []


def test_a_handler_of_the_application_may_fail(fresh):
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError

    logger = logging.getLogger("callspan")
    handler = Failing()
    logger.addHandler(handler)
    try:
        fresh.warn("a", "message")
    finally:
        logger.removeHandler(handler)
    assert fresh.counts == {"logging": 1}


def test_two_threads_may_log(fresh):
    class Emptied(deque):
        def popleft(self):
            raise IndexError

    fresh._fresh = Emptied([("a", "b")])
    fresh.log()


def test_forgetting_starts_anew(fresh, caplog):
    fresh.note("a", fault())
    fresh.log()
    fresh.note("a", fault())
    fresh.forget()
    fresh.log()
    assert fresh.counts == {}
    fresh.note("a", fault())
    fresh.log()
    assert len(caplog.messages) == 2
