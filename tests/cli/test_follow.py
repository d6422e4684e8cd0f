"""`callspan view --follow`: new traces as they end, through rotation; and searching."""

from __future__ import annotations

import subprocess
import sys

import pytest

from callspan.cli import main
from callspan.cli.follow import QUIET_S, Tail, Waiting
from callspan.reading.files import LoadReport
from callspan.reading.rows import load_rows
from callspan.reading.searching import search_for
from span_files import write
from spans import finished, text


def span(name, number, parent=None, trace=1, **given):
    return finished("chain", name, span_id=number, parent_id=parent, trace_id=trace, **given)


def append(path, *spans):
    with path.open("ab") as file:
        file.write(write(path.with_name("new"), spans).read_bytes())
    path.with_name("new").unlink()


def names(tail):
    return [row.name for row in load_rows(tail.segments(), LoadReport())]


def test_only_whole_lines_that_were_added(tmp_path):
    path = write(tmp_path / "spans.jsonl", [span("old", 1)])
    tail = Tail([str(tmp_path)])
    assert names(tail) == []
    append(path, span("new", 2))
    assert names(tail) == ["new"]
    whole = write(tmp_path / "other", [span("torn", 3)]).read_bytes()
    with path.open("ab") as file:
        file.write(whole[:100])
        file.flush()
        assert names(tail) == []
        file.write(whole[100:])
    assert names(tail) == ["torn"]


def test_rotation_and_files_that_come_later(tmp_path):
    tail = Tail([str(tmp_path / "spans.jsonl*"), str(tmp_path / "none")])
    path = write(tmp_path / "spans.jsonl", [span("first", 1)])
    assert names(tail) == ["first"]
    append(path, span("second", 2))
    path.rename(tmp_path / "spans.jsonl.1")
    write(path, [span("third", 3)])
    assert names(tail) == ["second", "third"]
    path.write_bytes(b"")
    assert names(tail) == []
    append(path, span("fourth", 4))
    assert names(tail) == ["fourth"]


def test_a_trace_is_ready_with_its_root_or_when_it_was_quiet(tmp_path):
    rows = list(
        load_rows(
            [write(tmp_path / "s.jsonl", [span("below", 2, 1), span("root", 1), span("alone", 3, 9, 2)])], LoadReport()
        )
    )
    now = 0.0
    waiting = Waiting(lambda: now)
    waiting.add(rows[0])
    waiting.add(rows[2])
    assert waiting.ready() == []
    waiting.add(rows[1])
    assert [row.name for row in waiting.ready()] == ["below", "root"]
    now = QUIET_S
    assert [row.name for row in waiting.ready()] == ["alone"]
    assert waiting.ready() == []


def test_the_command_shows_what_is_written_while_it_runs(tmp_path):
    path = write(tmp_path / "spans.jsonl", [span("old", 1, trace=9)])
    command = [sys.executable, "-m", "callspan", "view", str(path), "--follow", "--no-color"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as running:
        try:
            assert running.stderr is not None
            assert running.stdout is not None
            assert running.stderr.readline() == f"callspan view: waiting for spans in {path}, until Ctrl-C\n"
            with path.open("ab") as file:
                file.write(b"nonsense\n")
            told = running.stderr.readline()
            append(path, span("below", 2, 1), span("root", 1))
            shown = [running.stdout.readline() for _ in range(3)]
        finally:
            running.kill()
    assert told == f"callspan view: could not be read: 1 not JSON (first: {path})\n"
    assert "2 spans" in shown[0]
    assert "chain root" in shown[1]
    assert "chain below" in shown[2]


@pytest.fixture
def talk(tmp_path):
    question = [text("user", 'Is it "Köln"\nor Bonn?')]
    return write(
        tmp_path / "spans.jsonl",
        [
            finished("llm", "chat", input_messages=question, trace_id=1, span_id=1),
            span("plan", 2, trace=2, output="Take the GREEN socks."),
            span("plan", 3, trace=3),
        ],
    )


@pytest.mark.parametrize(
    ("wanted", "traces"),
    [
        ("green SOCKS", [2]),
        ('"köln"', [1]),
        ('Köln"\nor', [1]),
        ("plan", [2, 3]),
        ("shop.text", []),
        ("stringValue", []),
    ],
)
def test_search(talk, capsys, wanted, traces):
    assert main(["view", str(talk), "--search", wanted, "--json"]) == 0
    found = [line for line in capsys.readouterr().out.splitlines() if line]
    assert [int(line.split('"trace_id":"')[1][:32], 16) for line in found] == traces


def test_search_and_another_wish_must_meet_in_one_span(talk, capsys):
    assert main(["view", str(talk), "--search", "plan", "--kind", "llm"]) == 0
    assert "no trace matches" in capsys.readouterr().out


def test_search_finds_errors(tmp_path):
    from callspan.model.span import ErrorFacts

    failed = span("call", 1, status=2, outcome="error", error=ErrorFacts("KeyError", "no such sock", []))
    (row,) = load_rows([write(tmp_path / "s.jsonl", [failed])], LoadReport(), "", search_for("SUCH sock"))
    assert row.is_found
