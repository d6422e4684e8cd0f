"""Feedback: what is written, about which span, and what cannot be meant."""

from __future__ import annotations

import json
import subprocess
import sys
from enum import Enum
from fractions import Fraction

import numpy as np
import pytest
from opentelemetry import trace

import callspan
from callspan.exporters import FileExporter, MemoryExporter
from callspan.guard import guard
from callspan.reading.load import load
from callspan.testing import capture

TRACE_ID = "5b8aa5a2d2c872e8321cf37308d69df2"
SPAN_ID = "051581bf3cb55c13"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


def test_feedback_is_a_span_below_the_one_it_is_about():
    with capture() as spans:
        with callspan.conversation("c-42"), callspan.span("answer", kind="chain") as answer:
            pass
        with callspan.context(user_id="u-7", tags=["web"]):
            callspan.feedback(answer, name="helpful", score=1, label="up", comment="Exactly.")
    given, about = spans.one("feedback helpful"), spans.one("answer")
    assert (given.trace_id, given.parent_id) == (about.trace_id, about.span_id)
    assert (given.kind, given.component, given.outcome, given.input) == ("evaluator", "feedback", "ok", None)
    assert given.start_time_unix_ns == given.end_time_unix_ns > about.end_time_unix_ns
    assert (given.conversation_id, given.step, given.user_id, given.tags) == ("c-42", 1, "u-7", ["web"])
    assert given.feedback is not None
    assert given.feedback.model_dump() == {
        "name": "helpful",
        "target": "span",
        "score": 1.0,
        "label": "up",
        "comment": "Exactly.",
        "annotator": "human",
        "id": None,
        "key": None,
    }


@pytest.mark.parametrize(
    "about",
    [
        {"traceparent": TRACEPARENT},
        {"traceparent": f" {TRACEPARENT.upper()}\n"},
        {"trace_id": TRACE_ID, "span_id": SPAN_ID},
        {"trace_id": int(TRACE_ID, 16), "span_id": int(SPAN_ID, 16)},
    ],
)
def test_the_ids_are_enough(about):
    with capture() as spans:
        callspan.feedback(name="helpful", score=0, **about)
    (given,) = spans
    assert (given.trace_id, given.parent_id) == (TRACE_ID, SPAN_ID)
    assert given.feedback is not None
    assert (given.feedback.target, given.feedback.score) == ("span", 0.0)


def test_a_trace_a_conversation_and_a_key():
    with capture() as spans:
        callspan.feedback(name="trace", score=1, trace_id=TRACE_ID)
        callspan.feedback(name="turn", score=1, conversation="c-42", step=2)
        callspan.feedback(name="talk", label="long", conversation="c-42")
        callspan.feedback(name="tag", comment="late", key="order-17")
        callspan.feedback(name="pair", score=True, key={"order": 17})
        callspan.feedback(name="next", score=1, conversation="c-42", step=3)
    found = [(span.feedback.target, span.conversation_id, span.step, span.feedback.key) for span in spans]
    assert found == [
        ("trace", None, None, None),
        ("conversation", "c-42", 2, None),
        ("conversation", "c-42", None, None),
        ("key", None, None, "order-17"),
        ("key", None, None, "order=17"),
        ("conversation", "c-42", 3, None),
    ]
    assert spans[0].trace_id == TRACE_ID
    assert all(span.parent_id is None for span in spans)
    assert len({span.trace_id for span in spans}) == 6


class Shop(str, Enum):
    EU = "eu"

    __format__ = object.__format__


def test_members_of_enums_of_texts_are_the_texts_they_stand_for():
    with capture() as spans:
        callspan.feedback(name=Shop.EU, label=Shop.EU, key={"shop": Shop.EU})
        callspan.feedback(name="turn", score=1, conversation=Shop.EU)
    assert [f"{span.name} {span.conversation_id}" for span in spans] == ["feedback eu None", "feedback turn eu"]
    assert f"{spans[0].feedback.key} {spans[0].feedback.label}" == "shop=eu eu"


@pytest.mark.parametrize("score", [np.float32(0.5), np.int64(2), Fraction(1, 2)])
def test_a_score_may_be_any_real_number(score):
    with capture() as spans:
        callspan.feedback(name="helpful", score=score, conversation="c")
    assert type(spans[0].feedback.score) is float
    assert spans[0].feedback.score == score


def test_feedback_numbers_no_turn():
    with capture() as spans, callspan.conversation("c-42"):
        callspan.feedback(name="talk", score=1, conversation="c-42")
        with callspan.span("answer"):
            pass
    assert spans.one("answer").step == 1


def test_a_record_and_a_span_of_opentelemetry_can_be_targets():
    with capture() as spans:
        with callspan.conversation("c-1"), callspan.span("answer"):
            pass
        callspan.feedback(spans[0], name="read", score=1)
        context = trace.SpanContext(int(TRACE_ID, 16), int(SPAN_ID, 16), is_remote=False)
        callspan.feedback(trace.NonRecordingSpan(context), name="otel", score=1)
    assert (spans[1].trace_id, spans[1].parent_id) == (spans[0].trace_id, spans[0].span_id)
    assert spans[1].conversation_id == "c-1"
    assert (spans[2].trace_id, spans[2].parent_id) == (TRACE_ID, SPAN_ID)


