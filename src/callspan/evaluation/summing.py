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
from callspan.model.feedback import COMPONENT
from callspan.model.record import SpanRecord
from callspan.reading.feedback import Candidate, GivenFeedback, Said, SpanIds, join
from callspan.reading.overview import Row

Tree = dict[str, Any]

_MOST_REASONS: Final = 3
_METADATA: Final = "metadata."
NO_VALUE: Final = "(none)"
_NOT_PEOPLE: Final = frozenset({"code", "llm"})
_GOOD: Final = frozenset(
    ["up", "good", "yes", "ok", "pass", "passed", "correct", "right", "true", "helpful", "positive"]
)
_BAD: Final = frozenset(["down", "bad", "no", "fail", "failed", "incorrect", "wrong", "false", "unhelpful", "negative"])


def sum_up(evaluation: Evaluation, rows: Sequence[Row], by: str | None = None, *, has_suspects: bool = False) -> Tree:
    """Return plain data: `scores`, `groups`, `agreement`, `suspects`, and what it cost.

    rows: of all spans and feedback. by: a column, as `group_of` knows them. has_suspects: rank the spans of the one
    trace that was judged.
    """
    by_name: dict[str, list[Result]] = {}
    for result in evaluation.results:
        by_name.setdefault(result.score.name, []).append(result)
    return {
        "scores": [_score(name, results) for name, results in by_name.items()],
        "groups": [_groups(name, results, by) for name, results in by_name.items()] if by else [],
        "agreement": [*_agreements(by_name, rows)],
        "suspects": [*_suspects(evaluation)] if has_suspects else None,
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


def _agreements(by_name: Mapping[str, Sequence[Result]], rows: Sequence[Row]) -> Iterator[Tree]:
    """Compare each evaluator with what people said of the same spans, by feedback of each name."""
    given = join(rows)
    if all(one.annotator in _NOT_PEOPLE for one in given.given):
        return
    said = Said(given, (Candidate.of(row) for row in rows if row.component != COMPONENT))
    for name, results in by_name.items():
        pairs: dict[str, list[tuple[Result, GivenFeedback]]] = {}
        for result in results:
            if result.score.error is None:
                for one in said.of(_ids(result.record), result.record.conversation_id):
                    if one.annotator not in _NOT_PEOPLE:
                        pairs.setdefault(one.name, []).append((result, one))
        for feedback, both in sorted(pairs.items()):
            found = _compared(both)
            if found.count:
                yield _agreement(name, feedback, found)


def _compared(both: Sequence[tuple[Result, GivenFeedback]]) -> Agreement:
    """Compare labels where people use those of the judge, else "good" and "bad"; of several people, the newest."""
    labels = {result.score.label for result, _ in both}
    if any(said.label for _, said in both) and all(said.label in labels for _, said in both if said.label):
        words = [(_ids(result.record), result.score.label, said.label) for result, said in both]
    else:
        words = [
            (_ids(result.record), word(result.score.score, result.score.label), word(said.score, said.label))
            for result, said in both
        ]
    return agreement(
        {ids: judged for ids, judged, _ in words if judged}, {ids: people for ids, _, people in words if people}
    )


def word(score: float | None, label: str | None) -> str | None:
    """Return "good" or "bad" for what was said; None where that cannot be told.

    >>> word(0.5, None), word(None, "Down"), word(None, "blue")
    ('good', 'bad', None)
    """
    if score is not None:
        return "good" if score >= 0.5 else "bad"
    told = (label or "").strip().casefold()
    return "good" if told in _GOOD else "bad" if told in _BAD else None


def _agreement(name: str, feedback: str, found: Agreement) -> Tree:
    return {
        "judge": name,
        "feedback": feedback,
        "count": found.count,
        "observed": found.observed,
        "kappa": _finite(found.kappa),
        "table": found.table(),
    }


def _suspects(evaluation: Evaluation) -> Iterator[Tree]:
    spans = {_ids(result.record): result.record for result in evaluation.results}
    for suspect in suspects([*spans.values()], evaluation):
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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
