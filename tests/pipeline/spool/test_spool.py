from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callspan.encoding.stored import pack
from callspan.exporters.contract import ExportResult
from callspan.guard import guard
from callspan.model.facts import MISSING
from callspan.model.resource import Resource
from callspan.pipeline import worker
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.retry import Backoff
from callspan.pipeline.spool import spool as spool_module
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.settings import SpoolSettings
from callspan.pipeline.worker import Pipeline
from odd_exporters import Answering, Blocking, Keeping, Retrying
from programs import check_conserved
from spans import finished

made: list[Pipeline] = []


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(worker, "_INTERVAL_S", 0.02)
    monkeypatch.setattr(spool_module, "_LOOK_S", 0.02)
    guard.forget()
    yield
    guard.strict = False
    while made:
        made.pop().close(0.1)
    guard.forget()


class Down(Retrying):
    """Wants everything back until `comes_back` is called."""

    def __init__(self, name: str = "wire") -> None:
        super().__init__(10**9, name=name)

    def comes_back(self) -> None:
        self.failures = 0


def pipeline(folder: Path, *exporters: Any, service: str = "test", **options: Any) -> Pipeline:
    settings = {name: options.pop(name) for name in ("sync", "max_bytes", "max_age_s") if name in options}
    spool = SpoolSettings(folder / "spool", **settings)
    made.append(Pipeline(exporters, Resource({"service.name": service}), spool=spool, **options))
    for lane in made[-1].lanes:
        if hasattr(lane, "_new_backoff"):  # tries again at once
            lane._backoff = Backoff(draw=lambda: 0.001)
    return made[-1]


def offer(to: Pipeline, count: int, start: int = 0, **more: Any) -> None:
    for number in range(start, start + count):
        to.offer(finished("tool", str(number), span_id=number + 1, **more))


def counts(of: Pipeline) -> dict[str, Any]:
    stats = of.stats()
    check_conserved(stats)
    return stats


def is_at_rest(of: Pipeline, count: int) -> bool:
    """Return whether all of so many spans have found their place."""
    told = of.stats()["wire"]
    found = told["delivered"] + told["rejected"] + sum(told["dropped"].values()) + told["buffered"] + told["spooled"]
    return not any(lane.pending for lane in of.lanes) and not len(of.buffer) and found == count


def names(exporter: Keeping) -> list[str]:
    return [span.name for span in exporter.spans]


def numbers(stop: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, stop)]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool").rglob("*.spool"))


def wait_until(condition, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def left_behind(folder: Path, *spans: Any, resource: Resource | None = None, spoil=lambda lines: lines) -> Path:
    """Leave these spans as a process that was killed would."""
    dead = Folder.make(folder / "spool")
    dead.append(spoil([pack(span) for span in spans]), resource or Resource({"service.name": "dead"}), syncs=False)
    dead.let_go()
    return dead.path


# -- while the process lives -------------------------------------------------------------------------------------------


def test_what_is_delivered_leaves_nothing_behind(tmp_path):
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1000)
    assert to.flush(10)
    assert names(exporter) == numbers(1000)
    wait_until(lambda: not files(tmp_path))
    assert counts(to)["wire"]["delivered"] == 1000
    assert to.close(5)
    assert list((tmp_path / "spool").iterdir()) == []


def test_nothing_is_touched_before_the_first_span(tmp_path):
    pipeline(tmp_path, Keeping("wire", local=False))
    assert list(tmp_path.iterdir()) == []


def test_only_exporters_that_are_not_local_are_durable(tmp_path):
    to = pipeline(tmp_path, Keeping("local"))
    offer(to, 3)
    assert to.flush(5)
    assert list(tmp_path.iterdir()) == []
    assert counts(to)["local"]["delivered"] == 3


