"""Examples made by several processes are those that one makes; nothing is left of them, however it ends."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys

import pytest

from callspan.cli import export_workers, main
from callspan.reading.programs import start_program
from span_files import write
from spans import answered

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

from callspan.cli.export_worker import receive, send
from callspan.datasets.making import columns_for


def call(number):
    """Each fifth call asks what another one asks; each seventh has no answer; each eleventh tells a secret."""
    asked = f"Question {number if number % 5 else 0}? Köln" + (" api_key=sk-12345678901234567890" * (number % 11 == 0))
    return answered(number, asked, *(["Blue"] if number % 7 else []), conversation_id=f"c-{number % 9}")


@pytest.fixture
def started(monkeypatch):
    """Let a few calls be worth processes; collect those that are started."""
    found = []

    def start(*arguments, **pipes):
        found.append(start_program(*arguments, **pipes))
        return found[-1]

    monkeypatch.setattr(export_workers, "_FEWEST", 1)
    monkeypatch.setattr(export_workers, "_CALLS_AT_ONCE", 4)
    monkeypatch.setattr("callspan.cli.export._FETCHED", 13)
    monkeypatch.setattr(export_workers, "start_program", start)
    return found


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "spans"
    folder.mkdir()
    write(folder / "a.jsonl", map(call, range(1, 30)))
    packed = write(folder / "b.jsonl", map(call, range(30, 50)))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    return folder


def export(folder, out, processes, *more):
    command = ["export", str(folder), "--processes", str(processes), "--output", str(out), *more]
    return main(command)


@pytest.mark.parametrize("form", ["openai-chat", "jsonl", "csv", "parquet"])
def test_several_processes_write_the_same(tmp_path, folder, started, form):
    more = ["--no-errors"] if form == "openai-chat" else []  # all calls of a kind are made while they are read
    written = []
    for processes in (1, 3):
        where = tmp_path / str(processes)
        where.mkdir()
        assert export(folder, where / "out", processes, "--format", form, "--split", "0.3", *more) == 0
        written.append({file.name: file.read_bytes() for file in where.iterdir()})
        assert len(started) == (0 if processes == 1 else 3)
    assert written[0] == written[1]
    assert sorted(written[0]) == ["out", "out.card.json", "out.validation"]
    card = json.loads(written[0]["out.card.json"])
    assert (card["calls"], card["redacted_values"]) == (49, 4)
    if form == "openai-chat":
        assert card["refused"] == {"no answer": 7}
        assert (card["duplicates"], sum(card["examples"].values())) == (7, 35)
    assert all(worker.returncode is not None for worker in started)


def test_a_process_that_ends_early_is_told_and_leaves_no_half_of_a_file(tmp_path, folder, started, monkeypatch, capsys):
    monkeypatch.setattr(
        export_workers,
        "_start",
        lambda _: subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE),
    )
    assert export(folder, tmp_path / "out.jsonl", 2, "--format", "jsonl") == 1
    assert capsys.readouterr().err == (
        f"callspan export: a process that reads {folder / 'a.jsonl'} ended early; nothing was written\n"
    )
    assert [file.name for file in tmp_path.iterdir()] == ["spans"]


def test_an_interrupt_ends_the_processes_and_writes_nothing(tmp_path, folder, started, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("callspan.datasets.writing._is_validation", interrupted)
    assert export(folder, tmp_path / "out.jsonl", 2, "--format", "jsonl", "--split", "0.5") == 130
    assert [worker.returncode for worker in started] == [-signal.SIGKILL] * 2
    assert [file.name for file in tmp_path.iterdir()] == ["spans"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signal to one process")
def test_a_worker_leaves_ctrl_c_to_who_started_it_and_ends_with_it(folder):
    worker = start_program("callspan.cli.export_worker", "jsonl", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    nothing = {name: [] for name in columns_for("jsonl")}
    send(worker.stdin, nothing)
    assert receive(worker.stdout) == ([], [], 0, {})  # it is up
    worker.send_signal(signal.SIGINT)
    send(worker.stdin, nothing)
    assert receive(worker.stdout) == ([], [], 0, {})
    worker.communicate()  # closes its stdin, as the end of its parent does
    assert worker.returncode == 0
