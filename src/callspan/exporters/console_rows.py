"""A finished span as the line of a tree: what the reading side makes of a file, made of the span itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from callspan.dialects.own import error_type
from callspan.dialects.values import text
from callspan.model.facts import Facts
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.reading.load import Place
from callspan.reading.overview import Row

_NOWHERE: Final = Place(Path(), 0, 0)  # it stands in no file


def row_of(span: Span, resource: Resource) -> Row:
    """Return the line of a span, without what no line shows. One whose parent is not of this process is a root."""
    facts = span.facts or Facts()
    usage = None if span.usage_below else facts.usage
    kind = error_type(span) or (span.error.type if span.error is not None else None)
    return Row(
        place=_NOWHERE,
        trace_id=f"{span.trace_id:032x}",
        span_id=f"{span.span_id:016x}",
        parent_id=None if span.parent_id is None or span.is_entry else f"{span.parent_id:016x}",
        name=span.name,
        kind=span.kind,
        component=span.component,
        start_time_unix_ns=span.start_ns,
        end_time_unix_ns=span.end_ns,
        outcome=span.outcome,
        error_type=None if kind == "_OTHER" else kind,
        error_message=span.error.message if span.error is not None else span.status_message,
        provider=facts.provider,
        model=text(facts.response.get("model")) or text(facts.request.get("model")),
        input_tokens=usage.input_tokens if usage is not None else None,
        output_tokens=usage.output_tokens if usage is not None else None,
        estimated=usage is not None and usage.source == "estimated",
        cost=None,
        time_to_first_chunk_s=facts.time_to_first_chunk_s,
        finish_reason=_first_reason(facts),
        prompt_name=None,
        prompt_version=None,
        conversation_id=facts.conversation_id,
        step=facts.step,
        user_id=facts.user_id,
        tags=None,
        metadata=None,
        service=resource.service_name,
        feedback_score=None if facts.feedback is None else facts.feedback.score,
        feedback_label=None if facts.feedback is None else facts.feedback.label,
    )


def _first_reason(facts: Facts) -> str | None:
    reasons: Any = facts.response.get("finish_reasons")
    return text(reasons[0]) if isinstance(reasons, list) and reasons else None
