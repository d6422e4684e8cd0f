"""`callspan report` in the terminal and as JSON; the page is tested in tests/reports."""

from __future__ import annotations

import json
from copy import copy

import pytest

from callspan.cli import main
from callspan.cli.report_tables import cost
from span_files import foreign, write, write_requests
from spans import FIXED

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")


@pytest.fixture
def spans(tmp_path):
    chain = copy(FIXED["chain"])
    chain.span_id += 1
    return write(tmp_path / "spans.jsonl", [FIXED["llm"], chain])


def test_the_terminal_shows_tables(spans, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["report", str(spans), "--processes", "1"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("1 trace · 2 spans · 0 failed roots · p50 1.50 s")
    at = lines.index("By model")
    assert lines[at + 1].split() == ["requests", "p50", "p95", "p99", "first", "chunk", "tokens", "in", "out"]
    assert lines[at + 2].split() == [
        "gpt-4o-2024-08-06",
        "1",
        "1.50",
        "s",
        "1.50",
        "s",
        "1.50",
        "s",
        "250",
        "ms",
        "40",
        "12",
    ]
    assert "By prompt template and version" in lines


def test_a_narrow_terminal_gets_fewer_figures(spans, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["report", str(spans), "--processes", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 50
    assert "p95" in lines[lines.index("By model") + 1]


def test_json_is_one_document(spans, capsys):
    assert main(["report", str(spans), "--json", "--processes", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["by"]["model"][0]["key"] == "gpt-4o-2024-08-06"
    assert told["read"]["spans"] == 2


def test_what_cannot_be_read_is_told(tmp_path, spans, capsys):
    spans.write_bytes(spans.read_bytes() + b"broken\n")
    assert main(["report", str(spans), "--json", "--processes", "1"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["read"]["unreadable"] == {"not JSON": 1}
    assert told.err == f"callspan report: could not be read: 1 not JSON (first: {spans}, line 3)\n"
    assert main(["report", str(tmp_path / "none"), "--processes", "1"]) == 1
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    capsys.readouterr()
    assert main(["report", str(empty)]) == 1
    assert capsys.readouterr().err == f"callspan report: no spans in {empty}\n"


def test_a_wrong_condition_is_explained(spans, capsys):
    assert main(["report", str(spans), "--where", "modle = 1", "--processes", "1"]) == 1
    assert "callspan report: --where modle = 1: Binder Error" in capsys.readouterr().err


def test_costs_are_written_as_money():
    assert [cost(one) for one in (1234.5, 0.5, 0.0)] == ["$1,234.50", "$0.5", "$0"]


def test_a_page_and_json_at_once(spans, tmp_path, capsys):
    page = tmp_path / "report.html"
    assert main(["report", str(spans), "--html", str(page), "--json", "--processes", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["spans"] == 2
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_numbers_that_are_none_leave_a_report_readable(tmp_path, capsys):
    odd = [
        foreign({name: number}, spanId=f"{place:016x}")
        for place, (name, number) in enumerate(
            (name, number)
            for name in ("callspan.cost.total", "gen_ai.response.time_to_first_chunk", "gen_ai.usage.input_tokens")
            for number in (float("nan"), float("inf"), 1.5e308, 10**30)
        )
        if place
    ]
    path = write_requests(tmp_path / "odd.jsonl", *odd, foreign({"callspan.cost.total": 0.25}))
    assert main(["report", str(path), "--json", "--processes", "1"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (told["totals"]["cost"], told["totals"]["input_tokens"]) == (0.25, None)
    assert main(["report", str(path), "--processes", "1"]) == 0
    assert "$0.25" in capsys.readouterr().out
    assert main(["view", str(path), "--io"]) == 0


def test_where_nothing_was_chosen_no_times_are_told(spans, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["report", str(spans), "--where", "false", "--processes", "1"]) == 0
    assert capsys.readouterr().out == (
        "0 traces · 0 spans · 0 failed roots · 0 tokens in, 0 out · 0 conversations · 0 users\n"
    )


def test_spans_that_were_delivered_twice_are_told_of(spans, capsys):
    assert main(["report", str(spans), str(spans), "--json", "--processes", "1"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["totals"]["spans"] == 2
    assert err == "callspan report: 2 spans there several times and counted once\n"
