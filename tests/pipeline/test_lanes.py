from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import pytest

from callspan.exporters.contract import ExportResult
from callspan.model.resource import describe
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.lane import Lane
from callspan.pipeline.lanes import Lanes
from callspan.pipeline.sender import SenderLane
from callspan.pipeline.spool.settings import SpoolSettings
from odd_exporters import Answering, Blocking, Keeping, Retrying
from spans import finished


def lanes(*exporters: Any) -> Lanes:
    return Lanes(exporters, describe("test"), nullcontext, 100, 10_000)


def some(count: int) -> list[Any]:
    return [finished(name=str(number)) for number in range(count)]


def always(_: Any) -> bool:
    return True


def by_name(made: Lanes) -> dict[str, dict[str, int]]:
    return {lane.name: {"delivered": lane.counters.delivered, **lane.counters.dropped} for lane in made}


def test_local_exporters_share_the_worker_and_others_have_senders():
    class Nameless:
        def export(self, batch: Any) -> None: ...
        def close(self) -> None: ...

    assert lanes(Keeping("a"), Nameless()).has_local
    assert not lanes(Nameless()).has_local
    made = list(lanes(Keeping("a"), Keeping("b", local=False), Nameless()))
    assert [(lane.name, type(lane)) for lane in made] == [("a", Lane), ("b", SenderLane), ("Nameless", SenderLane)]


def test_names_are_told_apart_and_the_exporters_left_alone():
    exporters = [Keeping("file"), Keeping("file-2"), Keeping("file"), Keeping("file")]
    assert [lane.name for lane in lanes(*exporters)] == ["file", "file-2", "file-3", "file-4"]
    assert [exporter.name for exporter in exporters] == ["file", "file-2", "file", "file"]


def test_every_lane_gets_every_span_and_senders_get_them_first():
    order = []

    class Noting(Keeping):
        def export(self, batch: Any) -> ExportResult:
            order.append((self.name, made_sender.waiting))
            return super().export(batch)

    blocked = Blocking()
    made = lanes(Noting("local"), blocked)
    made_sender = list(made)[1]
    made.deliver(some(3), always)
    assert order == [("local", 3)]
    blocked.released.set()
    made.close_senders((), 0.0)


def test_what_cannot_be_prepared_is_dropped_everywhere():
    made = lanes(Keeping("a"), Keeping("b"))
    made.deliver(some(5), lambda span: span.name not in "13")
    made.deliver(some(2), lambda _: False)
    assert by_name(made) == {"a": {"delivered": 3, "unreadable": 4}, "b": {"delivered": 3, "unreadable": 4}}
    assert made.settled == 7
    assert made.moved == 14


def test_whatever_ends_the_thread_every_span_is_accounted_for():
    made = lanes(Keeping("a"), Answering(KeyboardInterrupt(), "b"), Keeping("c"))
    with pytest.raises(KeyboardInterrupt):
        made.deliver(some(4), always)
    assert by_name(made) == {
        "a": {"delivered": 4},
        "b": {"delivered": 0, "exporter error": 4},
        "c": {"delivered": 0, "worker died": 4},
    }

    def exit_thread(_: Any) -> bool:
        raise SystemExit

    made = lanes(Keeping("a"), Keeping("b"))
    with pytest.raises(SystemExit):
        made.deliver(some(4), exit_thread)
    assert by_name(made) == {"a": {"delivered": 0, "worker died": 4}, "b": {"delivered": 0, "worker died": 4}}


def test_losses_are_told_once():
    made = lanes(Answering(ExportResult(reason="disk full"), "a"), Keeping("b"))
    assert made.tell(0, 0) == []
    made.deliver(some(1), always)
    assert made.tell(0, 0) == ["a: disk full"]
    assert made.tell(0, 0) == []
    assert made.tell(2, 0) == ["a: disk full", "b: queue full"]
    made.reset()
    assert (made.settled, made.tell(0, 0)) == (0, [])


