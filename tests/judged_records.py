"""Records to be judged, written by hand."""

from __future__ import annotations

from typing import Any

from callspan.model.record import SpanRecord


def record(number: int = 1, **fields: Any) -> SpanRecord:
    """Make a record of kind llm; `number` is its span ID and when it started, in milliseconds."""
    start = 1_700_000_000_000_000_000 + number * 1_000_000
    return SpanRecord(
        **{
            "trace_id": f"{1:032x}",
            "span_id": f"{number:016x}",
            "name": "call",
            "kind": "llm",
            "start_time_unix_ns": start,
            "end_time_unix_ns": start + 1_000_000,
            **fields,
        }
    )


def chat(question: str, answer: str, number: int = 1, **fields: Any) -> SpanRecord:
    """Make a record of one question and its answer."""
    return record(
        number,
        input_messages=[message("user", question)],
        output_messages=[message("assistant", answer)],
        **fields,
    )


def message(role: str, text: str) -> dict[str, Any]:
    """Make a message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}
