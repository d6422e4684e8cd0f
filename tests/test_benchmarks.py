"""The benchmarks run, tell what they measured, and stand on a floor that does not move."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OPENAI = ("openai chat", "openai embeddings", "openai embeddings, vectors off", "openai stream")
GATED = (
    "chat of 2,437",
    "documents of 22,703",
    "a program of 4,455",
    "JSON in a text of 4,788",
    "links of 2,744",
)
FLOOR_DIGEST = "ce31d0aa7605a176878ce8493957d3c9a864454ee428e175cdd5dae0ded009ce"


def test_the_floor_is_frozen():
    text = (ROOT / "benchmarks" / "floor.py").read_text("utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() == FLOOR_DIGEST


def test_the_benchmarks_run():
    command = [sys.executable, "-m", "benchmarks.run", "--json", "--bursts", "1", "--calls", "2", "--starts", "1"]
    command += ["--spans", "400", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 1)  # so few calls may miss any target
    assert [row["name"] for row in told["rows"]] == [
        "two ints",
        "chat",
        "documents",
        "floats",
        "stream",
        "suppressed, two ints",
        "switched off, two ints",
        "child of an unsampled root, two ints",
        "unsampled root, two ints",
        "suppressed, chat",
        "switched off, chat",
        "child of an unsampled root, chat",
        "unsampled root, chat",
        *(OPENAI if find_spec("openai") else ()),
        *(["langchain chain"] if find_spec("langchain_core") else ()),
        "import callspan",
        "from callspan import observe",
        *(f"gate, {text} bytes" for text in GATED),
        "gate, a megabyte made to be slow",
        "delivery, all CPU",
        "the same without the gate",
        "on the wire",
        "lost of a burst of 400",
        "nobody listens, calling thread",
    ]
    for row in told["rows"]:
        assert row["medians"]["callspan"] >= 0
        assert row["demands"], row["name"]


def test_the_table_shows_figures_ratios_and_verdicts():
    program = (
        "from benchmarks.report import Row, table\n"
        "medians, minima = {'callspan': 4, 'floor': 2, 'sdk': 32}, {'callspan': 3.5, 'floor': 1, 'sdk': 35}\n"
        "row = Row('chat', 'us', medians, minima)\n"
        "row.demand('floor', 3.0)\n"
        "row.demand('sdk', 1 / 10)\n"
        "print(table([row]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "what  unit  callspan     beside                 is           must be",
        "chat  us    4.00 (3.50)  floor   2.00 (1.00)    2.0x (3.5x)  at most 3.0x  pass",
        "                         sdk     32.00 (35.00)  1/8 (1/10)   at most 1/10  FAIL",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="os.wait4 is not there")
def test_reading_is_measured_beside_duckdb():
    pytest.importorskip("duckdb")
    command = [sys.executable, "-m", "benchmarks.reading", "--json", "--spans", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    alone = ["DuckDB, read", "DuckDB, columns", "DuckDB, texts"]
    assert list(told) == [*alone, "report", "export, of feedback", "export, all calls"]
    assert all(one["wall_s"] > 0 and one["cpu_s"] > 0 and one["peak_mb"] > 10 for one in told.values())
