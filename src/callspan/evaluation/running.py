"""Runs evaluators over records: concurrently, within limits and a budget, each verdict once, and resumable."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from callspan.evaluation.limits import Budget, Limits, Pace, Purse, is_transient, retry_after_s, wait_s
from callspan.evaluation.scores import Evaluator, Score, as_evaluator, plain_number, score_of
from callspan.evaluation.subjects import Subject
from callspan.evaluation.verdicts import Verdicts, key_of
from callspan.model.record import SpanRecord

OUT_OF_BUDGET = "the budget is used up"


@dataclass(frozen=True, slots=True)
class Result:
    """One verdict on one record. `cached`: it was given in an earlier run and cost nothing now."""

    record: SpanRecord
    score: Score
    cached: bool = False


@dataclass(slots=True)
class Evaluation:
    """All verdicts of a run, in the order of the records, and what they cost."""

    results: list[Result] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    spent_tokens: int = 0  # counted against the budget: what broke off counts in full
    spent_cost: float = 0.0

    @property
    def errors(self) -> list[Result]:
        """The verdicts that are none."""
        return [result for result in self.results if result.score.error is not None]


def evaluate(
    records: Iterable[SpanRecord | Subject],
    evaluators: Sequence[Any],
    *,
    limits: Limits | None = None,
    budget: Budget | None = None,
    cache: str | os.PathLike[str] | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Evaluation:
    """Judge every record with every evaluator; each pair ends with a score or an error, and none is judged twice.

    evaluators: objects with `evaluate`, or functions of a record.
    limits: concurrency, requests per minute, attempts, time per request.
    budget: what models may use in all; what no longer fits ends with the error "the budget is used up".
    cache: a file that keeps the verdicts of models, by content; the same run started again goes on where it stopped.
    on_result: called with every result as it comes, in the order they come; for progress bars.

    Not to be called where an event loop is running: await `evaluate_async` there. Raises nothing an evaluator raises.
    """
    return asyncio.run(
        evaluate_async(records, evaluators, limits=limits, budget=budget, cache=cache, on_result=on_result)
    )


async def evaluate_async(
    records: Iterable[SpanRecord | Subject],
    evaluators: Sequence[Any],
    *,
    limits: Limits | None = None,
    budget: Budget | None = None,
    cache: str | os.PathLike[str] | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Evaluation:
    """Do what `evaluate` does, in a running event loop."""
    chosen = [as_evaluator(evaluator) for evaluator in evaluators]
    pairs = _pairs(records, chosen)
    return await evaluate_pairs_async(pairs, limits=limits, budget=budget, cache=cache, on_result=on_result)


def evaluate_pairs(
    pairs: Iterable[tuple[Subject, Evaluator]],
    *,
    limits: Limits | None = None,
    budget: Budget | None = None,
    cache: str | os.PathLike[str] | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Evaluation:
    """Do what `evaluate` does, where each evaluator has records of its own: those of its level."""
    return asyncio.run(evaluate_pairs_async(pairs, limits=limits, budget=budget, cache=cache, on_result=on_result))


async def evaluate_pairs_async(
    pairs: Iterable[tuple[Subject, Evaluator]],
    *,
    limits: Limits | None = None,
    budget: Budget | None = None,
    cache: str | os.PathLike[str] | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Evaluation:
    """Do what `evaluate_pairs` does, in a running event loop."""
    if cache is None:
        return await _Run(limits or Limits(), budget or Budget(), None, on_result).over(pairs)
    with closing(Verdicts(cache)) as verdicts:
        return await _Run(limits or Limits(), budget or Budget(), verdicts, on_result).over(pairs)


class _Run:
    def __init__(
        self, limits: Limits, budget: Budget, verdicts: Verdicts | None, on_result: Callable[[Result], None] | None
    ) -> None:
        self._limits = limits
        self._purse = Purse(budget)
        self._pace = Pace(limits.requests_per_minute)
        self._verdicts = verdicts
        self._under_way: dict[str, asyncio.Future[Score]] = {}
        self._on_result = on_result

    async def over(self, pairs: Iterable[tuple[Subject, Evaluator]]) -> Evaluation:
        done: dict[int, Result] = {}
        work = enumerate(pairs)
        workers = [self._work(work, done) for _ in range(max(self._limits.concurrency, 1))]
        await asyncio.gather(*workers)
        results = [done[number] for number in sorted(done)]
        return Evaluation(
            results,
            sum(result.score.input_tokens for result in results if not result.cached),
            sum(result.score.output_tokens for result in results if not result.cached),
            self._purse.spent_tokens,
            self._purse.spent_cost,
        )

    async def _work(self, work: Iterator[tuple[int, tuple[Subject, Evaluator]]], done: dict[int, Result]) -> None:
        for number, (subject, evaluator) in work:
            done[number] = result = await self._judge(subject, evaluator)
            if self._on_result is not None:
                self._on_result(result)

    async def _judge(self, subject: Subject, evaluator: Evaluator) -> Result:
        if not getattr(evaluator, "is_costly", False):
            return Result(subject.record, await self._attempt(subject, evaluator))
        key = key_of(evaluator, subject)
        known = self._verdicts.get(key) if self._verdicts is not None else None
        if known is not None:
            return Result(subject.record, known, cached=True)
        if key in self._under_way:  # the same question about the same texts: asked once
            return Result(subject.record, await self._under_way[key], cached=True)
        self._under_way[key] = asyncio.get_running_loop().create_future()
        score = await self._ask(subject, evaluator)
        if self._verdicts is not None:
            self._verdicts.put(key, score)
        self._under_way[key].set_result(score)
        return Result(subject.record, score)

    async def _ask(self, subject: Subject, evaluator: Evaluator) -> Score:
        """Ask within the budget and at the pace, again where that may help."""
        for failures in itertools.count(1):
            reserved = getattr(evaluator, "bound_tokens", lambda _: 0)(subject)
            if not await self._purse.reserve(reserved):
                return Score(evaluator.name, error=OUT_OF_BUDGET, by="llm")
            found = await self._once(subject, evaluator, reserved)
            if isinstance(found, Score):
                return found
            if failures >= self._limits.attempts or not is_transient(found):
                return Score(evaluator.name, error=_told(found, failures), by="llm")
            await self._be_patient(found, failures)
        raise AssertionError  # it counts for ever

    async def _once(self, subject: Subject, evaluator: Evaluator, reserved: int) -> Score | Exception:
        used = reserved, 0  # what broke off may have been paid for
        try:
            await self._pace.wait()
            score = await asyncio.wait_for(_called(evaluator, subject), self._limits.timeout_s)
            used = score.input_tokens, score.output_tokens
        except Exception as error:  # noqa: BLE001 - one record's error, whatever a client raises
            if getattr(error, "status_code", None) is not None:
                used = 0, 0
            return error
        else:
            return score
        finally:
            await self._purse.settle(reserved, *used)

    async def _be_patient(self, error: BaseException, failures: int) -> None:
        asked_s = retry_after_s(error)
        if asked_s is None:
            await asyncio.sleep(wait_s(self._limits, failures))
        else:
            self._pace.hold(asked_s)

    async def _attempt(self, subject: Subject, evaluator: Evaluator) -> Score:
        try:
            return await _called(evaluator, subject)
        except Exception as error:  # noqa: BLE001 - one record's error
            return Score(evaluator.name, error=_told(error, 1))


async def _called(evaluator: Evaluator, subject: Subject) -> Score:
    found: Any = evaluator.evaluate(subject)
    if inspect.isawaitable(found):
        found = await found
    score = score_of(found, evaluator.name)
    score = replace(score, score=plain_number(score.score))
    is_number = isinstance(score.score, int | float) and not isinstance(score.score, bool)
    if score.error is not None:
        return replace(score, score=None, label=None)
    if score.score is None and not score.label and not score.explanation:
        return replace(score, error="no verdict")
    if score.score is not None and not (is_number and math.isfinite(score.score)):
        return replace(score, score=None, label=None, error=f"the score is {score.score!r}, not a number")
    return score


def _pairs(
    records: Iterable[SpanRecord | Subject], evaluators: Sequence[Evaluator]
) -> Iterator[tuple[Subject, Evaluator]]:
    for record in records:
        subject = record if isinstance(record, Subject) else Subject(record)
        for evaluator in evaluators:
            yield subject, evaluator


def _told(error: BaseException, failures: int) -> str:
    after = f" after {failures} attempts" if failures > 1 else ""
    return f"{type(error).__name__}{after}: {str(error)[:200]}"