def test_what_remains_has_its_reason():
    waiting = Retrying(1)
    made = lanes(Keeping("a"), waiting)
    made.deliver(some(1), always)
    deadline = time.monotonic() + 5
    while list(made)[1].trouble is None and time.monotonic() < deadline:
        time.sleep(0.001)
    made.warn()
    assert made.is_in_trouble
    assert made.tell(0, 0) == []
    assert made.tell(0, 1) == ["retrying: HTTP 503"]
    made.hurry(is_last=True)
    while made.settled < 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert made.tell(0, 1) == []
    made.close_senders((), 0.0)


def test_the_slowest_lane_decides_what_is_settled():
    blocked = Blocking()
    made = lanes(Keeping("a"), blocked)
    made.deliver(some(3), always)
    assert (made.settled, made.moved) == (0, 3)
    assert [thread_id is None for thread_id in made.thread_ids()] == [True, False]
    blocked.released.set()
    made.close_senders((), 0.0)


def test_to_drop_what_there_is_no_room_for_is_not_to_move():
    blocked = Blocking()
    made = lanes(blocked)
    made.deliver(some(1), always)
    deadline = time.monotonic() + 5
    while not blocked.entered.is_set() and time.monotonic() < deadline:
        time.sleep(0.001)
    made.deliver(some(150), always)  # the queue holds a hundred
    assert (made.settled, made.moved) == (50, 0)
    blocked.released.set()
    made.close_senders((), 0.0)


def test_a_spool_that_nobody_writes_to_is_told_of(tmp_path, caplog):
    spool = SpoolSettings(tmp_path / "spool")
    assert Lanes([Keeping()], describe("test"), nullcontext, 100, 10_000, spool).spool is None
    assert caplog.messages == ["spool_dir has no use here: no exporter sends over the network, so nothing is spooled"]


def test_exporters_to_keep_are_told_by_identity():
    class Equal(Keeping):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    first, second = Equal("a"), Equal("b")
    lanes(first, second).close_local([second])
    assert (first.closed, second.closed) == (1, 0)


def test_lanes_that_keep_up_lend_what_they_do_not_need():
    queue = Buffer(list, 100, 10_000)
    made = lanes(Keeping("a"), Keeping("b", local=False))
    made.tell_room(queue)
    assert queue.spare_bytes == 0  # nobody knows yet
    made.deliver(some(2), always)
    deadline = time.monotonic() + 5
    while made.settled < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    made.tell_room(queue)
    assert queue.spare_bytes == 10_000
    made.close_senders((), time.monotonic() + 1)


def test_lanes_that_cannot_deliver_lend_nothing():
    retrying = Retrying(100)
    made = lanes(Keeping("a"), retrying)
    queue = Buffer(list, 100, 10_000)
    made.deliver(some(2), always)
    made.tell_room(queue)
    assert queue.spare_bytes == 0
    made.close_senders((), time.monotonic() + 1)


def test_lanes_have_enough_when_all_have_and_no_disk_waits(tmp_path):
    first, second = Blocking("a"), Blocking("b")
    made = lanes(first, second)
    assert not made.have_enough
    made.deliver(some(2), always)
    assert first.entered.wait(5)
    assert second.entered.wait(5)
    assert made.have_enough
    beside_a_file, spooled = lanes(Keeping("a"), Blocking("b")), _spooled(Blocking("b"), tmp_path)
    for others in (beside_a_file, spooled):
        others.deliver(some(2), always)
        assert not others.have_enough
    for one in (made, beside_a_file, spooled):
        for lane in one:
            getattr(lane.exporter, "released", first.released).set()
        one.close_senders((), time.monotonic() + 5)


def _spooled(exporter: Any, folder: Any) -> Lanes:
    return Lanes([exporter], describe("test"), nullcontext, 100, 10_000, SpoolSettings(folder / "spool"))
