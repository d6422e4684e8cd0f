"""Deliver when a root span ends, on the thread that ends it: for processes that are frozen once they have answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callspan.guard import guard
from callspan.model.span import Span
from callspan.pipeline.worker import Pipeline

LONGEST_WAIT_S: Final = 2.0
OUTAGE_WAIT_S: Final = 0.1


class RootFlush:
    """Hands spans to a pipeline and waits, after each root, until all that ended so far is delivered.

    A root waits two seconds at most. When that was not enough, the next ones wait a tenth of a second only, until one
    finds everything delivered: a backend that is down costs one slow answer, not every one.
    """

    def __init__(self, pipeline: Pipeline, is_root: Callable[[Span], bool]) -> None:
        """Serve `pipeline`; `is_root` is asked of each span on the thread that ends it."""
        self._pipeline = pipeline
        self._is_root = is_root
        self._wait_s = LONGEST_WAIT_S

    def offer(self, span: Span) -> None:
        """Take a sealed span."""
        self._pipeline.offer(span)
        try:
            if self._is_root(span):
                remaining = self._pipeline.settle(self._wait_s)
                self._wait_s = OUTAGE_WAIT_S if remaining else LONGEST_WAIT_S
        except RecursionError:  # the user's stack is full; the next root sees to it
            return
        except Exception as error:  # noqa: BLE001 - we are on the user's thread
            guard.note("delivering at the end of a root", error)