def test_what_does_not_fit_into_memory_is_read_back_in_order(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter)
    offer(to, 7000)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 7000)
    (lane,) = to.lanes
    assert len(lane._queue) <= 2048
    assert counts(to)["wire"]["buffered"] == 0
    exporter.comes_back()
    assert to.flush(20)
    assert names(exporter) == numbers(7000)
    assert counts(to)["wire"] == {
        "ended": 7000,
        "adopted": 0,
        "delivered": 7000,
        "rejected": 0,
        "dropped": {},
        "buffered": 0,
        "spooled": 0,
        "retries": counts(to)["wire"]["retries"],
        "suspicious": 0,
    }


def test_spans_that_are_read_back_are_the_same(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter)
    offer(to, 2500, input={"question": "why"}, user_id="u-7")
    wait_until(lambda: to.stats()["wire"]["spooled"] == 2500)
    exporter.comes_back()
    assert to.flush(20)
    first, last = exporter.spans[0], exporter.spans[-1]
    assert (last.span_id, last.facts.input, last.facts.user_id) == (2500, {"question": "why"}, "u-7")
    assert first.facts == last.facts
    assert last.facts.output is MISSING


def test_what_a_receiver_refuses_for_ever_is_dropped_and_the_rest_moves_on(tmp_path):
    exporter = Retrying(3, [lambda spans: ExportResult(rejected=len(spans), reason="HTTP 400")], name="wire")
    to = pipeline(tmp_path, exporter)
    offer(to, 3000)
    to.flush(20)
    told = counts(to)["wire"]
    assert told["rejected"] > 0
    assert told["rejected"] + told["delivered"] == 3000
    assert told["spooled"] == told["buffered"] == 0
    wait_until(lambda: not files(tmp_path))


