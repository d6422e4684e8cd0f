from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from callspan.exporters.contract import ExportResult
from callspan.guard import guard
from callspan.model.facts import MISSING
from callspan.model.resource import Resource, describe
from callspan.model.span import Span
from callspan.pipeline import worker
from callspan.pipeline.counters import FlushResult
from callspan.pipeline.metrics import Metrics
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.worker import Pipeline
from odd_exporters import Answering, Blocking, Calling, Keeping, Retrying
from spans import finished
from stacks import on_a_stack_with

made: list[Pipeline] = []


@pytest.fixture(autouse=True)
def closed_pipelines(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(worker, "_INTERVAL_S", 0.02)
    guard.forget()
    yield
    guard.strict = False
    while made:
        made.pop().close(0.1)
    guard.forget()


def pipeline(*exporters: Any, **options: Any) -> Pipeline:
    made.append(Pipeline(exporters, describe("test"), **options))
    return made[-1]


def wait_until(condition, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.001)


def offer(to: Pipeline, count: int = 1, size: int = 10) -> None:
    for number in range(count):
        to.offer(finished(name=str(number), size=size))


def conserved(of: Pipeline) -> dict[str, dict[str, Any]]:
    counts = of.stats()
    for name, stats in counts.items():
        settled = stats["delivered"] + stats["rejected"] + sum(stats["dropped"].values())
        assert stats["ended"] + stats["adopted"] == settled + stats["buffered"] + stats["spooled"], (name, stats)
    return counts  # type: ignore[return-value]


def without_threads(monkeypatch) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)


class Unreadable(Span):
    """A span whose facts cannot be opened."""

    __slots__ = ("failure",)

    def open_facts(self) -> Any:
        raise self.failure


def unreadable(failure: BaseException) -> Span:
    span = Unreadable()
    span.failure, span.size = failure, 10
    return span


# -- delivering --------------------------------------------------------------------------------------------------------


def test_nothing_is_started_and_nobody_called_before_the_first_span():
    before = threading.active_count()
    exporter = Keeping(local=False)
    of = pipeline(exporter, Keeping())
    assert of.flush(1) == FlushResult(ok=True)
    assert threading.active_count() == before
    assert exporter.batches == []


def test_spans_arrive_without_being_asked_for():
    local, wire = Keeping("local"), Keeping("wire", local=False)
    of = pipeline(local, wire)
    offer(of, 3)
    wait_until(lambda: len(local.spans) == len(wire.spans) == 3, 2)
    assert local.threads == ["callspan-worker"]
    assert wire.threads == ["callspan-wire"]
    conserved(of)


def test_many_spans_wake_the_worker_before_its_time(monkeypatch):
    monkeypatch.setattr(worker, "_INTERVAL_S", 5)
    local = Keeping()
    of = pipeline(local)
    offer(of, 5000)
    wait_until(lambda: len(local.spans) > 4000, 2)
    assert max(local.batches) <= 512


def test_counts_tell_what_became_of_every_span():
    of = pipeline(Keeping("a"), Answering(ExportResult(delivered=1, rejected=1, reason="no", suspicious=1), "b"))
    offer(of, 4)
    of.flush(5)
    assert conserved(of) == {
        "a": {
            "ended": 4,
            "adopted": 0,
            "delivered": 4,
            "rejected": 0,
            "dropped": {},
            "buffered": 0,
            "spooled": 0,
            "retries": 0,
            "suspicious": 0,
        },
        "b": {
            "ended": 4,
            "adopted": 0,
            "delivered": 1,
            "rejected": 1,
            "dropped": {"no": 2},
            "buffered": 0,
            "spooled": 0,
            "retries": 0,
            "suspicious": 1,
        },
    }


def test_what_the_queue_cannot_hold_is_dropped_for_everybody(caplog):
    of = pipeline(Keeping("a"), Keeping("b"), max_spans=100)
    of.hold()
    offer(of, 250)
    of.release()
    assert of.flush(5) == FlushResult(ok=False, errors=["a: queue full", "b: queue full"])
    counts = conserved(of)
    assert counts["a"]["dropped"] == counts["b"]["dropped"] == {"queue full": 150}
    told = "spans end faster than they are delivered; the oldest 150 were dropped"
    wait_until(lambda: caplog.messages == [told])


