"""One exporter's way: its own position, batch, counters and fate; a dead one does not delay another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from callspan.exporters.contract import Batch, Exporter, ExportResult
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.counters import Counters

BATCH_SPANS: Final = 512
_IDLE_S: Final = 0.2


class Lane:
    """Delivers to a local exporter, in the worker's own thread."""

    def __init__(self, exporter: Exporter, resource: Resource) -> None:
        """Serve `exporter`."""
        self.exporter = exporter
        self.name = exporter.name
        self.counters = Counters()
        self.last_error: str | None = None
        self._resource = resource

    @property
    def waiting(self) -> int:
        """Spans taken over and not yet settled."""
        return 0

    def put(self, spans: Sequence[Span]) -> None:
        """Deliver the spans."""
        self._export(spans)

    def _export(self, spans: Sequence[Span]) -> None:
        counters = self.counters
        try:
            result = self.exporter.export(Batch(spans, self._resource))
            self._settle(len(spans), result)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may do anything but take the worker along
            counters.dropped["exporter error"] += len(spans)
            self.last_error = f"{type(error).__name__} in export"
            guard.warn(f"exporter {self.name}", f"exporter {self.name!r} raised {type(error).__name__}; spans dropped")

    def _settle(self, count: int, result: Any) -> None:
        counters = self.counters
        if not isinstance(result, ExportResult):
            counters.dropped["exporter answer"] += count
            self.last_error = f"export returned {type(result).__name__}, not an ExportResult"
            return
        delivered = min(max(result.delivered, 0), count)
        counters.delivered += delivered
        counters.suspicious += result.suspicious
        lost = count - delivered
        if lost:
            rejected = min(max(result.rejected, 0), lost)
            counters.rejected += rejected
            if lost > rejected:
                counters.dropped[result.reason or "not delivered"] += lost - rejected
            self.last_error = result.reason or "not delivered"

    def reset(self) -> None:
        """Start over in a forked child."""
        self.counters = Counters()

    def close(self) -> None:
        """Close the exporter."""
        try:
            self.exporter.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001
            guard.note(f"closing exporter {self.name}", error)


class SenderLane(Lane):
    """Delivers to a network or foreign exporter, in a daemon thread of its own that starts with the first span."""

    def __init__(self, exporter: Exporter, resource: Resource, max_spans: int = 100_000) -> None:
        """Serve `exporter`; at most `max_spans` wait for it, the oldest are dropped first."""
        super().__init__(exporter, resource)
        self._max_spans = max_spans
        self.reset()

    def reset(self) -> None:
        """Start over in a forked child."""
        super().reset()
        self._spans: deque[Span] = deque()
        self._sending = 0
        self._alive = False
        self._bell = threading.Lock()
        self._bell.acquire()

    @property
    def waiting(self) -> int:
        """Spans taken over and not yet settled."""
        return len(self._spans) + self._sending

    def put(self, spans: Sequence[Span]) -> None:
        """Queue the spans for the sender."""
        self._spans.extend(spans)
        while len(self._spans) > self._max_spans:
            self._spans.popleft()
            self.counters.dropped["queue full"] += 1
        if not self._alive:
            self._alive = start_thread(self._run, f"callspan-{self.name}")
        ring(self._bell)

    def _run(self) -> None:
        try:
            while True:
                self._bell.acquire(timeout=_IDLE_S)
                while self._spans:
                    self._send()
        finally:
            self._alive = False

    def _send(self) -> None:
        batch = []
        while self._spans and len(batch) < BATCH_SPANS:
            batch.append(self._spans.popleft())
        self._sending = len(batch)
        try:
            self._export(batch)
        finally:
            self._sending = 0


def ring(bell: threading.Lock) -> None:
    """Wake whoever waits for `bell`, a lock held by nobody in particular. Atomic, so safe in a signal handler."""
    try:
        bell.release()
    except RuntimeError:  # it rings already
        return


def start_thread(run: Callable[[], None], name: str) -> bool:
    """Start a daemon thread; False where no thread can be had, as at interpreter shutdown."""
    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError:
        return False
    return True