def test_an_exporter_that_raises_loses_its_batch_and_not_its_place(tmp_path):
    exporter = Answering(RuntimeError("broken"), "wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 10)
    assert not to.flush(10)
    assert counts(to)["wire"]["dropped"] == {"exporter error": 10}
    wait_until(lambda: not files(tmp_path))


def test_holes_in_what_is_to_be_retried_cost_nothing(tmp_path):
    picked = lambda spans: ExportResult(delivered=len(spans) - 2, retry=[spans[2], spans[6]])
    exporter = Retrying(0, [picked], name="wire")
    to = pipeline(tmp_path, exporter)
    to.hold()
    offer(to, 10)
    to.release()
    assert to.flush(10)
    assert names(exporter) == ["2", "6"]
    wait_until(lambda: not files(tmp_path))
    assert counts(to)["wire"]["delivered"] == 10


def test_what_is_stored_and_not_yet_handed_over_is_not_read_back(tmp_path):
    exporter = Keeping("wire", local=False)
    of = pipeline(tmp_path, exporter)
    (lane,) = of.lanes
    put = lane.put

    def put_late(spans: Any) -> None:
        lane._sender.ring()
        time.sleep(0.1)  # the sender looks at the spool, and would find them there
        assert exporter.spans == []
        counts(of)
        put(spans)

    lane.put = put_late
    of.hold()
    offer(of, 100)
    of.release()
    assert of.flush(5)
    counts(of)
    assert names(exporter) == numbers(100)


# -- the next process --------------------------------------------------------------------------------------------------


def test_the_next_process_delivers_what_was_left_with_the_resource_it_had(tmp_path):
    down = Down()
    first = pipeline(tmp_path, down, service="first")
    offer(first, 3000)
    wait_until(lambda: first.stats()["wire"]["spooled"] == 3000)
    first.close(0.2)
    assert counts(first)["wire"]["spooled"] == 3000
    assert counts(first)["wire"]["buffered"] == 0

    class Telling(Keeping):
        services: list[str] = []  # noqa: RUF012

        def export(self, batch: Any) -> ExportResult:
            self.services += [batch.resource.service_name] * len(batch.spans)
            return super().export(batch)

    exporter = Telling("wire", local=False)
    second = pipeline(tmp_path, exporter, service="second")
    offer(second, 1, start=3000)
    assert second.flush(20)
    assert sorted(names(exporter), key=int) == numbers(3001)
    assert exporter.services.count("first") == 3000
    assert exporter.services[names(exporter).index("3000")] == "second"
    told = counts(second)["wire"]
    assert (told["ended"], told["adopted"], told["delivered"]) == (1, 3000, 3001)
    assert second.close(5)
    assert list((tmp_path / "spool").iterdir()) == []


def test_each_exporter_has_its_own_position(tmp_path):
    good, bad = Keeping("good", local=False), Down("bad")
    first = pipeline(tmp_path, good, bad)
    offer(first, 600)
    wait_until(lambda: first.stats()["good"]["delivered"] == 600)
    wait_until(lambda: first.stats()["bad"]["spooled"] == 600)
    first.close(0.2)
    again, better = Keeping("good", local=False), Keeping("bad", local=False)
    second = pipeline(tmp_path, again, better)
    offer(second, 1, start=600)
    assert second.flush(10)
    assert names(again) == ["600"]
    assert sorted(names(better), key=int) == numbers(601)
    assert counts(second)["good"]["adopted"] == 0
    assert counts(second)["bad"]["adopted"] == 600


def test_a_living_process_adopts_what_one_that_dies_later_leaves(tmp_path):
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    assert to.flush(10)
    left_behind(tmp_path, finished(name="late"))
    wait_until(lambda: to.stats()["wire"]["adopted"] == 1)
    assert to.flush(10)
    assert names(exporter) == ["0", "late"]


def test_what_a_living_process_has_is_left_alone(tmp_path):
    living = Folder.make(tmp_path / "spool")
    living.append([pack(finished(name="theirs"))], Resource({}), syncs=False)
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    assert to.flush(10)
    time.sleep(0.1)
    assert names(exporter) == ["0"]
    assert counts(to)["wire"]["adopted"] == 0
    living.let_go()


def test_spans_that_arrive_late_pass_the_gate_of_today(tmp_path):
    left_behind(
        tmp_path,
        finished("tool", "leaky", input={"api_key": "sk-1234", "token_count": 3}, redacted_count=1),
        resource=Resource({"service.name": "dead", "db.password": "hush"}),
    )
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    assert to.flush(10)
    leaky = next(span for span in exporter.spans if span.name == "leaky")
    assert leaky.stored.segment.resource.attributes == {"service.name": "dead", "db.password": "[redacted]"}
    assert leaky.facts.input == {"api_key": "[redacted]", "token_count": 3}
    assert leaky.facts.redacted_count == 2


def test_content_that_was_switched_off_meanwhile_does_not_come_back(tmp_path):
    left_behind(tmp_path, finished("tool", "leaky", input="a secret of the heart"))
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter, gate=Gate(capture_content=False))
    offer(to, 1)
    assert to.flush(10)
    assert next(span for span in exporter.spans if span.name == "leaky").facts.input is MISSING