def test_a_full_queue_of_bytes_drops_too():
    of = pipeline(Keeping("a"), max_bytes=1000)
    of.hold()
    offer(of, 30, size=100)
    of.release()
    of.flush(5)
    assert conserved(of)["a"]["dropped"] == {"queue full": 20}


def test_an_overflowing_sender_is_counted_apart_from_the_queue():
    blocked = Blocking("wire")
    of = pipeline(Keeping("a"), blocked, max_spans=100)
    offer(of)
    blocked.entered.wait(5)
    for number in range(3):
        offer(of, 100)
        expected = 1 + 100 * (number + 1)  # the local exporter has them last
        wait_until(lambda: of.stats()["a"]["delivered"] == expected)  # noqa: B023 - asked at once
    blocked.released.set()
    of.flush(5)
    counts = conserved(of)
    assert counts["a"]["dropped"] == {}
    assert counts["wire"]["dropped"] == {"queue full": 200}
    assert counts["wire"]["delivered"] == 101


def test_content_is_taken_out_before_any_exporter_sees_it():
    exporter = Keeping()
    of = pipeline(exporter, gate=Gate(capture_content=False))
    of.offer(finished(input={"q": "hush"}, output="hush", size=10))
    of.flush(5)
    assert exporter.spans[0].facts.input is MISSING
    assert exporter.spans[0].facts.output is MISSING


def test_spans_pass_the_gate_and_the_limit():
    exporter = Keeping()
    of = pipeline(exporter)
    of.offer(finished(input={"password": "hush", "text": "x" * 300_000}, size=300_000))
    of.flush(5)
    facts = exporter.spans[0].facts
    assert facts.input["password"] == "[redacted]"
    assert len(facts.input["text"]) == 262_145
    assert facts.truncated == {"input": 300_000}


def test_the_resource_passes_the_gate_too():
    class Looking(Keeping):
        def export(self, batch: Any) -> ExportResult:
            seen.append(batch.resource)
            return super().export(batch)

    seen: list[Resource] = []
    resource = describe("test", {"api_key": "hush", "team": "a"})
    of = Pipeline([Looking()], resource)
    made.append(of)
    offer(of)
    of.flush(5)
    assert (seen[0].attributes["api_key"], seen[0].attributes["team"]) == ("[redacted]", "a")
    assert resource.attributes["api_key"] == "hush"


def test_a_pipeline_that_nobody_holds_goes_away():
    of = Pipeline([Keeping()], describe("test"))
    offer(of)
    of.close(5)
    reference = weakref.ref(of)
    del of
    wait_until(lambda: gc.collect() >= 0 and reference() is None)


# -- flushing ----------------------------------------------------------------------------------------------------------


def test_a_flush_gives_up_at_its_deadline():
    blocked = Blocking("wire")
    of = pipeline(Keeping("a"), blocked)
    offer(of, 3)
    start = time.monotonic()
    result = of.flush(0.2)
    assert 0.2 <= time.monotonic() - start < 0.6
    assert (bool(result), result) == (False, FlushResult(ok=False, remaining=3))
    assert of.flush(0) == FlushResult(ok=False, remaining=3)
    conserved(of)
    blocked.released.set()
    assert of.flush(5) == FlushResult(ok=True)


def test_a_flush_gives_up_early_when_nothing_moves():
    of = pipeline(Blocking("wire"))
    offer(of)
    start = time.monotonic()
    assert of.flush(5, stall_s=0.2).remaining == 1
    assert 0.2 <= time.monotonic() - start < 1


def test_a_flush_goes_on_while_any_exporter_moves():
    class Slow(Keeping):
        def export(self, batch: Any) -> ExportResult:
            time.sleep(0.15)
            return super().export(batch)

    slow = Slow("slow", local=False)
    of = pipeline(Blocking("dead"), slow)
    offer(of, 2000)
    of.flush(5, stall_s=0.3)
    assert len(slow.spans) == 2000  # in four batches, which takes longer than the patience with the dead one
    conserved(of)


