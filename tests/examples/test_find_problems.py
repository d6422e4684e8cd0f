"""The page about clusters is run, command by command: what they print is what stands below them."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import callspan

pytest.importorskip("sklearn")
pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "clusters.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(command, folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLSPAN_", "OTEL_"))}
    paths = os.pathsep.join([str(Path(callspan.__file__).parents[1]), str(EXAMPLES)])
    program, *arguments = shlex.split(command)
    started = [sys.executable] if program == "python" else [sys.executable, "-m", program]
    return subprocess.run(
        [*started, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_the_page_s_commands_print_what_it_says(tmp_path):
    (tmp_path / "examples").symlink_to(EXAMPLES)
    commands = [part for block in BLOCK.findall(PAGE.read_text("utf-8")) for part in block.split("$ ")[1:]]
    assert len(commands) == 3
    for part in commands:
        command, _, expected = part.partition("\n")
        done = run(command, tmp_path)
        assert done.returncode == 0, done.stderr
        if expected:
            assert done.stdout == expected
    rows = [json.loads(line) for line in (tmp_path / "problems" / "to-fix.jsonl").read_text("utf-8").splitlines()]
    assert {row["score"] for row in rows} == {0.0}
    assert sum("warranty" in row["answer"] for row in rows) > 10
    assert (tmp_path / "problems" / "clusters.html").stat().st_size > 100_000
