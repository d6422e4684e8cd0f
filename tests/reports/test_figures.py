"""The figures of a file that was worked out by hand."""

from __future__ import annotations

import pytest

from callspan.errors import CallspanError
from callspan.reading import LoadReport, to_arrow
from callspan.reports import figures
from callspan.reports.database import NEEDED, Database
from callspan.reports.report import make_figures, make_samples
from span_files import foreign, write_requests


@pytest.fixture(scope="module")
def database(shop_file):
    with Database(to_arrow(shop_file)) as opened:
        yield opened


def rows(database, name, *fields):
    return [tuple(row[field] for field in ("key", *fields)) for row in figures.group(database, name)]


def test_totals_count_roots_once_and_tokens_where_the_model_is(database):
    told = figures.totals(database)
    wanted = {
        "spans": 8,
        "traces": 4,
        "requests": 4,
        "errors": 1,
        "input_tokens": 65,
        "output_tokens": 18,
        "cost": None,
        "conversations": 1,
        "users": 2,
        "feedback": 4,
        "feedback_repeated": 1,
        "feedback_unknown": 1,
        "is_estimated": False,
    }
    assert {key: told[key] for key in wanted} == wanted
    assert told["latency_ms"]["p50"] == pytest.approx(255)  # of 150, 210, 300 and 450
    assert told["first_chunk_ms"] == {"p50": 25, "p95": 25, "p99": 25}


def test_groups(database):
    assert rows(database, "model", "requests", "errors", "input_tokens", "output_tokens") == [
        ("gpt-4o", 3, 0, 60, 18),
        ("gpt-4o-mini", 1, 1, 5, 0),
    ]
    assert rows(database, "kind", "requests", "input_tokens") == [
        ("llm", 4, 65),
        ("chain", 3, None),
        ("retriever", 1, None),
    ]
    assert rows(database, "prompt", "requests", "errors") == [("naming v1", 2, 1), ("naming v2", 2, 0)]
    assert rows(database, "user", "requests", "errors", "input_tokens") == [("u-1", 2, 0, 30), ("u-2", 1, 1, 5)]
    assert rows(database, "conversation", "requests", "input_tokens") == [("c-1", 2, 30)]
    assert rows(database, "name", "requests")[0] == ("llm chat gpt-4o", 4)


def test_latencies_of_a_group(database):
    (v1, v2) = figures.group(database, "prompt")
    assert v1["latency_ms"]["p50"] == pytest.approx(250)  # of 100 and 400
    assert v2["latency_ms"]["p99"] == pytest.approx(299)  # of 200 and 300
    assert v2["first_chunk_ms"] is None


def test_feedback_compares_versions(database):
    scores = {row["key"]: row["feedback"] for row in figures.group(database, "prompt")}
    assert scores == {
        "naming v1": {"helpful": {"count": 1, "mean": 0.0}},
        "naming v2": {"helpful": {"count": 1, "mean": 1.0}},
    }
    (talk,) = figures.group(database, "conversation")
    assert talk["feedback"]["helpful"]["count"] == 3  # on its two turns, and on the whole
    assert figures.given_feedback(database) == [
        {"key": "helpful", "count": 4, "mean": 0.5, "labels": {"down": 1, "up": 1}}
    ]


def test_errors_are_told_where_they_began(database):
    (error,) = figures.errors(database)
    assert (error["error_type"], error["key"], error["count"]) == ("openai.RateLimitError", "llm chat gpt-4o", 1)
    assert (error["message"], error["trace_id"]) == ("Slow down", f"{3:032x}")


def test_over_time(database):
    told = figures.over_time(database)
    assert told["unit"] == "minute"
    assert [(bucket["key"][:16], bucket["requests"], bucket["errors"]) for bucket in told["buckets"]] == [
        ("2023-11-14 22:14", 1, 0),
        ("2023-11-14 22:15", 1, 0),
        ("2023-11-14 22:16", 1, 1),
        ("2023-11-14 22:17", 1, 0),
    ]


def test_a_condition_chooses_spans(shop_file):
    table = to_arrow(shop_file)
    with Database(table, "model = 'gpt-4o-mini'") as chosen:
        assert figures.totals(chosen)["spans"] == 1
    for wrong in ("modle = 'x'", "1 = 1; drop table loaded", "name in (select name from read_csv('/etc/passwd'))"):
        with pytest.raises(CallspanError, match="--where"):
            Database(table, wrong)


def test_a_report_is_plain_data(database):
    told = make_figures(database, LoadReport(read=13))
    assert told["schema_version"] == 1
    assert set(told) == {"schema_version", "read", "totals", "by", "over_time", "errors", "feedback"}
    assert told["read"]["spans"] == 13


def test_samples_show_calls_in_full(database):
    told = make_samples(database)
    assert [(call["span_id"][-1], call["duration_ms"]) for call in told["slowest"]] == [
        ("6", 400),
        ("4", 300),
        ("8", 200),
        ("3", 100),
    ]
    assert [call["span_id"][-1] for call in told["dearest"]] == ["8", "4", "3", "6"]
    slowest = told["slowest"][1]
    assert slowest["asked"] == [["system", "Be brief."], ["user", "Another one?"]]
    assert slowest["answered"] == [["assistant", "Solemate"]]
    assert (slowest["prompt"], slowest["model"]) == ("naming v2", "gpt-4o")
    assert [one["label"] for one in slowest["feedback"]] == ["up"]