def test_what_is_prepared_for_an_exporter_out_of_order_is_no_progress(monkeypatch):
    retrying = Retrying(1_000_000)
    of = pipeline(retrying)
    offer(of)
    wait_until(lambda: next(iter(of.lanes)).trouble is not None)

    def slowly(span: Any) -> bool:
        time.sleep(0.02)
        return True

    monkeypatch.setattr(of, "_make_ready", slowly)
    offer(of, 5_000)
    start = time.monotonic()
    assert of.flush(5, stall_s=0.2).remaining == 5_001
    assert 0.2 <= time.monotonic() - start < 2  # and not the 100 seconds that preparing them takes


def test_an_attempt_that_fails_late_is_no_progress():
    class Late(Keeping):
        def export(self, batch: Any) -> ExportResult:
            time.sleep(0.5)
            return ExportResult(retry=batch.spans, reason="timed out")

    of = pipeline(Late("late", local=False))
    offer(of, 10)
    wait_until(lambda: of.buffer.taken == 10)
    start = time.monotonic()
    assert of.flush(5, stall_s=0.6).remaining == 10
    assert 0.6 <= time.monotonic() - start < 1  # and not 0.6 more, from when the first attempt failed
    conserved(of)


def test_a_flush_says_what_was_lost_since_the_last_one():
    exporter = Answering(ExportResult(reason="disk full"), "a")
    of = pipeline(exporter)
    offer(of)
    wait_until(lambda: exporter.batches)  # before anybody asked
    assert of.flush(5) == FlushResult(ok=False, errors=["a: disk full"])
    exporter.answer = ExportResult(delivered=1)
    offer(of)
    assert of.flush(5) == FlushResult(ok=True)


def test_several_flushes_at_once():
    exporter = Keeping()
    of = pipeline(exporter)
    results = []

    def work() -> None:
        for _ in range(20):
            offer(of, 10)
            results.append(of.flush(5))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [FlushResult(ok=True)] * 120
    assert len(exporter.spans) == 1200
    conserved(of)


