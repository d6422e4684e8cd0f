"""What somebody thought of a call, afterwards: a score, a label or a comment, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FeedbackTarget = Literal["span", "trace", "conversation", "key"]

COMPONENT: Final = "feedback"
"""The finer word beside the kind, by which readers tell feedback from an evaluator that ran."""


@dataclass(slots=True)
class Feedback:
    """One piece of feedback. A span is the parent of what is about it, a trace holds what is about it.

    `score` has the meaning its name gives it, by convention 0 is bad and 1 good. `annotator` is `human`, `llm`, `code`,
    or whoever it was. `id` is the idempotency key: of the same feedback given twice, the later counts. `key` is the
    business key, where that is the target; a conversation and its step stand on the span like on any other.
    """

    name: str
    target: FeedbackTarget
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    annotator: str = "human"
    id: str | None = None
    key: str | None = None