def test_a_trace_is_a_waterfall(database):
    told = make_samples(database)
    first = next(trace for trace in told["traces"] if trace["trace_id"] == f"{1:032x}")
    assert [(span["name"], span["depth"]) for span in first["spans"]] == [
        ("answer", 0),
        ("search", 1),
        ("chat gpt-4o", 1),
    ]
    assert first["duration_ms"] == pytest.approx(150)
    assert first["spans"][1]["offset_ms"] == pytest.approx(1e-6)
    assert make_samples(database, ["0" * 31 + "2"])["traces"][0]["trace_id"] == f"{2:032x}"


def test_a_conversation_is_a_chat(database):
    (talk,) = make_samples(database)["conversations"]
    assert [(turn["number"], turn["step"], turn["asked"], turn["answered"]) for turn in talk["turns"]] == [
        (1, 1, "What do I call my shop?", "Sockrates"),
        (2, 2, "Another one?", "Solemate"),
    ]
    assert [[one["comment"] for one in turn["feedback"]] for turn in talk["turns"]] == [["Too silly."], [None]]
    assert len(talk["feedback"]) == 1


def test_a_retrieval_has_its_documents_with_scores(database):
    (found,) = make_samples(database)["retrievals"]
    assert (found["query"], found["found"]) == ("socks?", 2)
    assert found["documents"] == [
        {"id": "d-1", "score": 0.9, "text": "Socks ship in two days."},
        {"id": None, "score": 0.2, "text": "We sell shoes."},
    ]


def test_columns_that_were_not_read_are_null(shop_file):
    table = to_arrow(shop_file, columns=NEEDED)
    with Database(table) as opened:
        found = opened.one("select count(*) as calls, count(model) as models, sum(input_tokens) as tokens from calls")
        roots = opened.one("select count(*) as roots from calls where is_root")
    with Database(to_arrow(shop_file)) as whole:
        assert roots == whole.one("select count(*) as roots from calls where is_root")
        assert found == {**whole.one("select count(*) as calls from calls"), "models": 0, "tokens": None}


def told(number, parent=None, **attributes):
    """Return a span of another tool in one trace, with tokens where `tokens` says how many."""
    tokens = attributes.pop("tokens", None)
    if tokens is not None:
        attributes |= {"gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": 1, "llm.cost.total": 0.5}
    above = {} if parent is None else {"parentSpanId": f"{parent:016x}"}
    return foreign(attributes, spanId=f"{number:016x}", name=f"s{number}", **above)


def sums(path):
    with Database(to_arrow(path), is_once=True) as opened:
        told = figures.totals(opened)
        return told["input_tokens"], told["output_tokens"], told["cost"]


def test_tokens_that_are_told_again_far_above_count_once(tmp_path):
    path = write_requests(
        tmp_path / "spans.jsonl",
        told(1, tokens=30),  # an agent with the sum of all below
        told(2, 1),
        told(3, 2),
        told(4, 3, tokens=10),
        *(told(number, number - 1) for number in range(5, 40)),
        told(40, 39, tokens=7),  # far below the model's own span
        told(41, 2, tokens=20),
        told(42, 41),  # a request: it knows nothing of tokens
        told(50, tokens=5),
        told(51, 50),
    )
    assert sums(path) == (7 + 20 + 5, 3, 1.5)


def test_a_ring_of_spans_is_summed_up_and_ends(tmp_path):
    ring = [told(1, 3), told(2, 1), told(3, 2), told(4, 2, tokens=6), told(5, tokens=9), told(6, 5)]
    assert sums(write_requests(tmp_path / "spans.jsonl", *ring)) == (15, 2, 1.0)


def test_a_span_that_was_delivered_twice_counts_once_and_the_last_is_it(tmp_path):
    path = write_requests(
        tmp_path / "spans.jsonl", told(1, tokens=4), told(2, 1), told(1, tokens=10), told(3, tokens=2), told(2, 1)
    )
    with Database(to_arrow(path), is_once=True) as opened:
        report = make_figures(opened, LoadReport(read=5))
    assert report["read"]["repeated"] == 2
    assert (report["totals"]["spans"], report["totals"]["requests"]) == (3, 2)
    assert (report["totals"]["input_tokens"], report["totals"]["cost"]) == (12, 1.0)


def test_feedback_that_was_given_again_is_still_told_of(shop_file):
    with Database(to_arrow(shop_file), is_once=True) as opened:
        assert opened.repeated == 0
        assert figures.totals(opened)["feedback_repeated"] == 1


def test_counts_that_have_64_bits_are_added_up(tmp_path):
    path = write_requests(tmp_path / "spans.jsonl", told(1, tokens=2**63 - 1), told(2, tokens=2**63 - 1))
    assert sums(path) == (2**64 - 2, 2, 1.0)
    with Database(to_arrow(path)) as opened:
        assert len(make_samples(opened)["dearest"]) == 0  # no model calls, but they were put in order