def test_a_flush_that_is_ok_has_seen_all_that_ended_before_it():
    exporter = Keeping()
    of = pipeline(exporter)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.001):
            offer(of, 20)

    threads = [threading.Thread(target=disturb) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(50):
            mine = finished(name=f"mine {number}", size=10)
            of.offer(mine)
            assert of.flush(10).remaining == 0
            assert mine in exporter.spans[-50_000:]
            exporter.spans.clear()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    of.flush(10)
    conserved(of)


@pytest.mark.parametrize("local", [True, False])
def test_a_flush_by_an_exporter_says_at_once_what_is_left(local):
    exporter = Calling(lambda: of.flush(5), local=local)
    of = pipeline(exporter)
    start = time.monotonic()
    offer(of, 3)
    assert of.flush(4).ok
    assert time.monotonic() - start < 1
    assert exporter.returned == [FlushResult(ok=False, remaining=3)]


def test_a_flush_by_a_handler_of_the_workers_log_lines_comes_back():
    results = []
    of = pipeline(Keeping(), every_interval=lambda: results.append(of.flush(5)))
    start = time.monotonic()
    offer(of)
    wait_until(lambda: results)
    assert time.monotonic() - start < 2


def test_a_flush_goes_on_in_a_child_that_is_forked_inside_it():
    of = pipeline(Blocking("wire"))
    offer(of, 3)
    threading.Timer(0.1, of.after_fork).start()  # what a child sees
    start = time.monotonic()
    assert of.flush(5) == FlushResult(ok=True)
    assert time.monotonic() - start < 2


# -- where there is no worker ------------------------------------------------------------------------------------------


def test_without_threads_spans_are_delivered_where_they_end(monkeypatch, caplog):
    without_threads(monkeypatch)
    local, wire = Keeping("local"), Keeping("wire", local=False)
    of = pipeline(local, wire)
    offer(of, 3)
    assert local.batches == [1, 1, 1]
    assert set(local.threads) == {threading.current_thread().name}
    counts = conserved(of)
    assert counts["wire"]["dropped"] == {"no thread": 3}
    assert of.flush(1) == FlushResult(ok=False, errors=["wire: no thread"])
    assert [record.message for record in caplog.records] == [
        "no thread can be started here; spans are delivered on the threads that make them"
    ]


def test_threads_that_can_be_had_again_are_used_again(monkeypatch):
    local = Keeping()
    of = pipeline(local)
    with monkeypatch.context() as patch:
        without_threads(patch)
        offer(of)
    of._worker._rest_until = 0.0  # ten seconds later
    offer(of)
    of.flush(5)
    assert local.threads == [threading.current_thread().name, "callspan-worker"]


def test_inline_delivery_has_a_budget(monkeypatch):
    class Slow(Keeping):
        def export(self, batch: Any) -> ExportResult:
            time.sleep(0.06)
            return super().export(batch)

    of = pipeline(Slow())
    of.hold()
    offer(of, 2560)
    without_threads(monkeypatch)
    start = time.monotonic()
    of.release()
    assert time.monotonic() - start < 0.5
    assert 0 < len(of.buffer) < 2560
    conserved(of)
    assert of.flush(5).ok  # which may take its time
    conserved(of)


def test_inline_delivery_is_quiet(monkeypatch):
    without_threads(monkeypatch)
    inside: list[int] = []

    @contextmanager
    def quiet() -> Iterator[None]:
        inside.append(1)
        yield
        inside.pop()

    exporter = Calling(lambda: len(inside))
    offer(pipeline(exporter, quiet=quiet))
    assert exporter.returned == [1]


def test_a_span_that_ends_in_an_inline_export_is_delivered_after_it(monkeypatch):
    without_threads(monkeypatch)
    seen = []

    def end_another() -> int:
        if not exporter.returned:
            offer(of)  # as a signal handler would
        seen.append(len(exporter.spans))
        return 0

    exporter = Calling(end_another)
    of = pipeline(exporter)
    offer(of)
    assert seen == [0, 1]
    assert len(exporter.spans) == 2
    conserved(of)


def test_a_span_that_ends_elsewhere_during_an_inline_export_is_not_left_behind(monkeypatch):
    start_thread = threading.Thread.start

    def end_elsewhere() -> None:
        if not exporter.returned:
            thread = threading.Thread(target=offer, args=(of,))
            start_thread(thread)
            thread.join()

    exporter = Calling(end_elsewhere)
    of = pipeline(exporter)
    without_threads(monkeypatch)
    offer(of)
    assert len(exporter.spans) == 2


def test_a_flush_inside_an_inline_export_comes_back(monkeypatch):
    without_threads(monkeypatch)
    exporter = Calling(lambda: of.flush(5))
    of = pipeline(exporter)
    start = time.monotonic()
    offer(of)
    assert time.monotonic() - start < 1
    assert exporter.returned == [FlushResult(ok=False, remaining=1)]


def test_ctrl_c_in_an_inline_export_reaches_the_user_and_the_counts(monkeypatch):
    without_threads(monkeypatch)
    of = pipeline(Answering(KeyboardInterrupt(), "a"), Keeping("b"))
    with pytest.raises(KeyboardInterrupt):
        offer(of)
    counts = conserved(of)
    assert (counts["a"]["dropped"], counts["b"]["dropped"]) == ({"exporter error": 1}, {"worker died": 1})
    assert of._step_lock.acquire(blocking=False)


def test_a_fault_while_handing_over_is_noted_and_goes_no_further(monkeypatch):
    guard.strict = False

    def fail() -> bool:
        raise ValueError

    of = pipeline(Keeping())
    with monkeypatch.context() as patch:
        patch.setattr(of._worker, "start", fail)
        offer(of, 2)
    assert guard.counts["handing a span over"] == 2
    offer(of)
    assert of.flush(5).ok
    assert conserved(of)["keeping"]["delivered"] == 3


def test_a_full_stack_leaves_the_span_to_whoever_comes_next(monkeypatch):
    def fail(_: Any) -> None:
        raise RecursionError

    exporter = Keeping()
    of = pipeline(exporter)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        offer(of)
    assert (exporter.spans, len(of.buffer)) == ([], 1)
    offer(of)
    assert of.flush(5).ok
    assert len(exporter.spans) == 2


def test_after_a_flush_the_books_are_balanced_at_once():
    of = pipeline(Keeping("local"), Keeping("wire", local=False), Answering(None, "odd"))
    for _ in range(300):
        offer(of)
        of.flush(5)
        assert conserved(of)["wire"]["buffered"] == 0


# -- dying and coming back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ValueError(), MemoryError(), RecursionError()])
def test_a_span_that_cannot_be_read_costs_itself_only(failure):
    guard.strict = False
    exporter = Keeping("a")
    of = pipeline(exporter)
    offer(of)
    of.offer(unreadable(failure))
    offer(of)
    assert of.flush(5) == FlushResult(ok=False, errors=["a: unreadable"])
    assert conserved(of)["a"]["dropped"] == {"unreadable": 1}
    assert len(exporter.spans) == 2
    assert guard.counts["preparing a span"] == 1


def test_a_worker_that_dies_is_accounted_for_and_comes_back():
    guard.strict = False
    exporter = Keeping("a")
    of = pipeline(exporter)
    for _ in range(3):
        offer(of, 5)
        of.offer(unreadable(SystemExit()))
        wait_until(lambda: not of.buffer.awake)
        assert of.flush(5).remaining == 0
    counts = conserved(of)
    assert counts["a"]["dropped"]["worker died"] >= 3
    assert guard.counts["callspan-worker"] == 3
    offer(of)
    assert of.flush(5).ok


def test_a_worker_that_dies_after_its_work_comes_back():
    guard.strict = False
    deaths = [SystemExit(), MemoryError(), KeyboardInterrupt()]

    def every_interval() -> None:
        if deaths:
            raise deaths.pop()

    exporter = Keeping()
    of = pipeline(exporter, every_interval=every_interval)
    for count in range(1, 5):
        offer(of)
        assert of.flush(5).ok
        assert len(exporter.spans) == count
        if count <= 3:
            wait_until(lambda: not of.buffer.awake)
    conserved(of)


# -- closing -----------------------------------------------------------------------------------------------------------


def test_closing_delivers_closes_and_ends_the_threads():
    before = set(threading.enumerate())
    local, wire = Keeping("local"), Keeping("wire", local=False)
    of = pipeline(local, wire)
    offer(of, 100)
    assert of.close(5) == FlushResult(ok=True)
    assert of.is_closed
    assert (local.closed, wire.closed) == (1, 1)
    wait_until(lambda: not set(threading.enumerate()) - before)
    conserved(of)


def test_closing_twice_and_at_once_closes_the_exporters_once():
    local, wire = Keeping("local"), Keeping("wire", local=False)
    of = pipeline(local, wire)
    offer(of, 100)
    threads = [threading.Thread(target=of.close, args=(5,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert of.close(5).ok
    assert (local.closed, wire.closed) == (1, 1)


def test_what_ends_later_is_delivered_where_it_ends():
    local, wire = Keeping("local"), Keeping("wire", local=False)
    of = pipeline(local, wire)
    offer(of, 2)
    of.close(5)
    offer(of, 3)
    assert local.threads[-1] == threading.current_thread().name
    assert len(local.spans) == 5
    counts = conserved(of)
    assert (counts["local"]["delivered"], counts["wire"]["delivered"]) == (5, 2)
    assert counts["wire"]["dropped"] == {"shutdown": 3}
    assert of.flush(1).remaining == 0


def test_exporters_to_keep_are_not_closed():
    local, wire, other = Keeping("local"), Keeping("wire", local=False), Keeping("other")
    of = pipeline(local, wire, other)
    offer(of)
    of.close(5, keep=[local, wire])
    assert (local.closed, wire.closed, other.closed) == (0, 0, 1)


def test_closing_comes_back_when_a_sender_does_not(caplog):
    blocked = Blocking("wire")
    of = pipeline(blocked, Keeping("local"))
    offer(of)
    blocked.entered.wait(5)
    offer(of, 4)
    wait_until(lambda: not len(of.buffer))
    start = time.monotonic()
    result = of.close(0.2)
    assert time.monotonic() - start < 0.2 + 0.5 + 0.1
    assert result.remaining == 5
    assert caplog.messages[-1] == "5 spans were not delivered in time; see callspan.stats()"
    counts = conserved(of)
    assert (counts["wire"]["buffered"], counts["wire"]["dropped"]) == (1, {"shutdown": 4})
    assert counts["local"]["delivered"] == 5
    blocked.released.set()
    wait_until(lambda: blocked.closed == 1)
    assert conserved(of)["wire"]["delivered"] == 1


def test_closing_comes_back_when_a_local_exporter_does_not_and_leaves_it_open():
    blocked = Blocking("disk", local=True)
    of = pipeline(blocked)
    offer(of, 2)
    blocked.entered.wait(5)
    start = time.monotonic()
    of.close(0.2)
    assert time.monotonic() - start < 0.2 + 0.5 + 0.1
    assert blocked.closed == 0  # it is writing
    assert conserved(of)["disk"]["buffered"] == 2
    offer(of)
    assert conserved(of)["disk"]["buffered"] == 3  # queued, since somebody is at it
    blocked.released.set()
    wait_until(lambda: conserved(of)["disk"]["delivered"] == 3)


def test_closing_comes_back_when_closing_hangs():
    class Hanging(Keeping):
        def close(self) -> None:
            released.wait(10)

    released = threading.Event()
    of = pipeline(Hanging(local=False))
    offer(of)
    start = time.monotonic()
    of.close(0.2, stall_s=0.1)
    assert time.monotonic() - start < 1
    released.set()


@pytest.mark.parametrize("local", [True, False])
def test_an_exporter_may_close_the_pipeline_it_belongs_to(local):
    exporter = Calling(lambda: of.close(5), local=local)
    of = pipeline(exporter)
    start = time.monotonic()
    offer(of)
    wait_until(lambda: exporter.returned)
    assert time.monotonic() - start < 2
    assert exporter.returned == [FlushResult(ok=False, remaining=1)]
    wait_until(lambda: conserved(of)["calling"]["delivered"] == 1)


def test_closing_an_unused_pipeline_is_quick():
    local, wire = Keeping("local"), Keeping("wire", local=False)
    start = time.monotonic()
    pipeline(local, wire).close(5)
    assert time.monotonic() - start < 1
    assert (local.closed, wire.closed) == (1, 1)


def test_what_was_noted_is_logged_before_all_is_over(caplog):
    guard.strict = False
    of = pipeline(Keeping())
    guard.note("something of ours", ValueError())
    of.close(1)
    assert "something of ours: ValueError. Your code is not affected; some telemetry may be missing." in caplog.messages


# -- forking and holding -----------------------------------------------------------------------------------------------


def test_a_child_starts_over():
    blocked = Blocking("wire")
    of = pipeline(Keeping("local"), blocked)
    offer(of, 3)
    blocked.entered.wait(5)
    of.after_fork()
    counts = conserved(of)
    assert (counts["local"]["ended"], counts["wire"]["ended"], counts["wire"]["buffered"]) == (0, 0, 0)
    assert of.flush(1).ok
    blocked.released.set()
    offer(of, 2)
    assert of.flush(5).remaining == 0


def test_the_books_balance_while_spans_are_on_their_way():
    of = pipeline(Keeping(), Keeping("wire", local=False))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            offer(of, 20)
            of._worker.ring()
            assert conserved(of)["keeping"]["ended"] > 0
    finally:
        sys.setswitchinterval(before)
    assert of.flush(5).ok


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_every_pipeline_hears_of_a_fork():
    local = Keeping()
    of = pipeline(local)
    offer(of, 3)
    of.flush(5)
    read, write = os.pipe()
    process_id = os.fork()
    if not process_id:
        counts = of.stats()["keeping"]
        os.write(write, f"{counts['ended']} {counts['delivered']} {of.buffer.awake}".encode())
        os._exit(0)
    os.waitpid(process_id, 0)
    assert os.read(read, 100) == b"0 0 False"
    assert of.stats()["keeping"]["delivered"] == 3


def test_a_fork_waits_for_an_import_of_ours_but_not_for_ever(monkeypatch):
    importing = iter([True, True, False])
    monkeypatch.setattr(worker, "is_loading", lambda _: next(importing))
    of = pipeline(Keeping())
    of.before_fork(time.monotonic() + 5)
    assert next(importing, None) is None
    monkeypatch.setattr(worker, "is_loading", lambda _: True)
    start = time.monotonic()
    of.before_fork(start + 0.05)
    assert 0.05 <= time.monotonic() - start < 0.5


def test_the_worker_opens_no_more_than_senders_can_send():
    exporter = Blocking()
    of = pipeline(exporter)
    of.hold()
    offer(of, 2000)
    of.release()
    assert exporter.entered.wait(5)
    assert not of.buffer.dropped
    time.sleep(0.1)
    assert len(of.buffer) >= 2000 - 512
    exporter.released.set()
    assert of.flush(5) == FlushResult(ok=True)
    assert len(exporter.spans) == 2000


def test_while_senders_have_enough_the_worker_sees_to_everything_else():
    exporter, seen = Blocking(), []
    of = pipeline(exporter, every_interval=lambda: seen.append(len(of.buffer)))
    offer(of, 2000)
    assert exporter.entered.wait(5)
    before = len(seen)
    wait_until(lambda: len(seen) > before + 2)
    assert seen[-1] > 0
    exporter.released.set()
    assert of.flush(5) == FlushResult(ok=True)


def test_what_waits_for_senders_at_the_end_is_accounted_for():
    exporter = Blocking()
    of = pipeline(exporter)
    offer(of, 2000)
    assert exporter.entered.wait(5)
    assert len(of.buffer)
    assert of.close(0.1).remaining == 2000
    stats = of.stats()["blocking"]
    assert stats["buffered"] + stats["dropped"]["shutdown"] == 2000
    assert not len(of.buffer)
    exporter.released.set()


def test_metrics_do_not_wait_for_senders():
    exporter, metrics = Blocking(), Metrics()
    metrics.is_wanted = lambda: True
    of = pipeline(exporter, metrics=metrics)
    offer(of, 2000)
    wait_until(lambda: not len(of.buffer))
    exporter.released.set()
    assert of.flush(5) == FlushResult(ok=True)


def test_the_worker_sees_to_everything_else_however_much_waits(monkeypatch):
    monkeypatch.setattr(worker, "_ROUND_S", 0.01)
    left: list[int] = []
    exporter = Calling(lambda: time.sleep(0.02))
    of = pipeline(exporter, every_interval=lambda: left.append(len(of.buffer)))
    offer(of, 5_000)
    assert of.flush(10) == FlushResult(ok=True)
    assert [count for count in left if count]


def test_a_held_pipeline_collects_until_it_is_released():
    local = Keeping()
    of = pipeline(local)
    of.hold()
    offer(of, 600)
    time.sleep(0.05)
    assert local.spans == []
    of.release()
    assert of.flush(5).ok
    assert len(local.spans) == 600


def test_releasing_an_empty_pipeline_starts_nothing():
    before = threading.active_count()
    of = pipeline(Keeping())
    of.hold()
    of.release()
    assert threading.active_count() == before


@pytest.mark.parametrize("frames", range(1, 60, 2))
def test_spans_that_end_on_a_full_stack_are_delivered_later(frames):
    local, remote = Keeping("local"), Keeping("remote", local=False)
    of = pipeline(local, remote)
    with suppress(RecursionError):
        on_a_stack_with(frames, lambda: of.offer(finished(name="deep")))
    ended = conserved(of)["local"]["ended"]
    assert of.flush(5).ok
    assert len(local.spans) == len(remote.spans) == ended
