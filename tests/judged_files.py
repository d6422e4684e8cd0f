"""Files of spans to be judged: questions with answers, searches, feedback of people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.span import Span
from span_files import write
from spans import START_NS, finished, text


def call(number: int, question: str, answer: str, **given: Any) -> Span:
    """Make an llm span; `number` is its trace, its span and when it started."""
    return finished(
        given.pop("kind", "llm"),
        "chat",
        **{
            "trace_id": number,
            "span_id": number,
            "start_ns": START_NS + number,
            "request": {"model": "gpt-4o"},
            "input_messages": [text("user", question)],
            "output_messages": [text("assistant", answer)],
            **given,
        },
    )


def search(number: int, query: str, *ids: str, **given: Any) -> Span:
    """Make a retriever span that found the documents with these IDs."""
    documents = [{"id": one, "content": f"text of {one}"} for one in ids]
    return finished(
        "retriever",
        "search",
        **{"trace_id": number, "span_id": number, "start_ns": START_NS + number, **given},
        query=query,
        documents=documents,
    )


def said(about: int, name: str, score: float | None = None, label: str | None = None) -> Span:
    """Make feedback of a person about the span of that number."""
    return finished(
        "evaluator",
        f"feedback {name}",
        component=COMPONENT,
        trace_id=about,
        parent_id=about,
        span_id=10_000 + about,
        feedback=Feedback(name, "span", score, label),
    )


def chats(path: Path, count: int, more: Iterable[Span] = ()) -> Path:
    """Write a file of `count` calls with a question and an answer of their number each."""
    calls = [call(number, f"question {number}", f"answer {number}.") for number in range(1, count + 1)]
    return write(path, [*calls, *more])
