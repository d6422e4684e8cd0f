"""Exporters for tests: one that keeps what it gets, and several that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from callspan.exporters.contract import Batch, ExportResult
from callspan.model.span import Span


class Keeping:
    """Keeps the spans; `local` says whether it runs in the worker or in a sender thread of its own."""

    def __init__(self, name: str = "keeping", *, local: bool = True) -> None:
        self.name = name
        self.local = local
        self.spans: list[Span] = []
        self.batches: list[int] = []
        self.threads: list[str] = []
        self.closed = 0

    def export(self, batch: Batch) -> ExportResult:
        self.threads.append(threading.current_thread().name)
        self.batches.append(len(batch.spans))
        self.spans += batch.spans
        return ExportResult(delivered=len(batch.spans))

    def close(self) -> None:
        self.closed += 1


class Answering(Keeping):
    """Keeps the spans and answers what it is told to; an exception is raised."""

    def __init__(self, answer: Any, name: str = "answering", *, local: bool = True) -> None:
        super().__init__(name, local=local)
        self.answer = answer

    def export(self, batch: Batch) -> Any:
        super().export(batch)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Blocking(Keeping):
    """Keeps the spans once `released` is set; until then `export` does not return."""

    def __init__(self, name: str = "blocking", *, local: bool = False) -> None:
        super().__init__(name, local=local)
        self.entered = threading.Event()
        self.released = threading.Event()

    def export(self, batch: Batch) -> ExportResult:
        self.entered.set()
        self.released.wait(30)
        return super().export(batch)


class Calling(Keeping):
    """Calls something in every export, and keeps what it returned."""

    def __init__(self, call: Callable[[], Any], name: str = "calling", *, local: bool = True) -> None:
        super().__init__(name, local=local)
        self.call = call
        self.returned: list[Any] = []

    def export(self, batch: Batch) -> ExportResult:
        self.returned.append(self.call())
        return super().export(batch)


class Retrying(Keeping):
    """Wants everything back `failures` times, then answers with `answers` in turn, then takes what comes.

    An answer is an `ExportResult`, or a function that makes one of the spans. `offered` has the size of every batch.
    """

    def __init__(
        self,
        failures: int,
        answers: Sequence[Any] = (),
        name: str = "retrying",
        *,
        retry_after_s: float | None = None,
        local: bool = False,
    ) -> None:
        super().__init__(name, local=local)
        self.failures = failures
        self.answers = list(answers)
        self.retry_after_s = retry_after_s
        self.offered: list[int] = []
        self.entered = threading.Event()
        self.released = threading.Event()
        self.released.set()

    def export(self, batch: Batch) -> ExportResult:
        self.offered.append(len(batch.spans))
        self.entered.set()
        self.released.wait(30)
        if len(self.offered) <= self.failures:
            return ExportResult(retry=batch.spans, retry_after_s=self.retry_after_s, reason="HTTP 503")
        if self.answers:
            answer = self.answers.pop(0)
            return answer(batch.spans) if callable(answer) else answer
        return super().export(batch)