def test_nothing_that_is_in_hand_at_the_end_is_lost(tmp_path):
    exporter = Blocking("wire")
    first = pipeline(tmp_path, exporter)
    offer(first, 1500)
    assert exporter.entered.wait(5)
    wait_until(lambda: first.stats()["wire"]["spooled"] == 1500)
    first.close(0.1)
    exporter.released.set()
    later = Keeping("wire", local=False)
    second = pipeline(tmp_path, later)
    offer(second, 1, start=1500)
    assert second.flush(10)
    assert set(names(later)) == set(numbers(1501))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_without_room_the_oldest_go_and_are_counted(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter, max_bytes=1_048_576)
    offer(to, 4000, input="x" * 1000)
    wait_until(lambda: is_at_rest(to, 4000))
    told = counts(to)["wire"]
    assert told["dropped"].keys() == {"spool full"}
    size = sum(path.stat().st_size for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert size <= 1_048_576 + 100
    exporter.comes_back()
    to.flush(20)
    assert counts(to)["wire"]["delivered"] + told["dropped"]["spool full"] == 4000
    assert names(exporter)[-500:] == numbers(4000, 3500)


def test_processes_that_live_share_the_room(tmp_path):
    living = [Folder.make(tmp_path / "spool") for _ in range(3)]
    to = pipeline(tmp_path, Down(), max_bytes=2 * 1_048_576)
    offer(to, 2000, input="x" * 1000)
    wait_until(lambda: is_at_rest(to, 2000))
    size = sum(path.stat().st_size for path in (tmp_path / "spool").rglob("*.spool"))
    assert 262_144 < size <= 524_288
    for folder in living:
        folder.let_go()


def test_what_is_too_old_goes(tmp_path):
    old = left_behind(tmp_path, finished(name="old"))
    left_behind(tmp_path, finished(name="new"))
    (path,) = old.glob("*.spool")
    os.utime(path, (time.time() - 100, time.time() - 100))
    exporter = Down()
    to = pipeline(tmp_path, exporter, max_age_s=50.0)
    offer(to, 1)
    wait_until(lambda: to.stats()["wire"]["dropped"] == {"spool too old": 1})
    exporter.comes_back()
    to.flush(10)
    assert sorted(set(names(exporter))) == ["0", "new"]
    assert not old.exists()


def test_a_damaged_line_costs_one_span(tmp_path):
    def flip(lines: list[bytes]) -> list[bytes]:
        return [lines[0], lines[1].replace(b'"tool"', b'"tOol"'), lines[2]]

    left_behind(tmp_path, *(finished("tool", name) for name in "abc"), spoil=flip)
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    to.flush(10)
    assert sorted(names(exporter)) == ["0", "a", "c"]
    told = counts(to)["wire"]
    assert (told["adopted"], told["dropped"]) == (3, {"spool damaged": 1})
    wait_until(lambda: len(list((tmp_path / "spool").iterdir())) == 1)


def test_a_torn_last_line_costs_one_span(tmp_path):
    dead = left_behind(tmp_path, *(finished("tool", name) for name in "abc"))
    (path,) = dead.glob("*.spool")
    os.truncate(path, path.stat().st_size - 20)
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    to.flush(10)
    assert sorted(names(exporter)) == ["0", "a", "b"]
    assert counts(to)["wire"]["dropped"] == {"spool damaged": 1}


def test_a_file_that_cannot_be_read_is_set_aside_and_counted(tmp_path):
    dead = left_behind(tmp_path, finished(name="a"))
    (dead / "00000002.spool").write_bytes(b"\0" * 5000)
    (dead / "00000003.spool").write_bytes(b"")
    (dead / "00000004.spool").write_bytes(b"one\ntwo\nthree\n")
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    to.flush(10)
    told = counts(to)["wire"]
    assert (told["adopted"], told["delivered"], told["dropped"]) == (4, 2, {"spool damaged": 3})
    wait_until(lambda: not dead.exists())
    kept = sorted(path.name for path in (tmp_path / "spool" / "quarantine").iterdir())
    assert kept == [f"{dead.name}-00000002.spool", f"{dead.name}-00000004.spool"]


def test_a_spool_that_cannot_be_written_costs_only_durability(tmp_path):
    (tmp_path / "spool").write_bytes(b"in the way")
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 100)
    assert to.flush(10)
    assert names(exporter) == numbers(100)
    (tmp_path / "spool").unlink()
    offer(to, 1, start=100)
    assert to.flush(10)
    assert (tmp_path / "spool").is_dir()
    assert counts(to)["wire"]["delivered"] == 101


def test_what_waits_in_memory_alone_is_bounded_too(tmp_path):
    (tmp_path / "spool").write_bytes(b"in the way")
    to = pipeline(tmp_path, Down(), max_spans=1000)
    offer(to, 900)
    wait_until(lambda: to.stats()["wire"]["buffered"] == 900 and not len(to.buffer))
    offer(to, 300, start=900)
    wait_until(lambda: to.stats()["wire"]["dropped"] == {"queue full": 200})


