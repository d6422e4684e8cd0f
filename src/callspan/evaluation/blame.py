"""Which span of a bad trace is at fault: the first one, from below, whose own work was judged bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callspan.evaluation.running import Evaluation
from callspan.evaluation.scores import Score
from callspan.model.record import SpanRecord


@dataclass(frozen=True, slots=True)
class Suspect:
    """A span with what speaks against it. `suspicion` orders: higher is likelier to be where it went wrong."""

    record: SpanRecord
    failed: tuple[Score, ...]
    suspicion: float
    reason: str


def suspects(spans: Sequence[SpanRecord], evaluation: Evaluation) -> list[Suspect]:
    """Rank the spans of one trace by how likely they are at fault; spans that nothing speaks against are left out.

    An error of its own weighs most, then failed verdicts. A span whose children are already suspect only passes on
    what it got: it weighs half. Of equals, the earlier one comes first, since what follows is built on it.
    """
    failed: dict[str, list[Score]] = {}
    for result in evaluation.results:
        if result.score.passed is False:
            failed.setdefault(result.record.span_id, []).append(result.score)
    weights = {span.span_id: _weight(span, failed.get(span.span_id, [])) for span in spans}
    is_passed_on = _spans_above({span_id for span_id, weight in weights.items() if weight}, spans)
    found = [
        Suspect(
            span,
            tuple(failed.get(span.span_id, ())),
            weights[span.span_id] / (2 if span.span_id in is_passed_on else 1),
            _reason(span, failed.get(span.span_id, []), below=span.span_id in is_passed_on),
        )
        for span in spans
        if weights[span.span_id]
    ]
    return sorted(found, key=lambda suspect: (-suspect.suspicion, suspect.record.start_time_unix_ns))


def _weight(span: SpanRecord, failed: Sequence[Score]) -> float:
    own_error = 2.0 if span.outcome == "error" else 0.0
    return own_error + sum(1.0 - (score.score or 0.0) for score in failed)


def _spans_above(span_ids: set[str], spans: Sequence[SpanRecord]) -> set[str]:
    """Return the spans above any of these."""
    parents = {span.span_id: span.parent_id for span in spans}
    above: set[str] = set()
    for span_id in span_ids:
        parent = parents.get(span_id)
        while parent is not None and parent not in above:
            above.add(parent)
            parent = parents.get(parent)
    return above


def _reason(span: SpanRecord, failed: Sequence[Score], *, below: bool) -> str:
    parts = [f"raised {span.error.type}" if span.error else "ended with an error"] if span.outcome == "error" else []
    parts += [f"{score.name}: {score.label or score.score}" for score in failed]
    return ", ".join(parts) + (" (something below it failed too)" if below else "")
