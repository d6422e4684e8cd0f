"""What an evaluation found, in figures: rates, groups, agreement with people, and the spans at fault."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from callspan.errors import CallspanError
from callspan.evaluation.agreement import Agreement, agreement
from callspan.evaluation.blame import suspects
from callspan.evaluation.rates import Rate, disparity
from callspan.evaluation.running import Evaluation, Result
from callspan.model.record import SpanRecord
from callspan.reading.feedback import Candidate, GivenFeedback, Said, SpanIds, join_candidates

Tree = dict[str, Any]

_MOST_REASONS: Final = 3
_METADATA: Final = "metadata."
NO_VALUE: Final = "(none)"


def sum_up(
    evaluation: Evaluation, records: Sequence[SpanRecord], by: str | None = None, blame: str | None = None
) -> Tree:
    """Return plain data: `scores`, `groups`, `agreement`, `suspects`, and what it cost.

    by: a column, as `group_of` knows them. blame: the beginning of the ID of the trace whose spans are ranked.
    """
    by_name: dict[str, list[Result]] = {}
    for result in evaluation.results:
        by_name.setdefault(result.score.name, []).append(result)
    return {
        "scores": [_score(name, results) for name, results in by_name.items()],
        "groups": [_groups(name, results, by) for name, results in by_name.items()] if by else [],
        "agreement": [*_agreements(by_name, records)],
        "suspects": [*_suspects(evaluation, records, blame)] if blame is not None else None,
        "input_tokens": evaluation.input_tokens,
        "output_tokens": evaluation.output_tokens,
        "cost": evaluation.spent_cost or None,
        "cached": sum(result.cached for result in evaluation.results),
    }


def check_column(by: str | None) -> None:
    """Raise `CallspanError` for a column that there is no grouping by."""
    if by is not None and by not in _COLUMNS and not (by.startswith(_METADATA) and by != _METADATA):
        raise CallspanError(f"--by {by}: there is no such column; use {', '.join(_COLUMNS)} or metadata.NAME")


def group_of(record: SpanRecord, by: str) -> str:
    """Return the value of a column: model, prompt, user, kind, name, or metadata.NAME."""
    value = record.metadata.get(by.removeprefix(_METADATA)) if by.startswith(_METADATA) else _COLUMNS[by](record)
    return NO_VALUE if value is None else str(value)


def _prompt(record: SpanRecord) -> str | None:
    prompt = record.prompts[0] if record.prompts else None
    return f"{prompt.name or 'prompt'}@{prompt.version}" if prompt else None


_COLUMNS: Final[dict[str, Callable[[SpanRecord], str | None]]] = {
    "model": lambda record: record.model,
    "prompt": _prompt,
    "user": lambda record: record.user_id,
    "kind": lambda record: record.kind,
    "name": lambda record: record.name,
}


def _score(name: str, results: Sequence[Result]) -> Tree:
    scores = [result.score.score for result in results if result.score.score is not None]
    errors = [result.score.error for result in results if result.score.error is not None]
    passed = Rate(sum(score >= 0.5 for score in scores), len(scores))
    return {
        "name": name,
        "judged": len(results) - len(errors),
        "passed": passed.hits,
        "rate": _finite(passed.value),
        "interval": list(passed.interval),
        "mean": sum(scores) / len(scores) if scores else None,
        "labels": dict(Counter(result.score.label for result in results if result.score.label).most_common()),
        "errors": len(errors),
        "reasons": dict(Counter(errors).most_common(_MOST_REASONS)),
    }


def _groups(name: str, results: Iterable[Result], by: str) -> Tree:
    passed = [
        (group_of(result.record, by), result.score.passed) for result in results if result.score.passed is not None
    ]
    groups = [
        {
            "value": group.value,
            "count": group.rate.count,
            "rate": group.rate.value,
            "interval": list(group.rate.interval),
            "ratio": _finite(group.ratio),
        }
        for group in disparity((value, bool(is_hit)) for value, is_hit in passed)
    ]
    return {"name": name, "by": by, "groups": groups}


def _agreements(by_name: Mapping[str, Sequence[Result]], records: Iterable[SpanRecord]) -> Iterator[Tree]:
    """Compare each evaluator with what people said of the same spans, by feedback of each name."""
    said = _of_people(records, {_ids(result.record) for results in by_name.values() for result in results})
    for name, results in by_name.items():
        judged = {_ids(one.record): _word(one.score.passed) for one in results if one.score.passed is not None}
        for feedback, given in said.items():
            found = agreement(judged, given)
            if found.count:
                yield _agreement(name, feedback, found)


def _of_people(records: Iterable[SpanRecord], judged: set[SpanIds]) -> dict[str, dict[SpanIds, str]]:
    """Return what people said of the judged spans: good or bad, by the feedback's name and the span."""
    given, spans, about = [], [], []
    for record in records:
        if (feedback := GivenFeedback.of_record(record)) is None:
            spans.append(Candidate.of_record(record))
            if _ids(record) in judged:
                about.append(record)
        elif feedback.annotator == "human":
            given.append(feedback)
    said = Said(join_candidates(given, spans), spans)
    found: dict[str, dict[SpanIds, str]] = {}
    for record in about if given else ():
        for one in said.of(_ids(record), record.conversation_id):
            if one.score is not None:
                found.setdefault(one.name, {})[_ids(record)] = _word(one.score >= 0.5)
    return found


def _agreement(name: str, feedback: str, found: Agreement) -> Tree:
    return {
        "judge": name,
        "feedback": feedback,
        "count": found.count,
        "observed": found.observed,
        "kappa": _finite(found.kappa),
        "table": found.table(),
    }


def _suspects(evaluation: Evaluation, records: Iterable[SpanRecord], blame: str) -> Iterator[Tree]:
    spans = [record for record in records if record.feedback is None and record.trace_id.startswith(blame)]
    for suspect in suspects(spans, evaluation):
        yield {
            "trace_id": suspect.record.trace_id,
            "span_id": suspect.record.span_id,
            "kind": suspect.record.kind,
            "name": suspect.record.name,
            "suspicion": suspect.suspicion,
            "reason": suspect.reason,
        }


def _ids(record: SpanRecord) -> SpanIds:
    return record.trace_id, record.span_id


def _word(is_good: bool | None) -> str:  # noqa: FBT001 - what it is about
    return "good" if is_good else "bad"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
