"""The pipeline: one buffer, one worker thread, one lane per exporter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Final

from callspan.exporters.contract import Exporter
from callspan.forks import forks
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.counters import FlushResult, Stats, balanced
from callspan.pipeline.lane import BATCH_SPANS
from callspan.pipeline.lanes import Lanes
from callspan.pipeline.limits import Limiter
from callspan.pipeline.measuring import Measuring
from callspan.pipeline.metrics import Metrics
from callspan.pipeline.pacing import Pacing
from callspan.pipeline.processors import process
from callspan.pipeline.progress import Progress
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.repeats import Repeats
from callspan.pipeline.sharing import look
from callspan.pipeline.sizes import added_by_opening
from callspan.pipeline.spool.settings import SpoolSettings
from callspan.pipeline.threads import Attendant, is_loading
from callspan.policy import Processor

_BATCH_BYTES: Final = (1_048_576, 4 * 1_048_576)  # out of the queue's bound at a time: while it is tight, and else
_INTERVAL_S: Final = 0.5
_INLINE_S: Final = 0.1  # what delivery may cost a thread of the user's where there is no worker
_GRACE_S: Final = 0.25  # for closing, beyond the deadline
_ROUND_S: Final = 1.0  # after which the worker sees to everything else, however much waits
_POLL_S: Final = (0.0005, 0.02)


class Pipeline:
    """Takes sealed spans from any thread (`offer`) and sees to it that they reach the exporters.

    The worker thread starts with the first span, wakes twice a second or when enough waits, is started anew in a forked
    child and after it died. Where no thread can be had, and after `close`, spans are delivered where they end. `quiet`
    is entered around all that, so that nothing of ours is traced.
    """

    def __init__(
        self,
        exporters: Sequence[Exporter],
        resource: Resource,
        *,
        gate: Gate | None = None,
        limiter: Limiter | None = None,
        processors: Sequence[Processor] = (),
        measures: Sequence[Callable[[Span], object]] = (),
        metrics: Metrics | None = None,
        measuring: Measuring | None = None,
        quiet: Callable[[], AbstractContextManager[object]] = nullcontext,
        every_interval: Callable[[], None] | None = None,
        max_spans: int = 100_000,
        max_bytes: int = 64 * 1_048_576,
        spool: SpoolSettings | None = None,
    ) -> None:
        """Prepare; no thread is started, no exporter called and no spool touched before the first span."""
        self._gate = gate or Gate()
        self._limiter = limiter or Limiter()
        self._processors = tuple(processors)
        self._measures = tuple(measures)
        self._metrics = metrics
        self._measuring = measuring
        if measuring is not None:
            measuring.attend = self._attend
        clean = self._gate.clean_resource(resource)
        self.buffer = Buffer(self._attend, max_spans, max_bytes, look=look)
        before = partial(getattr, self.buffer, "waiting_bytes")
        self.lanes = Lanes(exporters, clean, quiet, max_spans, max_bytes, spool, self._gate, before)
        self.offer = self.buffer.offer
        self._quiet = quiet
        self._every_interval = every_interval
        self._repeats = Repeats()
        self._is_closed = self._is_leaving = False
        self._prepare()
        forks.watch(self)

    def _prepare(self) -> None:
        self._worker = Attendant(self.buffer, self._work, "callspan-worker", self._quiet)
        self._pacing = Pacing(self.buffer, self.lanes, self._metrics, self._worker.rest)
        self._step_lock = threading.Lock()
        self._stepping_id: int | None = None
        self._told_dropped = 0

    # -- around a fork ---------------------------------------------------------------------------------------------

    def before_fork(self, deadline: float) -> None:
        """Wait until no thread of ours imports anything; what is imported rarely does not keep forks off by itself."""
        while any(map(is_loading, self._thread_ids())) and time.monotonic() < deadline:
            time.sleep(_POLL_S[0])

    def after_fork(self) -> None:
        """Start over in a child: the parent still has, and delivers, what was waiting."""
        self.buffer.reset()
        self.lanes.reset()
        if self._measuring is not None:
            self._measuring.reset()
        self._prepare()

    # -- the worker ------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Only collect, until `release`."""
        self.buffer.awake = True

    def release(self) -> None:
        """Deliver from now on."""
        self.buffer.awake = False
        if len(self.buffer):
            self._attend()

    def _attend(self) -> None:
        """See to it that somebody works; called by `offer`."""
        try:
            if self._is_closed or not self._has_worker():
                self.step(_INLINE_S)
            elif len(self.buffer) > 1:
                self._worker.ring()
        except RecursionError:  # the user's stack is nearly full; the span waits for the next one that ends
            return
        except Exception as error:  # noqa: BLE001 - we are on the user's thread
            guard.note("handing a span over", error)

    def _has_worker(self) -> bool:
        if self.buffer.awake:
            return True
        if not self._worker.start():
            guard.warn("threads", "no thread can be started here; spans are delivered on the threads that make them")
            return False
        self.lanes.start()  # now, since a worker that is late could not start them while the interpreter ends
        return True

    def _work(self) -> None:
        while not self._is_closed:
            self._worker.wait(_INTERVAL_S)
            self.step(_ROUND_S)
            self._measure()
            self._tend_spool()
            if self._every_interval is not None:
                self._every_interval()
            self._warn_of_overflow()
            self.lanes.warn()
            guard.log()

    def _measure(self) -> None:
        if self._measuring is not None:
            self._measuring.record()

    def _warn_of_overflow(self) -> None:
        """Warn of what was dropped, unless there is a lane that has a better reason to give."""
        dropped = self.buffer.dropped
        if dropped > self._told_dropped and not self.lanes.is_in_trouble:
            self._told_dropped = dropped
            guard.warn("queue full", f"spans end faster than they are delivered; the oldest {dropped} were dropped")

    def step(self, budget_s: float | None = None) -> None:
        """Deliver what waits, for about `budget_s` seconds; by default, all.

        One thread at a time: a second one comes back at once, and the first looks again before it leaves.
        """
        until = None if budget_s is None else time.monotonic() + budget_s
        lock = self._step_lock  # in a child that is forked in here, there will be another one
        while len(self.buffer) and lock.acquire(blocking=False):
            try:
                self._stepping_id = threading.get_ident()
                with self._quiet():
                    self._deliver_until(until)
            finally:
                self._stepping_id = None
                lock.release()
            if until is not None and time.monotonic() >= until:
                return

    def _deliver_until(self, until: float | None) -> None:
        buffer = self.buffer  # what is out of it and in no lane is in nobody's books: so first it is asked for
        while self._is_asked_for_more() and (spans := buffer.take(BATCH_SPANS, _BATCH_BYTES[buffer.spare_bytes > 0])):
            self.lanes.deliver(spans, self._make_ready, self._accept if self._processors else None)
            self.lanes.tell_room(self.buffer)
            if until is not None and time.monotonic() >= until:
                self._worker.ring()
                return

    def _is_asked_for_more(self) -> bool:
        """On our own thread, wait for senders that have enough; return whether they want more."""
        return threading.get_ident() != self._worker.thread_id or self._pacing.wants_more(lambda: self._is_closed)

    def _make_ready(self, span: Span) -> bool:
        try:
            span.open_facts()
            self._repeats.check(span)
            for measure in self._measures:
                measure(span)
            self._gate.clean(span)
            self._limiter.limit(span)
            span.size += added_by_opening(span)
            if self._metrics is not None:
                self._metrics.record(span)
        except Exception as error:  # noqa: BLE001 - counted as dropped, and the loop goes on
            guard.note("preparing a span", error)
            return False
        return True

    def _accept(self, span: Span) -> bool:
        """Let the processors see a span; what they wrote passes the gate, too."""
        return process(span, self._processors) and self._gate.lets_pass(span)

    def _tend_spool(self) -> None:
        """Tidy the spool up, unless another thread is delivering just now."""
        spool, lock = self.lanes.spool, self._step_lock
        if spool is not None and lock.acquire(blocking=False):
            try:
                spool.tend()
            finally:
                lock.release()

    # -- from outside ----------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float, stall_s: float | None = None) -> FlushResult:
        """Wait as `settle` does, and say what was lost since the last flush."""
        remaining = self.settle(timeout_s, stall_s)
        self._measure()
        errors = self.lanes.tell(self.buffer.dropped, remaining)
        return FlushResult(ok=not remaining and not errors, remaining=remaining, errors=errors)

    def settle(self, timeout_s: float, stall_s: float | None = None) -> int:
        """Wait until everything ended so far is settled, at most `timeout_s`; give up after `stall_s` without progress.

        Return how many spans are left. Polls instead of waiting on a lock, so it may be called twice at once, from a
        signal handler and after a fork. On a thread that is itself delivering, as in an exporter, it does not wait.
        """
        if threading.get_ident() not in self._thread_ids():  # else each attempt could ask for the next one
            self.lanes.hurry()
        start = time.monotonic()
        target, progress, pause = self.buffer.offered, Progress(self.lanes, self.buffer, start), _POLL_S[0]
        while self._settled() < min(target, self.buffer.offered):  # fewer were offered after a fork
            now = time.monotonic()
            stalled_s = progress.stalled_s(now, is_loading=any(map(is_loading, self._thread_ids())))
            is_stalled = stall_s is not None and stalled_s >= stall_s
            if is_stalled or now - start >= timeout_s or threading.get_ident() in self._thread_ids():
                break
            self._nudge()
            time.sleep(min(pause, max(start + timeout_s - now, 0)))
            pause = min(pause * 1.5, _POLL_S[1])
        return max(min(target, self.buffer.offered) - self._settled(), 0)

    def _nudge(self) -> None:
        if len(self.buffer):
            see_to_it = self._worker.ring if self.buffer.awake else self._attend
            see_to_it()

    def _thread_ids(self) -> Iterator[int | None]:
        """Name the threads that deliver; the first may be one of the user's."""
        yield self._stepping_id
        yield self._worker.thread_id
        yield from self.lanes.thread_ids()

    def _settled(self) -> int:
        """Spans that are delivered, or will never be."""
        return self.lanes.settled + self.buffer.dropped

    @property
    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._is_closed

    def close(self, timeout_s: float, stall_s: float | None = None, keep: Collection[Exporter] = ()) -> FlushResult:
        """Flush, stop the worker and close the exporters except those to `keep`.

        Spans that end later are delivered where they end, by the local exporters; for the others they are dropped.
        """
        deadline = time.monotonic() + timeout_s
        self._is_leaving = True
        self.lanes.hurry(is_last=True)
        result = self.flush(timeout_s, stall_s)
        if self._is_closed:
            return result
        self._is_closed = True
        self.buffer.awake = False  # who ends a span from here on sees to it himself
        self._worker.ring()
        self._hand_over_the_rest(is_away=result.remaining > 0)
        now = time.monotonic()
        deadline = now if stall_s is not None else max(deadline, now)
        self._close_local(keep, deadline + _GRACE_S)
        self.lanes.close_senders(keep, deadline + 2 * _GRACE_S)
        self._close_spool()
        guard.log()
        if result.remaining:
            why = f" ({'; '.join(result.errors)})" if result.errors else ""
            kept = "; what is in the spool waits there" if self.lanes.spool is not None else ""
            guard.warn(
                "closing", f"{result.remaining} spans were not delivered in time{why}{kept}; see callspan.stats()"
            )
        return result

    def _hand_over_the_rest(self, *, is_away: bool) -> None:
        """Let the lanes have what waits; where they send to somebody who is away and want no more, only count it."""
        if not (is_away and self.lanes.have_enough):
            self.step(_INLINE_S)
            return
        spans = self.buffer.take(len(self.buffer))
        for lane in self.lanes:
            lane.drop(len(spans), "shutdown", lane.trouble)

    def _close_spool(self) -> None:
        """Let go of the spool, unless the worker still writes and does not stop: the end of the process does, then."""
        spool, lock = self.lanes.spool, self._step_lock
        if spool is not None and self._stepping_id != threading.get_ident() and lock.acquire(timeout=_GRACE_S):
            try:
                spool.close()
            finally:
                lock.release()

    def _close_local(self, keep: Collection[Exporter], deadline: float) -> None:
        """Close what the worker writes to, unless it is still writing and does not stop."""
        lock = self._step_lock
        if not self.lanes.has_local or self._stepping_id == threading.get_ident():
            return
        if not lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return
        try:
            self.lanes.close_local(keep)
        finally:
            lock.release()

    def stats(self) -> dict[str, Stats]:
        """Return the counts per exporter."""
        return balanced(lambda: self.lanes.stats(self.buffer), self._thread_ids())
