"""What an evaluator says of a span, and what an evaluator is."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from callspan.evaluation.subjects import Subject

Annotator = Literal["code", "llm", "human"]
Level = Literal["span", "trace", "conversation"]


@dataclass(frozen=True, slots=True)
class Score:
    """One verdict. `score` is a number whose meaning the evaluator defines, by convention from 0 (bad) to 1 (good).

    Where the evaluator could not judge, `error` says why, and there is neither a score nor a label. `input_tokens` and
    `output_tokens` are what a model used for it.
    """

    name: str
    score: float | None = None
    label: str | None = None
    explanation: str | None = None
    error: str | None = None
    by: Annotator = "code"
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def passed(self) -> bool | None:
        """Whether the score is at least one half; None where there is none."""
        return None if self.score is None else self.score >= 0.5


class Evaluator(Protocol):
    """Judges a record. `evaluate` may be a coroutine function; what it raises becomes an error of that record alone.

    `level` says what it wants to see: each span, the root of each trace, or the last turn of each conversation.
    `identity` changes whenever the verdict on the same record may change: a model, a template, a threshold.
    """

    @property
    def name(self) -> str:
        """What the score is called."""

    @property
    def level(self) -> Level:
        """What is judged: each span, each trace or each conversation."""

    @property
    def identity(self) -> str:
        """What tells this evaluator from one that may judge otherwise."""

    def evaluate(self, record: Any) -> Score | Awaitable[Score]:
        """Judge one record, a `SpanRecord` or a `Subject`."""


@dataclass(frozen=True, slots=True)
class FunctionEvaluator:
    """Makes an evaluator of a function to a `Score`, a number, a bool, a label or None (no verdict).

    The function gets the `SpanRecord`; of traces and conversations the `Subject`, which has the other spans too.
    """

    name: str
    function: Callable[[Any], Any]
    level: Level = "span"
    version: str = "1"

    @property
    def identity(self) -> str:
        """The name and the version that was given: nobody else knows when the function changes."""
        return f"{self.name}@{self.version}"

    def evaluate(self, record: Any) -> Score | Awaitable[Score]:
        """Call the function, and await it where it is one of coroutines."""
        found = self.function(record.record if isinstance(record, Subject) and self.level == "span" else record)
        return self._later(found) if inspect.isawaitable(found) else score_of(found, self.name)

    async def _later(self, found: Awaitable[Any]) -> Score:
        return score_of(await found, self.name)


def as_evaluator(given: Any) -> Evaluator:
    """Return an evaluator as it is, and a function as one that is called by the function's name."""
    if hasattr(given, "evaluate"):
        return given  # type: ignore[no-any-return]
    if not callable(given):
        message = f"an evaluator has a method `evaluate`, or is a function of a record; got {type(given).__name__}"
        raise TypeError(message)
    return FunctionEvaluator(getattr(given, "__name__", type(given).__name__), given)


def score_of(found: Any, name: str) -> Score:
    """Read what a user's function returned.

    >>> score_of(True, "polite").score, score_of("rude", "polite").label
    (1.0, 'rude')
    """
    found = plain_number(found)
    if isinstance(found, Score):
        return found if found.name else replace(found, name=name)
    if isinstance(found, bool):
        return Score(name, float(found), "pass" if found else "fail")
    if isinstance(found, int | float):
        return Score(name, float(found))
    if isinstance(found, str):
        return Score(name, label=found)
    if isinstance(found, Mapping):
        known = {key: found[key] for key in ("score", "label", "explanation", "error") if key in found}
        return Score(name, **known)
    if found is None:
        return Score(name, error="no verdict")
    return Score(
        name, error=f"the evaluator returned {type(found).__name__}; return a Score, a number, a bool or a text"
    )


def plain_number(found: Any) -> Any:
    """Return what numpy and others have for a single number as Python's own; anything else as it is."""
    item = getattr(found, "item", None)
    return item() if callable(item) and getattr(found, "shape", None) == () else found
