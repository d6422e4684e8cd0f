"""`callspan export` where what it writes does not fit: one line says so, and nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest

from callspan.cli import main
from callspan.reading import tables
from callspan.reading.programs import start_program
from span_files import write
from spans import answered

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")
resource = pytest.importorskip("resource", reason="there is no limit on the size of files")

LIMIT_BYTES = 20_000


def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch):
    """Keep coverage out of the programs, whose notes would not fit either."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)


@pytest.fixture
def spans(tmp_path):
    asked = [f"Question {number}: " + " ".join(str(number * turn) for turn in range(100)) for number in range(600)]
    return write(tmp_path / "spans.jsonl", [answered(number, text, "Blue") for number, text in enumerate(asked, 1)])


@pytest.mark.parametrize("form", ["openai-chat", "jsonl", "csv", "parquet"])
def test_a_dataset_that_does_not_fit(tmp_path, spans, form):
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "callspan", "export", str(spans), "--format", form, "--output", str(out / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("callspan export: ")
    assert line.endswith("File too large")
    assert [*out.iterdir()] == []


def test_a_worker_whose_examples_do_not_fit(tmp_path, spans, monkeypatch, capfd):
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(tables, "_SEGMENT_BYTES", spans.stat().st_size // 2)
    monkeypatch.setattr(tables, "start_program", partial(start_program, preexec_fn=limit))
    chosen = ["--format", "openai-chat", "--processes", "2"]
    assert main(["export", str(spans), *chosen, "--output", str(out / "data")]) == 1
    said = capfd.readouterr().err
    assert said == f"callspan export: a worker that reads {spans} had to stop: File too large\n"
    assert [*out.iterdir()] == []


def test_where_nothing_may_be_written(tmp_path, spans, capsys):
    missing = tmp_path / "missing" / "data"
    for form in ("openai-chat", "csv"):
        assert main(["export", str(spans), "--format", form, "--output", str(missing)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"callspan export: {missing}")
        assert line.endswith("No such file or directory")
