"""The pipeline: one buffer, one worker thread, one lane per exporter."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from callspan.exporters.contract import Exporter
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.content import strip_content
from callspan.pipeline.counters import Stats
from callspan.pipeline.lane import BATCH_SPANS, Lane, SenderLane, ring, start_thread
from callspan.pipeline.limits import limit
from callspan.pipeline.redaction import redact

_INTERVAL_S: Final = 0.5
_POLL_S: Final = (0.0005, 0.02)


@dataclass(frozen=True, slots=True)
class FlushResult:
    """`ok` when everything ended before the call was delivered; `remaining` spans were not settled by the deadline."""

    ok: bool
    remaining: int = 0
    errors: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Be true when it went well."""
        return self.ok


class Pipeline:
    """Takes sealed spans from any thread (`offer`) and sees to it that they reach the exporters.

    The worker thread starts with the first span, wakes twice a second or when enough waits, is started anew in a forked
    child and after it died. `quiet` is entered around everything it does, so that nothing of ours is traced.
    """

    def __init__(
        self,
        exporters: Sequence[Exporter],
        resource: Resource,
        *,
        capture_content: bool = True,
        quiet: Callable[[], Any] | None = None,
        every_interval: Callable[[], None] | None = None,
        max_spans: int = 100_000,
        max_bytes: int = 64 * 1_048_576,
    ) -> None:
        """Prepare; no thread is started and no exporter called before the first span."""
        self.lanes = [
            (Lane if exporter.local else SenderLane)(exporter, resource) for exporter in _named_apart(exporters)
        ]
        self.buffer = Buffer(self._attend, max_spans, max_bytes)
        self.offer = self.buffer.offer
        self._capture_content = capture_content
        self._quiet = quiet
        self._every_interval = every_interval
        self._is_closed = False
        self._prepare()
        if hasattr(os, "register_at_fork"):
            reference = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _restart(reference))

    def _prepare(self) -> None:
        self._bell = threading.Lock()
        self._bell.acquire()
        self._step_lock = threading.Lock()
        self._in_step = 0
        self._has_no_threads = False
        self._worker_id: int | None = None

    def after_fork(self) -> None:
        """Start over in a child: the parent still has, and delivers, what was waiting."""
        self.buffer.reset()
        for lane in self.lanes:
            lane.reset()
        self._prepare()

    # -- the worker ------------------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """See to it that somebody works; called by `offer`."""
        if self._is_closed:
            self.step()
            return
        if not self.buffer.awake and not self._has_no_threads:
            self.buffer.awake = True
            if not start_thread(self._run, "callspan-worker"):
                self._has_no_threads = True
                guard.warn("threads", "no thread can be started here; spans are delivered on the threads that make them")
        if self._has_no_threads:
            self.step()
        elif len(self.buffer) > 1:
            ring(self._bell)

    def _run(self) -> None:
        self._worker_id = threading.get_ident()
        buffer = self.buffer
        try:
            with self._quiet() if self._quiet is not None else _Nothing():
                while not self._is_closed:
                    self._bell.acquire(timeout=_INTERVAL_S)
                    self.step()
                    if self._every_interval is not None:
                        self._every_interval()
                    guard.log()
        except Exception as error:  # noqa: BLE001 - the next span starts a new worker
            guard.note("the worker", error)
        finally:
            if buffer is self.buffer:
                buffer.awake = False

    def step(self) -> None:
        """Deliver what waits. One thread at a time; a second one comes back at once, since the first will see to it."""
        if not self._step_lock.acquire(blocking=False):
            return
        try:
            while spans := self.buffer.take(BATCH_SPANS):
                self._in_step = len(spans)
                self._deliver(spans)
                self._in_step = 0
        finally:
            self._in_step = 0
            self._step_lock.release()

    def _deliver(self, spans: list[Span]) -> None:
        ready = [span for span in spans if self._make_ready(span)]
        lost = len(spans) - len(ready)
        for lane in self.lanes:
            if lost:
                lane.counters.dropped["unreadable"] += lost
            if ready:
                lane.put(ready)

    def _make_ready(self, span: Span) -> bool:
        try:
            span.open_facts()
            if not self._capture_content:
                strip_content(span)
            redact(span)
            limit(span)
        except Exception as error:  # noqa: BLE001 - counted as dropped, and the loop goes on
            guard.note("preparing a span", error)
            return False
        return True

    # -- from outside ----------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float, stall_s: float | None = None) -> FlushResult:
        """Wait until everything ended so far is settled, at most `timeout_s`; give up after `stall_s` without progress.

        Polls instead of waiting on a lock, so it may be called twice at once, from a signal handler and after a fork.
        From the worker's own thread it only says what is left.
        """
        start = last_progress = time.monotonic()
        target, settled, pause = self.buffer.offered, self._settled(), _POLL_S[0]
        failures = self._failures()
        while self._settled() < target:
            now = time.monotonic()
            if self._settled() > settled:
                settled, last_progress = self._settled(), now
            stalled = stall_s is not None and now - last_progress >= stall_s
            if now - start >= timeout_s or stalled or threading.get_ident() == self._worker_id:
                break
            self._nudge()
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_S[1])
        remaining = max(target - self._settled(), 0)
        errors = [f"{lane.name}: {lane.last_error}" for lane in self.lanes if lane.last_error is not None]
        return FlushResult(ok=not remaining and self._failures() == failures, remaining=remaining, errors=errors)

    def _nudge(self) -> None:
        if len(self.buffer):
            if self.buffer.awake:
                ring(self._bell)
            else:
                self._attend()

    def _settled(self) -> int:
        """Spans that every lane is done with."""
        return min((lane.counters.settled for lane in self.lanes), default=self.buffer.taken) + self.buffer.dropped

    def _failures(self) -> int:
        return sum(lane.counters.settled - lane.counters.delivered for lane in self.lanes) + self.buffer.dropped

    def close(self, timeout_s: float, stall_s: float | None = None) -> FlushResult:
        """Flush, stop the worker and close the exporters. Spans that end later are delivered where they end."""
        result = self.flush(timeout_s, stall_s)
        self._is_closed = True
        ring(self._bell)
        for lane in self.lanes:
            lane.close()
        return result

    def stats(self) -> dict[str, Stats]:
        """Return the counts per exporter."""
        buffer = self.buffer
        return {
            lane.name: {
                "ended": buffer.offered,
                "adopted": 0,
                "delivered": lane.counters.delivered,
                "rejected": lane.counters.rejected,
                "dropped": _sum(lane.counters.dropped, {"queue full": buffer.dropped}),
                "buffered": len(buffer) + self._in_step + lane.waiting,
                "spooled": 0,
                "retries": lane.counters.retries,
                "suspicious": lane.counters.suspicious,
            }
            for lane in self.lanes
        }


class _Nothing:
    """A block that does nothing."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


def _restart(reference: weakref.ref[Pipeline]) -> None:
    pipeline = reference()
    if pipeline is not None:
        pipeline.after_fork()


def _sum(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {key: count for key in {**first, **second} if (count := first.get(key, 0) + second.get(key, 0))}


def _named_apart(exporters: Sequence[Exporter]) -> Sequence[Exporter]:
    """Number exporters of the same name, since counters and positions go by name."""
    seen: dict[str, int] = {}
    for exporter in exporters:
        seen[exporter.name] = seen.get(exporter.name, 0) + 1
        if seen[exporter.name] > 1:
            exporter.name = f"{exporter.name}-{seen[exporter.name]}"
    return exporters
