"""The measured calls of traces that are not recorded, on their way to the metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from callspan.guard import guard
from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.metrics import Metrics

_MOST_CALLS: Final = 10_000
_MOST_BYTES: Final = 4 * 1_048_576
_AT_ONCE: Final = 256


class Measuring:
    """A queue of its own, bounded, so that no recorded span has to make room; the pipeline's worker empties it.

    `attend` is called with every call that comes: it sees to it that there is a worker.
    """

    def __init__(self, metrics: Metrics, quiet: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        """Start empty."""
        self._metrics = metrics
        self._quiet = quiet
        self._told_dropped = 0
        self.attend: Callable[[], object] = _nobody
        self._buffer = Buffer(self._ask, _MOST_CALLS, _MOST_BYTES)
        self.offer = self._buffer.offer
        self.is_wanted = metrics.is_wanted

    def _ask(self) -> None:
        self.attend()

    def record(self) -> None:
        """Give the metrics all that waits; never raises."""
        with self._quiet():
            while calls := self._buffer.take(_AT_ONCE):
                for call in calls:
                    self._record(call)
        if self._buffer.dropped > self._told_dropped:
            self._told_dropped = self._buffer.dropped
            guard.warn("measuring", f"{self._told_dropped} calls came faster than they were measured, and were not")

    def _record(self, call: Span) -> None:
        try:
            call.open_facts()
            self._metrics.record(call)
        except Exception as error:  # noqa: BLE001 - one odd answer must not cost the others
            guard.note("measuring a call", error)

    def reset(self) -> None:
        """Forget everything, in a forked child: the parent measures what it has called."""
        self._buffer.reset()


def _nobody() -> None:
    """Ask nobody: there is no pipeline yet."""
