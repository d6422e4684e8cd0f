from __future__ import annotations

import gzip

from callspan.model.span import ErrorFacts
from callspan.model.usage import Usage
from callspan.reading.files import LoadReport, files_of
from callspan.reading.rows import load_rows, records_of
from span_files import foreign, write, write_requests
from spans import END_NS, FIXED, START_NS, finished


def rows_of(path, prefix=""):
    return list(load_rows(files_of(path), LoadReport(), prefix))


def test_a_row_shows_what_a_line_of_a_tree_needs(tmp_path):
    for dialects in ("genai", "genai-1.41", "openinference"):
        (row,) = rows_of(write(tmp_path / "spans.jsonl", [FIXED["llm"]], dialects))

        assert (row.trace_id, row.span_id, row.parent_id) == (
            "5b8aa5a2d2c872e8321cf37308d69df2",
            "051581bf3cb55c13",
            "5fb397be34d26b51",
        )
        assert (row.name, row.kind, row.component, row.outcome) == ("chat gpt-4o", "llm", None, "ok")
        assert (row.start_time_unix_ns, row.end_time_unix_ns, row.duration_ns) == (START_NS, END_NS, 1_500_000_000)
        assert (row.model, row.input_tokens, row.output_tokens, row.estimated) == ("gpt-4o-2024-08-06", 40, 12, False)
        assert (row.conversation_id, row.step, row.service) == ("c-42", 2, "shop-bot")
        assert (row.finish_reason, row.error_type, row.error_message) == ("tool_calls", None, None)


def test_a_failed_span(tmp_path):
    failed = finished("tool", status=2, outcome="error", error=ErrorFacts("KeyError", "'sku'", []))
    by_hand = finished("tool", status=2, outcome="error", status_message="stock is empty")
    estimated = finished("llm", usage=Usage(input_tokens=3, source="estimated"))

    first, second, third = rows_of(write(tmp_path / "spans.jsonl", [failed, by_hand, estimated]))

    assert (first.outcome, first.error_type, first.error_message) == ("error", "KeyError", "'sku'")
    assert (second.outcome, second.error_type, second.error_message) == ("error", None, "stock is empty")
    assert (third.estimated, third.input_tokens, third.output_tokens, third.model) == (True, 3, None, None)


def test_a_span_of_another_tool(tmp_path):
    (row,) = rows_of(write_requests(tmp_path / "foreign.jsonl", foreign({"http.request.method": "GET"})))

    assert (row.kind, row.outcome, row.service, row.conversation_id) == ("chain", "ok", None, None)


def test_only_traces_whose_id_starts_so(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished(trace_id=0xAB << 120), finished(trace_id=0xAC << 120)])

    assert [row.trace_id[:2] for row in rows_of(path, "ab")] == ["ab"]
    assert len(rows_of(path)) == 2


def test_records_come_in_the_order_of_the_rows(tmp_path):
    spans = [finished("chain", f"s{n}", span_id=n + 1) for n in range(5)]
    packed = write(tmp_path / "b.jsonl", [finished("chain", "packed", span_id=99)])
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(packed.read_bytes() * 1))
    packed.unlink()
    write(tmp_path / "a.jsonl", spans)

    rows = rows_of(tmp_path)

    assert [record and record.name for record in records_of(rows[::-1])] == ["packed", "s4", "s3", "s2", "s1", "s0"]
    assert list(records_of([])) == []


def test_a_packed_file_is_unpacked_once_for_many_records(tmp_path, monkeypatch):
    spans = [finished("chain", f"s{n}", span_id=n + 1) for n in range(7)]
    path = write(tmp_path / "spans.jsonl", spans)
    (tmp_path / "spans.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    rows = rows_of(tmp_path)
    opened = []

    def open_and_count(file):
        opened.append(file.name)
        return gzip.open(file)

    monkeypatch.setattr("callspan.reading.rows._RECORDS_AT_ONCE", 2)
    monkeypatch.setattr("callspan.reading.files.open_unpacked", open_and_count)

    assert [record and record.name for record in records_of(rows)] == ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]
    assert opened == ["spans.jsonl.gz"]


def test_one_of_several_spans_of_a_line(tmp_path):
    tree = foreign(name="first")
    spans = tree["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans += [{**spans[0], "spanId": "nonsense"}, {**spans[0], "name": "third", "spanId": "c" * 16}]

    rows = rows_of(write_requests(tmp_path / "foreign.jsonl", tree))

    assert [record and record.name for record in records_of(rows[1:])] == ["third"]


def test_a_file_that_changed_in_the_meantime(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "one", span_id=1), finished("chain", "two", span_id=2)])
    rows = rows_of(path)

    path.write_bytes(b"no longer\n" + path.read_bytes())
    assert list(records_of(rows)) == [None, None]
    write(path, [finished("chain", "other", span_id=3)])
    assert list(records_of(rows)) == [None, None]
    path.unlink()
    assert list(records_of(rows)) == [None, None]