def test_a_file_that_vanishes_is_counted_and_passed_over(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter)
    offer(to, 4000, input="x" * 2000)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 4000)
    first, *_ = sorted((tmp_path / "spool").rglob("*.spool"))
    first.unlink()
    exporter.comes_back()
    to.flush(20)
    told = counts(to)["wire"]
    assert told["dropped"].keys() <= {"spool damaged"}
    assert told["delivered"] + sum(told["dropped"].values()) == 4000
    assert names(exporter)[-100:] == numbers(4000, 3900)


def is_deleted(folder):
    """Delete a folder, if nobody writes there at the same moment."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_a_folder_that_is_deleted_meanwhile_is_made_again(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter)
    offer(to, 4000, input="x" * 2000)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 4000)
    wait_until(lambda: is_deleted(tmp_path / "spool"))
    offer(to, 10, start=4000)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 10)
    assert len(list((tmp_path / "spool").rglob("*.spool"))) == 1
    told = counts(to)["wire"]
    lost = told["dropped"]["spool damaged"]  # what was not in memory, too
    assert 4000 - 2048 <= lost < 4000
    assert told["buffered"] == 4000 - lost
    exporter.comes_back()
    to.flush(20)
    assert counts(to)["wire"]["delivered"] == 4010 - lost
    assert len(set(names(exporter))) == 4010 - lost
    assert set(numbers(4010, 4000)) <= set(names(exporter))
    wait_until(lambda: not to.lanes.spool._adopted)


def test_a_lock_that_was_closed_by_others_is_taken_again(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 1)
    own = to.lanes.spool._own
    os.close(own._lock)
    offer(to, 1, start=1)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 2)
    assert to.lanes.spool._own is own
    assert Folder.take_over(own.path) is None


def test_a_part_of_the_spool_that_somebody_else_took_is_left_to_him(tmp_path):
    guard.strict = False
    exporter = Down()
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 1)
    own = to.lanes.spool._own
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, own._lock)  # as a program that becomes a daemon does with files that it finds open
    other = Folder.take_over(own.path)
    assert other is not None
    offer(to, 1, start=1)
    wait_until(lambda: to.stats()["wire"]["spooled"] == 2)
    assert to.lanes.spool._own is not own
    other.let_go()


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path, mode):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(mode)
    exporter = Keeping("wire", local=False)
    to = pipeline(tmp_path, exporter)
    offer(to, 1)
    assert to.flush(10)
    assert list((tmp_path / "spool").iterdir()) == []


def test_waiting_for_the_disk_is_done_where_asked(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    for sync in ("never", "batch"):
        to = pipeline(tmp_path / sync, Keeping("wire", local=False), sync=sync)
        offer(to, 1)
        assert to.flush(10)
        to.close(5)
        assert bool(synced) == (sync == "batch")


def test_what_is_in_memory_when_its_file_goes_is_no_longer_counted_as_safe(tmp_path):
    exporter = Down()
    to = pipeline(tmp_path, exporter, max_bytes=1_048_576)
    for start in range(0, 3000, 100):
        offer(to, 100, start=start, input="x" * 1000)
        wait_until(lambda: not len(to.buffer))
    wait_until(lambda: is_at_rest(to, 3000))
    told = counts(to)["wire"]
    written = sum(path.read_bytes().count(b"\n") - 1 for path in (tmp_path / "spool").rglob("*.spool"))
    assert told["spooled"] == written
    assert told["buffered"] > 0
    assert told["spooled"] + told["buffered"] + told["dropped"]["spool full"] == 3000
    exporter.comes_back()
    to.flush(20)
    assert counts(to)["wire"]["delivered"] == told["spooled"] + told["buffered"]
