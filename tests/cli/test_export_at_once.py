"""Examples of all calls, made while the files are read: those that are made one by one afterwards."""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from callspan.cli import export, export_at_once, main
from callspan.model.feedback import COMPONENT, Feedback
from callspan.reading import tables
from callspan.reading.programs import start_program
from callspan.reports.database import Database
from span_files import write
from spans import answered, finished

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")


def call(number):
    """Each fifth call asks what another one asks; each seventh has no answer; each eleventh tells a secret."""
    asked = f"Question {number if number % 5 else 0}? Köln" + (" api_key=sk-12345678901234567890" * (number % 11 == 0))
    return answered(number, asked, *(["Blue"] if number % 7 else []), conversation_id=f"c-{number % 9}")


def opinion(about, label):
    given = Feedback("helpful", "span", 1.0, label)
    ids = {"trace_id": about, "parent_id": about, "span_id": 1_000 + about}
    return finished("evaluator", "feedback", component=COMPONENT, feedback=given, **ids)


@pytest.fixture
def folder(tmp_path):
    """Write files whose order by age, in which they are read, is not that of their names, in which they are written."""
    folder = tmp_path / "spans"
    folder.mkdir()
    write(folder / "b.jsonl", [*map(call, range(1, 30)), opinion(4, "up"), opinion(32, "down"), opinion(44, "up")])
    write(folder / "b.jsonl.1", map(call, range(30, 40)))
    packed = write(folder / "a.jsonl", map(call, range(40, 50)))
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    return folder


@pytest.fixture
def started(monkeypatch):
    """Let files of a few lines be cut and frames be small; collect the programs that are started."""
    found = []

    def start(*arguments, **pipes):
        found.append((arguments[0], start_program(*arguments, **pipes)))
        return found[-1][1]

    monkeypatch.setattr(tables, "_SEGMENT_BYTES", 3_000)
    monkeypatch.setattr(tables, "_TAKEN_AT_ONCE", 3)
    monkeypatch.setattr(tables, "start_program", start)
    monkeypatch.setattr(export_at_once, "_CALLS_AT_ONCE", 4)
    return found


def run(folder, out, *more):
    return main(["export", str(folder), "--format", "openai-chat", "--output", str(out), *more])


@pytest.mark.parametrize("processes", [1, 3])
def test_what_is_made_at_once_is_what_is_made_afterwards(tmp_path, folder, started, monkeypatch, processes):
    written = []
    for way in ("at once", "afterwards"):
        if way == "afterwards":
            monkeypatch.setattr(export, "_at_once", lambda *_: None)
        where = tmp_path / way
        where.mkdir()
        assert run(folder, where / "out", "--processes", str(processes), "--split", "0.3") == 0
        written.append({file.name: file.read_bytes() for file in where.iterdir()})
    assert written[0] == written[1]
    assert sorted(written[0]) == ["out", "out.card.json", "out.validation"]
    card = json.loads(written[0]["out.card.json"])
    assert (card["calls"], card["redacted_values"], card["refused"]) == (49, 4, {"no answer": 7})
    assert (card["duplicates"], sum(card["examples"].values())) == (7, 35)
    assert card["by"]["label"] == {"up": 2, "down": 1}
    own, other = "callspan.cli.export_at_once", "callspan.reading.table_worker"
    assert [module for module, _ in started] == ([] if processes == 1 else [own] * 3 + [other] * 3)
    assert all(worker.returncode is not None for _, worker in started)


def test_only_the_kinds_that_are_wanted_are_made(tmp_path, folder, started):
    assert run(folder, tmp_path / "out", "--kind", "chain", "--processes", "2") == 1
    assert json.loads((tmp_path / "out.card.json").read_text())["calls"] == 0


@pytest.mark.parametrize("when", ["reading", "writing"])
def test_an_interrupt_leaves_nothing(tmp_path, folder, started, monkeypatch, when):
    def interrupted(*_):
        raise KeyboardInterrupt

    places = {"reading": "callspan.cli.progress.Progress.show", "writing": "callspan.datasets.writing._is_validation"}
    monkeypatch.setattr(places[when], interrupted)
    assert run(folder, tmp_path / "out.jsonl", "--processes", "2", "--split", "0.5") == 130
    assert [worker.poll() is not None for _, worker in started] == [True, True]
    assert [file.name for file in tmp_path.iterdir()] == ["spans"]


def test_what_a_killed_export_left_goes(tmp_path, folder):
    left = tmp_path / ".out.jsonl.made"
    left.mkdir()
    (left / "1.index").write_bytes(b"half")
    (left / "1.frames").write_bytes(b"half")

    assert run(folder, tmp_path / "out.jsonl", "--processes", "1") == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.card.json", "spans"]


def test_a_folder_that_is_missing_is_told_before_anything_is_read(tmp_path, folder, capsys):
    assert run(folder, tmp_path / "missing" / "out.jsonl") == 1
    assert (
        capsys.readouterr().err == f"callspan export: {tmp_path / 'missing' / 'out.jsonl'}: No such file or directory\n"
    )


def test_a_worker_that_fails_is_told_and_leaves_nothing(tmp_path, folder, started, monkeypatch, capfd):
    monkeypatch.setattr(
        tables, "start_program", lambda *_, **pipes: tables.subprocess.Popen([sys.executable, "-c", ""], **pipes)
    )
    assert run(folder, tmp_path / "out.jsonl", "--processes", "2") == 1
    assert "ended early" in capfd.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["spans"]


def test_calls_that_are_others_than_were_made_are_told(tmp_path, folder, started, monkeypatch, capsys):
    monkeypatch.setattr(Database, "count", lambda *_: 48)
    assert run(folder, tmp_path / "out.jsonl", "--processes", "1") == 1
    assert "other calls were found than were made; nothing was written" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["spans"]
