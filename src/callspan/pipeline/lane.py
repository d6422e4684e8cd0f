"""One exporter's way: its own position, batch, counters and fate; a dead one does not delay another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from callspan.exporters.contract import Batch, Exporter, ExportResult
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.counters import Counters
from callspan.pipeline.threads import Attendant

BATCH_SPANS: Final = 512
_IDLE_S: Final = 1.0
_POLL_S: Final = 0.002


class Lane:
    """Delivers to a local exporter, in the thread that prepared the spans: the worker."""

    def __init__(self, exporter: Exporter, name: str, resource: Resource) -> None:
        """Serve `exporter`; `name` is what its counts are found under."""
        self.exporter = exporter
        self.name = name
        self.counters = Counters()
        self.last_error: str | None = None
        self.told_lost = 0  # lost spans that a flush has reported already
        self.pending = 0  # spans that the worker has at hand for this lane
        self._resource = resource

    @property
    def lost(self) -> int:
        """Spans that will not arrive."""
        return self.counters.lost

    @property
    def settled(self) -> int:
        """Spans whose fate is known."""
        return self.counters.settled

    @property
    def overflowed(self) -> int:
        """Spans of `lost` that had to make room for newer ones."""
        return 0

    @property
    def waiting(self) -> int:
        """Spans taken over and not yet settled."""
        return self.pending

    @property
    def thread_id(self) -> int | None:
        """The sender's thread, where there is one."""
        return None

    def start(self) -> None:
        """Start what `put` needs."""

    def put(self, spans: Sequence[Span]) -> None:
        """Deliver the spans."""
        self._export(spans)

    def drop(self, count: int, reason: str, error: str | None = None) -> None:
        """Count spans that will not be delivered; `error` says more about it than the reason they are counted under."""
        if count:
            self.last_error = error or reason  # first: whoever waits for the count asks for it
            self.counters.drop(count, reason)

    def drop_pending(self, count: int, reason: str) -> None:
        """Count spans that the worker has at hand and that will not be delivered."""
        self.pending -= count
        self.drop(count, reason)

    def _let_go(self) -> None:
        """Have nothing at hand any more. Before it is counted: whoever waits for the count finds the books balanced."""
        self.pending = 0

    def _export(self, spans: Sequence[Span]) -> None:
        try:
            result = self.exporter.export(Batch(spans, self._resource))
        except BaseException as error:  # a plug-in may do anything but take its thread along
            self._let_go()
            self.drop(len(spans), "exporter error", f"{type(error).__name__} in export")
            if isinstance(error, KeyboardInterrupt):  # that is for the user, on whose thread this happens
                raise
            guard.warn(f"exporter {self.name}", f"exporter {self.name!r} raised {type(error).__name__}; spans dropped")
        else:
            self._let_go()
            self._settle(len(spans), result)

    def _settle(self, count: int, result: Any) -> None:
        """Count what the exporter says became of `count` spans, never more than there were."""
        if not isinstance(result, ExportResult):
            self.drop(count, "exporter answer", f"export returned {type(result).__name__}, not an ExportResult")
            return
        delivered = min(_whole(result.delivered), count)
        rejected = min(_whole(result.rejected), count - delivered)
        reason = result.reason if isinstance(result.reason, str) and result.reason else "not delivered"
        if delivered < count:
            self.last_error = reason
        self.counters.suspicious += _whole(result.suspicious)
        self.counters.rejected += rejected
        self.drop(count - delivered - rejected, reason)
        self.counters.delivered += delivered
        if delivered < count:
            guard.warn(
                f"exporter {self.name}", f"exporter {self.name!r} did not deliver {count - delivered} spans: {reason}"
            )

    def reset(self) -> None:
        """Start over in a forked child."""
        self.counters = Counters()
        self.last_error = None
        self.told_lost = self.pending = 0

    def close(self, *, close_exporter: bool = True) -> None:
        """Take nothing more, and close the exporter unless somebody else goes on using it."""
        if close_exporter:
            self._close_exporter()

    def wait_closed(self, deadline: float) -> None:
        """Wait until it is closed, until `time.monotonic()` is `deadline` at most."""

    def _close_exporter(self) -> None:
        try:
            self.exporter.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may do anything
            guard.warn(f"exporter {self.name}", f"exporter {self.name!r} raised {type(error).__name__} when closed")


class SenderLane(Lane):
    """Delivers to a network or foreign exporter, in a daemon thread of its own that starts with the first span.

    At most `max_spans` of `max_bytes` wait for it, the oldest are dropped first. The exporter is closed by that thread
    too, since closing may hang like anything else it does.
    """

    def __init__(
        self,
        exporter: Exporter,
        name: str,
        resource: Resource,
        quiet: Callable[[], AbstractContextManager[object]],
        max_spans: int = 100_000,
        max_bytes: int = 64 * 1_048_576,
    ) -> None:
        """Serve `exporter`; no thread yet."""
        super().__init__(exporter, name, resource)
        self._quiet = quiet
        self._queue = Buffer(self.start, max_spans, max_bytes)
        self._closes_exporter = True
        self._is_closed = self._is_done = False
        self._prepare()

    def _prepare(self) -> None:
        self._sending = 0
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
    def thread_id(self) -> int | None:
        """The sender's thread."""
        return self._sender.thread_id

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
        for span in spans:
            self._queue.offer(span)
        self._sender.ring()

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

    def _run(self) -> None:
        while not self._is_closed:
            self._sender.wait(_IDLE_S)
            while len(self._queue) and not self._is_closed:
                self._send()
        self._drop_queue("shutdown")
        if self._closes_exporter and not self._is_done:
            self._close_exporter()
        self._is_done = True

    def _send(self) -> None:
        batch = self._queue.take(BATCH_SPANS)
        self._sending = len(batch)
        try:
            self._export(batch)
        finally:
            self._sending = 0

    def _let_go(self) -> None:
        self._sending = 0

    def _drop_queue(self, reason: str) -> None:
        while spans := self._queue.take(BATCH_SPANS):
            self.drop(len(spans), reason)


def _whole(value: Any) -> int:
    """Return what a plug-in gave as a count; 0 for what is none."""
    return value if type(value) is int and value > 0 else 0