def test_the_same_feedback_again_has_the_same_ids():
    with capture() as spans:
        for _ in range(2):
            callspan.feedback(name="helpful", score=1, traceparent=TRACEPARENT, idempotency_key="u-7")
            callspan.feedback(name="helpful", score=1, conversation="c-42", idempotency_key="u-7")
        callspan.feedback(name="helpful", score=1, traceparent=TRACEPARENT, idempotency_key="u-8")
        callspan.feedback(name="helpful", score=1, traceparent=TRACEPARENT)
    ids = [(span.trace_id, span.span_id) for span in spans]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]
    assert len({*ids}) == 4


def test_it_is_never_sampled_out():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], sample_rate=0.0)
    with callspan.span("answer") as unsampled:
        pass
    callspan.feedback(unsampled, name="helpful", score=1)
    callspan.feedback(conversation="c-42", name="helpful", score=1)
    assert callspan.flush()
    assert [span.name for span in memory.spans] == ["feedback helpful"] * 2
    assert memory.spans[0].trace_id == f"{unsampled.trace_id:032x}"


def test_it_passes_the_gate():
    with capture() as spans, callspan.context(metadata={"password": "hunter2"}):
        callspan.feedback(name="helpful", score=1, traceparent=TRACEPARENT)
    assert spans[0].metadata == {"password": "[redacted]"}
    assert spans[0].redacted_count == 1


def test_long_comments_are_cut_and_marked():
    with capture() as spans:
        callspan.feedback(name="helpful", comment="x" * 300_000, traceparent=TRACEPARENT)
    assert spans[0].feedback is not None
    assert len(spans[0].feedback.comment or "") == 262_145
    assert spans[0].truncated == {"feedback": 300_000}


def test_suppressed_off_or_without_a_span_nothing_happens():
    callspan.feedback(name="helpful", score=1, traceparent=TRACEPARENT)
    with capture() as spans:
        with callspan.suppress():
            callspan.feedback(name="helpful", score=1, traceparent=TRACEPARENT)
        callspan.feedback(callspan.current_span(), name="helpful", score=1)
    assert spans == []
    assert guard.counts["feedback without a span"] == 1


class Hostile:
    @property
    def trace_id(self):
        raise RuntimeError("mine")


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("span", {}),
        ("span", {"traceparent": TRACEPARENT, "conversation": "c"}),
        ("span", {"span": "abc"}),
        ("span", {"span": Hostile()}),
        ("traceparent", {"traceparent": "00-abc-def-01"}),
        ("traceparent", {"traceparent": f"00-{'0' * 32}-{SPAN_ID}-01"}),
        ("traceparent", {"traceparent": 7}),
        ("trace_id", {"trace_id": "abc"}),
        ("trace_id", {"trace_id": 0}),
        ("span_id", {"trace_id": TRACE_ID, "span_id": "x" * 16}),
        ("span_id", {"span_id": SPAN_ID, "conversation": "c"}),
        ("step", {"step": 1, "key": "k"}),
        ("step", {"conversation": "c", "step": 0}),
        ("conversation_id", {"conversation": ""}),
        ("key", {"key": {"a": 1, "b": 2}}),
        ("key", {"key": 17}),
        ("name", {"key": "k", "name": ""}),
        ("score", {"key": "k", "score": float("nan")}),
        ("score", {"key": "k", "score": 10**400}),
        ("score", {"key": "k", "score": "1"}),
        ("score", {"key": "k", "score": None}),
        ("label", {"key": "k", "label": 1}),
        ("comment", {"key": "k", "comment": ""}),
        ("annotator", {"key": "k", "annotator": None}),
        ("idempotency_key", {"key": "k", "idempotency_key": 5}),
    ],
)
def test_what_cannot_be_meant_is_refused_and_named(field, arguments):
    with pytest.raises(callspan.ConfigurationError) as refused:
        callspan.feedback(**{"name": "helpful", "score": 1, **arguments})
    assert refused.value.field == field


def test_given_days_later_from_another_process(tmp_path):
    path = tmp_path / "spans.jsonl"
    callspan.configure(exporters=[FileExporter(path)])
    headers = {}
    with callspan.span("answer"):
        callspan.inject(headers)
    callspan.shutdown()
    program = f"""
import callspan
from callspan.exporters import FileExporter
callspan.configure(exporters=[FileExporter({str(path)!r}, dialects=["openinference"])])
callspan.feedback(traceparent={headers["traceparent"]!r}, name="helpful", label="down", annotator="ann@example.org",
                  idempotency_key="f-1")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    about, given = load(path)
    assert (given.trace_id, given.parent_id) == (about.trace_id, about.span_id)
    assert given.feedback is not None
    assert given.feedback.model_dump(exclude_none=True) == {
        "name": "helpful",
        "target": "span",
        "label": "down",
        "annotator": "ann@example.org",
        "id": "f-1",
    }
    assert given.attributes == {}
    attributes = json.loads(path.read_text().splitlines()[1])["resourceSpans"][0]["scopeSpans"][0]["spans"][0][
        "attributes"
    ]
    assert {"gen_ai.evaluation.name", "gen_ai.evaluation.score.label"} <= {one["key"] for one in attributes}
