"""Recorded calls as points: what was asked, what came out, what it cost, and what people and judges said of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from callspan.evaluation.subjects import answer_of, question_of
from callspan.model.record import SpanRecord
from callspan.reading.feedback import Candidate, GivenFeedback, Said, join_candidates
from callspan.reading.names import COST

On = Literal["prompt", "response", "both"]

UNKNOWN_MODEL: Final = "(unknown)"
NO_TEMPLATE: Final = "(no template)"
_BAD_LABELS: Final = frozenset(["down", "bad", "fail", "failed", "no", "negative", "thumbs_down", "incorrect"])
_EMBEDDED: Final = 6_000  # characters of a text that its vector is made of: models of embeddings take 8,000 tokens


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody said of a call: feedback of a person or the score of an evaluator."""

    name: str
    score: float | None = None
    label: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether the score is below one half; without a score, whether the label is a bad word."""
        if self.score is not None:
            return self.score < 0.5
        return self.label is not None and self.label.strip().lower() in _BAD_LABELS


@dataclass(slots=True)
class Point:
    """One call that is looked at, with all verdicts on it and on the spans above it."""

    trace_id: str
    span_id: str
    prompt: str
    response: str
    duration_ms: float
    tokens: int
    cost: float | None
    model: str
    prompt_version: str
    outcome: str
    conversation_id: str | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def is_judged(self) -> bool:
        """Whether anything is known of how good it was."""
        return bool(self.verdicts) or self.outcome == "error"

    @property
    def is_bad(self) -> bool:
        """Whether any verdict is bad, or the call failed."""
        return self.outcome == "error" or any(verdict.is_bad for verdict in self.verdicts)

    def text(self, on: On) -> str:
        """Return what its vector is made of: the beginning of the prompt or of the response."""
        return (self.response if on == "response" else self.prompt)[:_EMBEDDED]


@dataclass(slots=True)
class Recorded:
    """Points, and the vectors that the application computed itself for some of their texts, by model."""

    points: list[Point] = field(default_factory=list)
    vectors: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def recorded(records: Iterable[SpanRecord], *, kind: str = "llm") -> Recorded:
    """Read points out of records, in one pass: every span of one kind that has a question.

    A framework's call of a model that has the provider's own call below it is left out, since that is the same call. Of
    spans with the same IDs, which were delivered twice, the last one counts.
    """
    found = Recorded()
    points: dict[tuple[str, str], Point] = {}
    given: list[GivenFeedback] = []
    spans: list[Candidate] = []
    for record in records:
        if (feedback := GivenFeedback.of_record(record)) is not None:
            given.append(feedback)
            continue
        spans.append(Candidate.of_record(record))
        if record.kind == kind and not record.usage_below and question_of(record):
            points[record.trace_id, record.span_id] = _point(record)
        for embedding in record.embeddings or ():
            if embedding.get("text") and embedding.get("vector"):
                known = found.vectors.setdefault(record.model or UNKNOWN_MODEL, {})
                known[embedding["text"][:_EMBEDDED]] = embedding["vector"]
    found.points += points.values()
    if given:
        said_of = Said(join_candidates(given, spans), spans)
        for point in found.points:
            said = said_of.of((point.trace_id, point.span_id), point.conversation_id)
            point.verdicts = [Verdict(one.name, one.score, one.label) for one in said]
    return found


def _point(record: SpanRecord) -> Point:
    usage = record.usage
    prompt = record.prompts[0] if record.prompts else None
    return Point(
        record.trace_id,
        record.span_id,
        question_of(record),
        answer_of(record),
        record.duration_ms,
        ((usage.input_tokens or 0) + (usage.output_tokens or 0)) if usage else 0,
        _cost(record),
        record.model or UNKNOWN_MODEL,
        f"{prompt.name or 'prompt'}@{prompt.version}" if prompt else NO_TEMPLATE,
        record.outcome,
        record.conversation_id,
    )


def _cost(record: SpanRecord) -> float | None:
    told = [record.attributes.get(name) for name in COST]
    return next((float(one) for one in told if isinstance(one, int | float) and not isinstance(one, bool)), None)
