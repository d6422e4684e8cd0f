from __future__ import annotations

import time
from typing import Any

import pytest

from callspan.guard import guard
from callspan.model.resource import describe
from callspan.pipeline.roots import LONGEST_WAIT_S, OUTAGE_WAIT_S, RootFlush
from callspan.pipeline.worker import Pipeline
from odd_exporters import Keeping, Retrying
from spans import finished


@pytest.fixture
def made():
    """Make pipelines, and close them."""
    pipelines = []

    def make(*exporters: Any) -> Pipeline:
        pipelines.append(Pipeline(exporters, describe("test")))
        return pipelines[-1]

    yield make
    for pipeline in pipelines:
        pipeline.close(0.1)
    guard.forget()


def is_root(span: Any) -> bool:
    return span.parent_id is None


def test_a_root_returns_when_all_is_delivered(made):
    local, wire = Keeping("local"), Keeping("wire", local=False)
    flushing = RootFlush(made(local, wire), is_root)
    for number in range(20):
        flushing.offer(finished(name=f"{number}a", parent_id=1))
        flushing.offer(finished(name=f"{number}b"))
        assert len(local.spans) == len(wire.spans) == 2 * number + 2


def test_what_is_no_root_does_not_wait(made):
    wire = Retrying(99)
    pipeline = made(wire)
    flushing = RootFlush(pipeline, is_root)
    start = time.monotonic()
    for _ in range(100):
        flushing.offer(finished(parent_id=1))
    assert time.monotonic() - start < 1


def test_an_outage_makes_one_answer_slow_and_not_all(made, monkeypatch):
    waits = []
    pipeline = made(Keeping())
    remaining = iter([3, 3, 0, 0])

    def settle(timeout_s: float) -> int:
        waits.append(timeout_s)
        return next(remaining)

    monkeypatch.setattr(pipeline, "settle", settle)
    flushing = RootFlush(pipeline, is_root)
    for _ in range(4):
        flushing.offer(finished())
    assert waits == [LONGEST_WAIT_S, OUTAGE_WAIT_S, OUTAGE_WAIT_S, LONGEST_WAIT_S]


def test_losses_are_left_for_the_next_flush_to_tell(made):
    pipeline = made(Retrying(1, name="bad", local=True))
    RootFlush(pipeline, is_root).offer(finished())
    assert pipeline.flush(1.0).errors == ["bad: HTTP 503"]


@pytest.mark.parametrize("error", [RecursionError, ValueError])
def test_a_fault_of_ours_is_not_the_users(error, made, monkeypatch):
    monkeypatch.setattr(guard, "strict", False)

    def fail(_: Any) -> bool:
        raise error

    RootFlush(made(Keeping()), fail).offer(finished())
    assert guard.counts["delivering at the end of a root"] == (error is ValueError)
