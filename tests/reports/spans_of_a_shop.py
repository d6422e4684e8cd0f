"""A small file that has everything a report shows, with figures that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callspan.model.facts import PromptUse
from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.span import STATUS_ERROR, ErrorFacts, Span
from callspan.model.usage import Usage
from span_files import write
from spans import START_NS, finished, text

MS = 1_000_000
MINUTE = 60_000 * MS
DOCUMENTS = [
    {"id": "d-1", "content": "Socks ship in two days.", "score": 0.9},
    {"content": "We sell shoes.", "score": 0.2},
]


def span(kind: Any, name: str, number: int, trace: int, ms: float, parent: int | None = None, **given: Any) -> Span:
    """Make a span that begins in the minute of its trace, and takes so long."""
    start = START_NS + trace * MINUTE + number
    place = {
        "span_id": number,
        "trace_id": trace,
        "parent_id": parent,
        "start_ns": start,
        "end_ns": start + int(ms * MS),
    }
    return finished(kind, name, **place, **given)


def call(number: int, trace: int, ms: float, version: str, tokens: tuple[int, int], answer: str, **given: Any) -> Span:
    """Make a model call from the prompt `naming` of some version."""
    question = given.pop("question", f"Question {number}?")
    return span(
        "llm",
        "chat gpt-4o",
        number,
        trace,
        ms,
        request={"model": given.pop("model", "gpt-4o")},
        input_messages=[text("system", "Be brief."), text("user", question)],
        output_messages=[text("assistant", answer)],
        usage=Usage(*tokens),
        prompts=[PromptUse("Name {it}.", {"it": "socks"}, "naming", version)],
        **given,
    )


def feedback(number: int, trace: int, parent: int | None, target: Any = "span", **given: Any) -> Span:
    """Make feedback an hour later."""
    place = {key: given.pop(key) for key in ("conversation_id", "step") if key in given}
    told = span(
        "evaluator",
        "feedback helpful",
        number,
        trace,
        0,
        parent,
        feedback=Feedback("helpful", target, **given),
        **place,
    )
    told.component = COMPONENT
    told.start_ns = told.end_ns = told.start_ns + 60 * MINUTE
    return told


def shop(folder: Path) -> Path:
    """Write four traces: two turns of a conversation, one failure, and a chain that repeats the tokens below it."""
    first, second = (
        {"conversation_id": "c-1", "step": 1, "user_id": "u-1"},
        {"conversation_id": "c-1", "step": 2, "user_id": "u-1"},
    )
    failed = call(6, 3, 400, "v1", (5, 0), "", user_id="u-2", model="gpt-4o-mini", parent=5)
    failed.status, failed.outcome, failed.error = (
        STATUS_ERROR,
        "error",
        ErrorFacts("openai.RateLimitError", "Slow down", []),
    )
    above = span("chain", "fail", 5, 3, 450, user_id="u-2")
    above.status, above.outcome, above.error = (
        STATUS_ERROR,
        "error",
        ErrorFacts("openai.RateLimitError", "Slow down", []),
    )
    return write(
        folder / "spans.jsonl",
        [
            span("retriever", "search", 2, 1, 20, parent=1, query="socks?", top_k=2, documents=DOCUMENTS, **first),
            call(3, 1, 100, "v1", (10, 4), "Sockrates", parent=1, time_to_first_chunk_s=0.025, **first),
            span(
                "chain", "answer", 1, 1, 150, input={"question": "What do I call my shop?"}, output="Sockrates", **first
            ),
            call(4, 2, 300, "v2", (20, 6), "Solemate", question="Another one?", **second),
            failed,
            above,
            call(8, 4, 200, "v2", (30, 8), "Footloose", parent=7),
            span("chain", "sum", 7, 4, 210, usage=Usage(30, 8)),
            feedback(20, 1, 1, score=0.0, label="down", comment="Too silly."),
            feedback(21, 2, 4, score=1.0, label="up", id="u-1"),
            feedback(22, 2, 4, score=1.0, label="up", id="u-1"),
            feedback(23, 50, None, "conversation", score=1.0, conversation_id="c-1"),
            feedback(24, 51, 99, score=0.0),
        ],
    )
