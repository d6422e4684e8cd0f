"""Measures of a retrieval: whether the right documents were found, and how far up they stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from callspan.evaluation.scores import Level, Score
from callspan.evaluation.subjects import Subject, subject_of
from callspan.model.record import SpanRecord

Relevance = Mapping[str, float] | Collection[str]
"""The relevant documents of one query: their IDs, or their grades by ID (0 is not relevant, more is better)."""
Measure = Literal["precision", "recall", "mrr", "ndcg", "hit_rate"]


def precision_at_k(found: Sequence[str], relevant: Relevance, k: int) -> float:
    """Return the share of relevant documents among the first `k` that were found.

    Where fewer than `k` were found, what is missing counts as not relevant.

    >>> precision_at_k(["a", "b", "c", "d"], {"a", "d", "e"}, 4)
    0.5
    """
    grades = _grades(relevant)
    return sum(grades.get(document, 0) > 0 for document in found[:k]) / k


def recall_at_k(found: Sequence[str], relevant: Relevance, k: int) -> float:
    """Return the share of the relevant documents that stand among the first `k`.

    >>> recall_at_k(["a", "b", "c", "d"], {"a", "d", "e", "f"}, 4)
    0.5
    """
    wanted = {document for document, grade in _grades(relevant).items() if grade > 0}
    return len(wanted.intersection(found[:k])) / len(wanted) if wanted else math.nan


def reciprocal_rank(found: Sequence[str], relevant: Relevance, k: int) -> float:
    """Return one over the place of the first relevant document, 0 where none is among the first `k`.

    >>> reciprocal_rank(["x", "a"], {"a"}, 10)
    0.5
    """
    grades = _grades(relevant)
    return next((1 / place for place, document in enumerate(found[:k], 1) if grades.get(document, 0) > 0), 0.0)


def hit_rate(found: Sequence[str], relevant: Relevance, k: int) -> float:
    """Return 1 when any relevant document is among the first `k`, else 0."""
    return float(reciprocal_rank(found, relevant, k) > 0)


def ndcg_at_k(found: Sequence[str], relevant: Relevance, k: int) -> float:
    """Return the normalised discounted cumulative gain: linear gains, discounted by the logarithm of the place.

    >>> round(ndcg_at_k(["b", "a"], {"a": 3, "b": 1}, 2), 4)
    0.7967
    """
    grades = _grades(relevant)
    best = _gain(sorted(grades.values(), reverse=True)[:k])
    return _gain([grades.get(document, 0) for document in found[:k]]) / best if best else math.nan


def _gain(grades: Sequence[float]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def _grades(relevant: Relevance) -> Mapping[str, float]:
    return relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)


NOT_KNOWN: Final = "the relevant documents of this query are not known"
_MEASURES: Final[dict[Measure, Callable[[Sequence[str], Relevance, int], float]]] = {
    "precision": precision_at_k,
    "recall": recall_at_k,
    "mrr": reciprocal_rank,
    "ndcg": ndcg_at_k,
    "hit_rate": hit_rate,
}


@dataclass(frozen=True)
class RetrievalQuality:
    """Scores retriever and reranker spans by one measure. `relevant` maps a query to its relevant documents.

    Documents are named by their ID, and by their text where they have none.
    """

    relevant: Mapping[str, Relevance] | Callable[[SpanRecord], Relevance | None]
    measure: Measure = "ndcg"
    k: int = 10
    level: Level = "span"

    @property
    def name(self) -> str:
        """`ndcg@10`."""
        return f"{self.measure}@{self.k}"

    @property
    def identity(self) -> str:
        """The name: the relevant documents are part of what is judged."""
        return self.name

    def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Measure; spans without documents or without known relevance get an error."""
        subject = subject_of(record)
        if subject.record.documents is None:
            return Score(self.name, error="no documents on this span")
        relevant = self.relevant
        known = relevant(subject.record) if callable(relevant) else relevant.get(subject.question)
        if known is None:
            return Score(self.name, error=NOT_KNOWN)
        value = _MEASURES[self.measure](names_of(subject.record.documents), known, self.k)
        if math.isnan(value):
            return Score(self.name, error="no document is relevant to this query")
        return Score(self.name, value)


def names_of(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the documents' IDs, or texts, each once and in order."""
    return list(dict.fromkeys(str(document.get("id") or document.get("content") or "") for document in documents))
