"""Calls as rows for evaluation: one flat row a call, the same columns in CSV, JSON Lines and Parquet."""

from __future__ import annotations

from typing import Any, Final

from callspan.datasets.examples import Example
from callspan.reading.texts import document_text, joined, part_text, show

Tree = dict[str, Any]

COLUMNS: Final = (
    "trace_id",
    "span_id",
    "conversation_id",
    "step",
    "kind",
    "name",
    "model",
    "prompt_name",
    "prompt_version",
    "question",
    "context",
    "answer",
    "outcome",
    "feedback",
    "score",
    "label",
    "comment",
)
FACTS: Final = (
    *("conversation_id", "step", "model", "outcome", "prompt_name", "prompt_version"),
    *("feedback", "score", "label", "comment"),
)
"""Columns that the table of spans tells, not the contents."""


def evaluation_row(example: Example) -> Tree:
    """Return one row: what was asked, what the model was told besides, what came out, and the newest feedback."""
    facts = example.facts
    told = {
        "trace_id": example.trace_id,
        "span_id": example.span_id,
        "kind": example.kind,
        "name": example.name,
        "question": _question(example),
        "context": _context(example),
        "answer": _answer(example),
        **{column: facts.get(column) for column in FACTS},
    }
    return {column: told[column] for column in COLUMNS}


def _question(example: Example) -> str:
    for message in reversed(example.input_messages or ()):
        if message.get("role") == "user":
            return _text(message)
    if example.query is not None:
        return example.query
    given = example.input
    if isinstance(given, dict) and len(given) == 1:
        (given,) = given.values()
    return "" if given is None else show(given)


def _context(example: Example) -> str:
    """Return the documents, or what stands before the question in the prompt."""
    if example.documents and example.kind not in ("retriever", "reranker"):
        return joined(*map(document_text, example.documents))
    instructions = [part_text(part) for part in example.system_instructions or ()]
    return joined(*instructions, *(_text(message) for message in (example.input_messages or [])[:-1]))


def _answer(example: Example) -> str:
    if example.output_messages:
        return joined(*map(_text, example.output_messages))
    if example.documents:
        return joined(*map(document_text, example.documents))
    return "" if example.output is None else show(example.output)


def _text(message: Tree) -> str:
    parts = message.get("parts")
    return joined(*map(part_text, parts)) if isinstance(parts, list) else ""
