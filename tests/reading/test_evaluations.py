"""Evaluations that other tools put into events are read as feedback."""

from __future__ import annotations

import json

import pytest

from callspan.cli import main
from callspan.model.feedback import COMPONENT, Feedback
from callspan.reading import LoadReport, load, traces
from callspan.reading.feedback import join
from callspan.reading.files import files_of
from callspan.reading.rows import load_rows, records_of
from span_files import any_value, foreign, write, write_requests
from spans import finished

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RELEVANCE = {
    "gen_ai.evaluation.name": "relevance",
    "gen_ai.evaluation.score.value": 0.25,
    "gen_ai.evaluation.score.label": "poor",
    "gen_ai.evaluation.explanation": "It is about boots.",
}


def event(attributes, name="gen_ai.evaluation.result", **fields):
    told = [{"key": key, "value": any_value(value)} for key, value in attributes.items()]
    return {"name": name, "timeUnixNano": "1700000000300000000", "attributes": told, **fields}


def record(attributes, **fields):
    told = {**event(attributes), "eventName": "gen_ai.evaluation.result", "traceId": TRACE_ID, "spanId": SPAN_ID}
    return {key: value for key, value in {**told, **fields}.items() if key != "name"}


def logs(*records, service="judge"):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(records)}]}]}


def judged(*attributes):
    return foreign({"gen_ai.operation.name": "chat"}, events=[event(one) for one in attributes])


def test_feedback_of_ours_is_read_once_though_its_event_repeats_it(tmp_path):
    given = Feedback("helpful", "span", score=1.0)
    write(tmp_path / "ours.jsonl", [finished("evaluator", "feedback helpful", component=COMPONENT, feedback=given)])
    assert "gen_ai.evaluation.result" in (tmp_path / "ours.jsonl").read_text()

    (read,) = load(tmp_path / "ours.jsonl")

    assert (read.feedback.name, read.feedback.score, read.events) == ("helpful", 1.0, [])
    assert [row.feedback_name for row in load_rows(files_of(tmp_path / "ours.jsonl"), LoadReport())] == ["helpful"]


def test_an_event_of_the_span_that_was_judged(tmp_path):
    path = write_requests(tmp_path / "foreign.jsonl", judged(RELEVANCE, {"gen_ai.evaluation.name": "tone"}))
    report = LoadReport()

    call, relevance, tone = load(path, report=report)

    assert (call.kind, call.feedback, len(call.events)) == ("llm", None, 2)
    assert relevance.feedback.model_dump() == {
        "name": "relevance",
        "target": "span",
        "score": 0.25,
        "label": "poor",
        "comment": "It is about boots.",
        "annotator": "unknown",
        "id": None,
        "key": None,
    }
    assert (relevance.kind, relevance.component, relevance.name) == ("evaluator", "feedback", "feedback relevance")
    assert (relevance.trace_id, relevance.parent_id) == (TRACE_ID, SPAN_ID)
    assert (relevance.start_time_unix_ns, relevance.duration_ms) == (1_700_000_000_300_000_000, 0)
    assert (tone.feedback.name, tone.feedback.score) == ("tone", None)
    assert relevance.span_id != tone.span_id
    assert report.read == 1, "only spans of the file are counted"


def test_it_is_joined_once_however_often_it_is_delivered(tmp_path):
    path = write_requests(tmp_path / "foreign.jsonl", judged(RELEVANCE), judged(RELEVANCE))

    found = join(load_rows(files_of(path), LoadReport()))

    assert [(one.name, one.about) for one in found.given] == [("relevance", (TRACE_ID, SPAN_ID))]
    assert found.repeated == 1


def test_records_are_found_again(tmp_path):
    path = write_requests(tmp_path / "foreign.jsonl", judged(RELEVANCE), foreign(spanId="00000000000000aa"))

    rows = list(load_rows(files_of(path), LoadReport()))

    assert [one.name for one in records_of(rows)] == ["call", "feedback relevance", "call"]
    (trace,) = traces(path)
    assert [(node.span.name, node.span.parent_id) for node, _ in trace.walk()][1] == ("feedback relevance", SPAN_ID)


@pytest.mark.parametrize(
    "odd",
    [
        event(RELEVANCE, name="gen_ai.other"),
        event({"gen_ai.evaluation.score.value": 1.0}),
        event({"gen_ai.evaluation.name": 5}),
        {"name": "gen_ai.evaluation.result"},
        {"name": "gen_ai.evaluation.result", "attributes": "none"},
        "no event",
    ],
)
def test_what_does_not_say_what_was_judged_stays_an_event(tmp_path, odd):
    path = write_requests(tmp_path / "foreign.jsonl", foreign(events=[odd]))

    assert [one.name for one in load(path)] == ["call"]


def test_an_event_without_a_time_is_at_the_end_of_its_span(tmp_path):
    path = write_requests(tmp_path / "foreign.jsonl", foreign(events=[event(RELEVANCE, timeUnixNano=None)]))

    _, relevance = load(path)

    assert relevance.start_time_unix_ns == 1_700_000_000_250_000_000


def test_a_log_record_that_names_the_span(tmp_path):
    older = record({**RELEVANCE, "event.name": "gen_ai.evaluation.result"}, eventName=None, timeUnixNano="1800")
    path = write_requests(tmp_path / "foreign.jsonl", foreign(), logs(record(RELEVANCE), record(RELEVANCE), older))
    report = LoadReport()

    rows = list(load_rows(files_of(path), report))

    assert [(row.feedback_name, row.service, row.parent_id) for row in rows[1:]] == [
        ("relevance", "judge", SPAN_ID)
    ] * 3
    assert [row.start_time_unix_ns for row in rows[1:]] == [1_700_000_000_300_000_000] * 2 + [1800]
    found = join(rows)
    assert [one.about for one in found.given] == [(TRACE_ID, SPAN_ID)] * 2
    assert found.repeated == 1
    assert (report.read, report.bad) == (1, {})


def test_other_log_records_are_no_spans(tmp_path):
    nowhere = logs(record(RELEVANCE, spanId=""), record(RELEVANCE, eventName="gen_ai.other"), "odd")
    report = LoadReport()

    assert list(load(write_requests(tmp_path / "logs.jsonl", nowhere), report=report)) == []
    assert report.bad == {"OTLP metrics or logs, no spans": 1}


def test_the_report_counts_it(tmp_path, capsys):
    pytest.importorskip("duckdb")
    path = write_requests(tmp_path / "foreign.jsonl", judged(RELEVANCE))

    assert main(["report", str(path), "--json", "--processes", "1"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["feedback"] == [{"key": "relevance", "count": 1, "mean": 0.25, "labels": {"poor": 1}}]
    assert told["totals"]["spans"] == 1
    assert told["by"]["kind"][0]["feedback"] == {"relevance": {"count": 1, "mean": 0.25}}
