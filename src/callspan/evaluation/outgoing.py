"""Verdicts as spans of feedback: what readers, exporters and backends understand already."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator

from callspan.evaluation.running import Result
from callspan.model.facts import Facts
from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.finished import finished_span
from callspan.model.span import Span


def spans_of(results: Iterable[Result], now_ns: int | None = None) -> Iterator[Span]:
    """Yield a span for each verdict, below the span it is about; errors are no verdicts and are left out.

    Verdicts of the same name on the same span have the same IDs, so a later run replaces what an earlier one said.
    """
    time_ns = time.time_ns() if now_ns is None else now_ns
    for result in results:
        record, score = result.record, result.score
        if score.error is not None:
            continue
        told = f"{record.trace_id}{record.span_id}\0{score.name}\0{score.by}"
        span_id = int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:8], "big") or 1
        given = Feedback(score.name, "span", score.score, score.label, score.explanation, score.by, f"{span_id:016x}")
        facts = Facts(feedback=given, conversation_id=record.conversation_id, step=record.step, user_id=record.user_id)
        span = finished_span(
            "evaluator", f"feedback {score.name}", facts, trace_id=int(record.trace_id, 16), span_id=span_id
        )
        span.parent_id, span.component = int(record.span_id, 16), COMPONENT
        span.start_ns = span.end_ns = time_ns
        yield span
