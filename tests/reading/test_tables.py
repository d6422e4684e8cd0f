"""Files to one Arrow table, by one process or several."""

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import datetime, timezone

import pytest

from callspan.errors import CallspanError
from callspan.model.feedback import COMPONENT, Feedback
from callspan.reading import LoadReport, tables, to_arrow
from callspan.reading.columns import COLUMNS
from callspan.reading.programs import start_program
from span_files import foreign, write, write_requests
from spans import FIXED, START_NS, finished

pytest.importorskip("pyarrow")


def test_a_row_for_each_span_with_documented_columns(tmp_path):
    feedback = finished(
        "evaluator", "feedback helpful", component=COMPONENT, feedback=Feedback("helpful", "trace", 1, "up")
    )
    table = to_arrow(write(tmp_path / "spans.jsonl", [FIXED["llm"], feedback]))
    assert table.column_names == [column.name for column in COLUMNS]
    assert all(field.metadata[b"meaning"] for field in table.schema)
    first, second = table.to_pylist()
    assert {key: value for key, value in first.items() if value is not None} == {
        "trace_id": "5b8aa5a2d2c872e8321cf37308d69df2",
        "span_id": "051581bf3cb55c13",
        "parent_id": "5fb397be34d26b51",
        "name": "chat gpt-4o",
        "kind": "llm",
        "service": "shop-bot",
        "start_time": datetime.fromtimestamp(START_NS / 1e9, tz=timezone.utc),
        "duration_ms": 1500.0,
        "outcome": "ok",
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "input_tokens": 40,
        "output_tokens": 12,
        "is_estimated": False,
        "time_to_first_chunk_s": 0.25,
        "finish_reason": "tool_calls",
        "prompt_name": "weather",
        "prompt_version": "v3",
        "conversation_id": "c-42",
        "step": 2,
        "user_id": "u-7",
        "tags": ["beta", "weather"],
        "metadata": '{"tier":"gold"}',
        "file": str(tmp_path / "spans.jsonl"),
        "line_offset": 0,
        "line_number": 0,
    }
    assert (second["feedback_name"], second["feedback_score"], second["feedback_label"]) == ("helpful", 1.0, "up")
    assert second["line_offset"] > 0


@pytest.mark.parametrize("columns", [["kind"], ["component", "provider", "is_estimated", "step", "file"]])
def test_columns_that_are_wanted_are_those_of_the_whole_table(tmp_path, columns):
    feedback = finished("evaluator", "feedback", component=COMPONENT, feedback=Feedback("helpful", "trace", 1, "up"))
    path = write(tmp_path / "spans.jsonl", [*FIXED.values(), feedback])
    table = to_arrow(path, columns=columns)
    assert table.column_names == columns
    assert table.to_pylist() == to_arrow(path).select(columns).to_pylist()


def test_what_arrow_cannot_hold_is_mended(tmp_path):
    odd = foreign({"gen_ai.usage.input_tokens": 2**70, "user.id": "u"}, name="half \ud83d", startTimeUnixNano=2**63)
    (row,) = to_arrow(write_requests(tmp_path / "odd.jsonl", odd)).to_pylist()
    assert (row["name"], row["input_tokens"], row["start_time"]) == ("half ?", None, None)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_several_processes_read_the_same(tmp_path, monkeypatch, processes):
    monkeypatch.setattr(tables, "_SEGMENT_BYTES", 3_000)
    path = write(
        tmp_path / "spans.jsonl", [finished("chain", f"s{number}", span_id=number + 1) for number in range(40)]
    )
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:10], b"broken\n", *lines[10:30], b"{}\n", *lines[30:], b'{"cut']))
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(lines[0]) + b"damaged")
    report, seen = LoadReport(), []
    table = to_arrow(
        [path, packed], report=report, processes=processes, on_progress=lambda done, total: seen.append((done, total))
    )
    assert table["name"].to_pylist() == [*(f"s{number}" for number in range(40)), "s0"]
    assert report.read == 41
    assert report.bad == {
        "not JSON": 1,
        "not an OTLP trace request": 1,
        "cut off in the middle": 1,
        "damaged gzip": 1,
    }
    assert {place[1:] for place in report.first_bad} == {
        (11, "not JSON"),
        (32, "not an OTLP trace request"),
        (43, "cut off in the middle"),
        (2, "damaged gzip"),
    }
    size = path.stat().st_size + packed.stat().st_size
    assert seen[-1] == (size, size)


def test_an_interrupt_leaves_no_worker(tmp_path, monkeypatch):
    started = []

    def start(*arguments, **pipes):
        started.append(start_program(*arguments, **pipes))
        return started[-1]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "_SEGMENT_BYTES", 3_000)
    monkeypatch.setattr(tables, "start_program", start)
    path = write(tmp_path / "spans.jsonl", [finished("chain", span_id=number + 1) for number in range(20)])
    with pytest.raises(KeyboardInterrupt):
        to_arrow(path, processes=2, on_progress=interrupted)
    assert [worker.poll() is not None for worker in started] == [True, True]


def test_a_worker_that_ends_early_is_told(tmp_path, monkeypatch):
    nothing = [sys.executable, "-c", ""]
    monkeypatch.setattr(tables, "_SEGMENT_BYTES", 3_000)
    monkeypatch.setattr(tables, "start_program", lambda *_, **pipes: subprocess.Popen(nothing, **pipes))
    path = write(tmp_path / "spans.jsonl", [finished("chain", span_id=number + 1) for number in range(20)])
    with pytest.raises(CallspanError, match=r"a worker that reads .*spans\.jsonl ended early"):
        to_arrow(path, processes=2)


def test_more_files_than_arguments_can_name(tmp_path):
    folder = tmp_path / ("f" * 200)
    folder.mkdir()
    path = write(folder / "spans.jsonl", [finished("chain", "s")])
    report = LoadReport()
    assert to_arrow([path] * 3_000, report=report, processes=2).num_rows == 3_000
    assert (report.read, report.bad) == (3_000, {})


def test_no_files_are_an_empty_table(tmp_path):
    assert to_arrow(tmp_path).num_rows == 0


def test_without_pyarrow_the_error_names_the_extra(tmp_path):
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import callspan.reading as reading\n"
        f"try: reading.to_arrow({str(tmp_path)!r})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f'{CallspanError.__name__} tables need pyarrow and DuckDB: python -m pip install "callspan[reading]"\n'
    )
