"""The lane of an exporter that may block or be out of reach: a queue, a thread of its own, and a second attempt."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from callspan.exporters.contract import Exporter, ExportResult
from callspan.guard import guard, logger
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.lane import BATCH_SPANS, Lane
from callspan.pipeline.retry import Backoff
from callspan.pipeline.threads import Attendant, have_gevent_ready

_BATCH_BYTES: Final = 8 * 1_048_576
_TRIAL_BYTES: Final = 2 * 1_048_576  # while nothing gets through: what is out of the queue has no bound there
_ENOUGH_SPANS: Final = 2 * BATCH_SPANS  # one to send, and one to begin with while the next ones are opened
_IDLE_S: Final = 1.0
_POLL_S: Final = 0.002
_PATIENCE_S: Final = 10.0
_STUCK_S: Final = 3.0


class SenderLane(Lane):
    """Delivers to a network or foreign exporter, in a daemon thread of its own that starts with the first span.

    At most `max_spans` of `max_bytes` wait for it, the oldest are dropped first. What the exporter wants to retry goes
    back to the front of that queue, so it is bounded like all else, and is sent again when `backoff` says so: half as
    many at a time after each failure, since they may be too many for the time a request has, twice as many after each
    success. The exporter is closed by that thread too, since closing may hang like anything else it does.

    Until something has been delivered, and while nothing can be sent, what waits before the lanes (`before`, in bytes)
    shares the bound: it is newer.
    """

    def __init__(
        self,
        exporter: Exporter,
        name: str,
        resource: Resource,
        quiet: Callable[[], AbstractContextManager[object]],
        max_spans: int = 100_000,
        max_bytes: int = 64 * 1_048_576,
        backoff: Callable[[], Backoff] = Backoff,
        before: Callable[[], int] = int,
    ) -> None:
        """Serve `exporter`; no thread yet."""
        super().__init__(exporter, name, resource)
        self._quiet = quiet
        self._before = before
        self._queue = Buffer(self.start, max_spans, max_bytes, before=self._bytes_before)
        self._new_backoff = backoff
        self._closes_exporter = True
        self._is_closed = self._is_done = False
        self._prepare()

    def _prepare(self) -> None:
        self._sending = 0
        self._sending_since = math.inf
        self._retried: Sequence[Span] = ()
        self._batch_spans = BATCH_SPANS
        self._backoff = self._new_backoff()
        self._failure = ""  # why the last attempt failed
        self._has_warned = False
        self._told_overflowed = 0
        self._sender = Attendant(self._queue, self._run, f"callspan-{self.name}", self._quiet)

    def reset(self) -> None:
        """Start over in a forked child."""
        super().reset()
        self._queue.reset()
        self._prepare()

    @property
    def lost(self) -> int:
        """Spans that will not arrive."""
        return self.counters.lost + self._queue.dropped

    @property
    def settled(self) -> int:
        """Spans whose fate is known."""
        return self.counters.settled + self._queue.dropped

    @property
    def overflowed(self) -> int:
        """Spans of `lost` that had to make room for newer ones."""
        return self._queue.dropped

    @property
    def waiting(self) -> int:
        """Spans taken over and not yet settled."""
        return self.pending + len(self._queue) + self._sending

    @property
    def waiting_bytes(self) -> int:
        """The bytes that wait, roughly."""
        return self._queue.waiting_bytes

    @property
    def keeps_up(self) -> bool:
        """Whether it has delivered, and the attempt that runs may do so again."""
        is_stuck = self._backoff.is_failing or time.monotonic() - self._sending_since >= _STUCK_S
        return self.counters.delivered > 0 and not is_stuck

    @property
    def has_enough(self) -> bool:
        """Whether it needs no more for now: unless it keeps up, what it tries with is enough."""
        if not self.keeps_up:
            return self.waiting > 0
        return len(self._queue) >= _ENOUGH_SPANS or self._queue.waiting_bytes >= _BATCH_BYTES

    @property
    def thread_id(self) -> int | None:
        """The sender's thread."""
        return self._sender.thread_id

    @property
    def trouble(self) -> str | None:
        """Why what waits could not be delivered yet; None when nothing is wrong."""
        return self._failure if self._backoff.is_failing else None

    # -- from outside ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """See to it that there is a sender; what cannot be sent for want of one is dropped."""
        if not self._sender.start():
            self._drop_queue("no thread")

    def put(self, spans: Sequence[Span]) -> None:
        """Queue the spans for the sender."""
        self.pending = 0
        if self._is_closed:
            self.drop(len(spans), "shutdown")
            return
        self._queue.share = self.share
        for span in spans:
            self._queue.offer(span)
        self._sender.ring()

    def hurry(self, *, is_last: bool = False) -> None:
        """Do not wait for the next attempt any longer."""
        if self._backoff.is_failing:
            self._backoff.hurry(is_last=is_last)
            self._sender.ring()

    def warn(self) -> None:
        """Warn once per outage that lasts, and of spans that were dropped for any other reason than one."""
        if self._backoff.failing_s >= _PATIENCE_S and not self._has_warned:
            self._has_warned = True
            message = f"exporter {self.name!r} cannot deliver ({self._failure}); spans are kept as far as they fit"
            guard.warn(f"outage {self.name}", message)
        elif self._has_warned and not self._backoff.is_failing:
            self._has_warned = False
            logger.info("exporter %r delivers again", self.name)
        overflowed = self.overflowed
        if overflowed > self._told_overflowed and not self._backoff.is_failing:
            self._told_overflowed = overflowed
            message = f"exporter {self.name!r} is too slow; the oldest {overflowed} spans were dropped"
            guard.warn(f"overflow {self.name}", message)

    def close(self, *, close_exporter: bool = True) -> None:
        """Drop what still waits, and let the sender close the exporter."""
        self._closes_exporter = close_exporter
        self._is_closed = True
        self._drop_queue("shutdown")
        if self._sender.start():
            self._sender.ring()
        else:  # nobody could be stopped from hanging
            self._is_done = True

    def wait_closed(self, deadline: float) -> None:
        """Wait until the sender has closed the exporter, until `time.monotonic()` is `deadline` at most."""
        while not self._is_done and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    # -- the sender ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        have_gevent_ready()
        while not self._is_closed:
            self._sender.wait(min(_IDLE_S, self._backoff.wait_s()) if self._must_retry() else _IDLE_S)
            while self._is_due() and not self._is_closed:
                self._send()
        self._drop_queue("shutdown")
        if self._closes_exporter and not self._is_done:
            self._close_exporter()
        self._is_done = True

    def _is_due(self) -> bool:
        return len(self._queue) > 0 and not self._backoff.wait_s()

    def _must_retry(self) -> bool:
        return self._backoff.is_failing and len(self._queue) > 0

    def _send(self) -> None:
        self._backoff.begin()
        if self._backoff.is_failing:
            self.counters.retries += 1
        batch = self._take()
        self._sending = len(batch)
        self._sending_since = time.monotonic()
        try:
            self._export(batch)
        finally:
            self._sending = 0
            self._sending_since = math.inf

    def _bytes_before(self) -> int:
        """Return what waits before this lane, unless it keeps up: then it has room for a burst of its own."""
        return 0 if self.keeps_up else self._before()

    def _take(self) -> list[Span]:
        return self._queue.take(self._batch_spans, _BATCH_BYTES if self.keeps_up else _TRIAL_BYTES)

    def _keep(self, spans: Sequence[Span], result: ExportResult, most: int, reason: str) -> int:
        """Put what is to be retried back to the front of the queue, in its order."""
        self._retried = again = _among(spans, result.retry)[-most:] if most else []
        if len(again) < len(spans):
            self._backoff.succeeded()
            self._batch_spans = min(self._batch_spans * 2, BATCH_SPANS)
        if again:
            self._failure = self.last_error = reason
            self._backoff.failed(result.retry_after_s)
            self._batch_spans = max(self._batch_spans // 2, 1)
            self._queue.put_back(again)
        return len(again)

    def _let_go(self) -> None:
        self._sending = 0

    def _drop_queue(self, reason: str) -> None:
        trouble = self.trouble
        while spans := self._queue.take(BATCH_SPANS):
            self.drop(len(spans), reason, trouble)


def _among(spans: Sequence[Span], chosen: object) -> list[Span]:
    """Return those of the spans that a plug-in names, each once and in their order; it may have named anything."""
    identities = set(map(id, chosen)) if isinstance(chosen, list | tuple) else ()
    return [span for span in spans if id(span) in identities]
