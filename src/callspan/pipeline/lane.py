"""One exporter's way: its own position, batch, counters and fate; a dead one does not delay another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from callspan.exporters.contract import Batch, Exporter, ExportResult
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.content import without_content
from callspan.pipeline.counters import Counters, Stats
from callspan.pipeline.processors import REFUSED
from callspan.policy import content_level

BATCH_SPANS: Final = 512


class Lane:
    """Delivers to a local exporter, in the thread that prepared the spans: the worker.

    A disk that does not take a span now is not asked again: what is to be retried is dropped here.
    """

    def __init__(self, exporter: Exporter, name: str, resource: Resource) -> None:
        """Serve `exporter`; `name` is what its counts are found under."""
        self.exporter = exporter
        self._content = content_level(f"{name}.capture_content", getattr(exporter, "capture_content", True))
        self.name = name
        self.counters = Counters()
        self.last_error: str | None = None
        self.told_lost = 0  # lost spans that a flush has reported already
        self.pending = 0  # spans that the worker has at hand for this lane
        self.share = 1.0  # the part of what its spans count that nobody else holds
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
    def waiting_bytes(self) -> int:
        """The bytes of spans taken over that wait, roughly."""
        return 0

    @property
    def keeps_up(self) -> bool:
        """Whether it has delivered, and is not known to have stopped."""
        return self.counters.delivered > 0

    @property
    def has_enough(self) -> bool:
        """Whether it needs no more for now."""
        return False

    @property
    def adopted(self) -> int:
        """Spans taken over from the spools of processes that have ended."""
        return 0

    @property
    def spooled(self) -> int:
        """Spans that are safe on the disk and not settled."""
        return 0

    @property
    def thread_id(self) -> int | None:
        """The sender's thread, where there is one."""
        return None

    @property
    def trouble(self) -> str | None:
        """Why what waits could not be delivered yet; None when nothing is wrong."""
        return None

    def start(self) -> None:
        """Start what `put` needs."""

    def hurry(self, *, is_last: bool = False) -> None:
        """Try now, since somebody waits for it; `is_last` when what is not delivered soon is dropped."""

    def warn(self) -> None:
        """Warn of what goes wrong for long; called by the worker, twice a second."""

    def put(self, spans: Sequence[Span]) -> None:
        """Deliver the spans."""
        self._export(spans)

    def drop(self, count: int, reason: str, error: str | None = None) -> None:
        """Count spans that will not be delivered; `error` says more about it than the reason they are counted under."""
        if count:
            self.last_error = error or reason  # first: whoever waits for the count asks for it
            self.counters.drop(count, reason)

    def refuse(self, count: int) -> None:
        """Count spans that a processor of the user's refused, which is no loss that anybody has to be told of."""
        if count:
            self.pending -= count
            self.told_lost += count
            self.counters.drop(count, REFUSED)

    def drop_pending(self, count: int, reason: str) -> None:
        """Count spans that the worker has at hand and that will not be delivered."""
        self.pending -= count
        self.drop(count, reason)

    def stats(self, ended: int, queued: int, overflowed: int = 0) -> Stats:
        """Return the counts; of all spans that `ended`, some never came here: those `queued` and those `overflowed`."""
        counters, overflowed = self.counters, overflowed + self.overflowed
        dropped = {**counters.dropped}
        if overflowed:
            dropped["queue full"] = dropped.get("queue full", 0) + overflowed
        return {
            "ended": ended,
            "adopted": self.adopted,
            "delivered": counters.delivered,
            "rejected": counters.rejected,
            "dropped": dropped,
            "buffered": queued + self.waiting,
            "spooled": self.spooled,
            "retries": counters.retries,
            "suspicious": counters.suspicious,
        }

    def _let_go(self) -> None:
        """Have nothing at hand any more. Before it is counted: whoever waits for the count finds the books balanced."""
        self.pending = 0

    def _export(self, spans: Sequence[Span]) -> None:
        try:
            result = self.exporter.export(Batch(self._shown(spans), self._resource))
        except BaseException as error:  # a plug-in may do anything but take its thread along
            self._let_go()
            self.drop(len(spans), "exporter error", f"{type(error).__name__} in export")
            if isinstance(error, KeyboardInterrupt):  # that is for the user, on whose thread this happens
                raise
            guard.warn(f"exporter {self.name}", f"exporter {self.name!r} raised {type(error).__name__}; spans dropped")
        else:
            self._settle(spans, result)

    def _shown(self, spans: Sequence[Span]) -> Sequence[Span]:
        """Return the spans as this exporter may see them, where it is to get less of their content than others."""
        level = self._content
        return spans if level == "full" else [without_content(span, level) for span in spans]

    def _settle(self, spans: Sequence[Span], result: Any) -> None:
        """Count what the exporter says became of the spans, never more than there were."""
        count = len(spans)
        if not isinstance(result, ExportResult):
            self._let_go()
            self.drop(count, "exporter answer", f"export returned {type(result).__name__}, not an ExportResult")
            return
        delivered = min(_whole(result.delivered), count)
        rejected = min(_whole(result.rejected), count - delivered)
        reason = result.reason if isinstance(result.reason, str) and result.reason else "not delivered"
        lost = count - delivered - self._keep(spans, result, count - delivered - rejected, reason)
        self._let_go()
        if lost:
            self.last_error = reason
        self.counters.suspicious += _whole(result.suspicious)
        self.counters.rejected += rejected
        self.drop(lost - rejected, reason)
        self.counters.delivered += delivered
        if lost:
            guard.warn(f"exporter {self.name}", f"exporter {self.name!r} did not deliver {lost} spans: {reason}")

    def _keep(self, spans: Sequence[Span], result: ExportResult, most: int, reason: str) -> int:  # noqa: ARG002 - here, none
        """Keep what is to be delivered later, `most` spans at most; return how many that are."""
        return 0

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


def _whole(value: Any) -> int:
    """Return what a plug-in gave as a count; 0 for what is none."""
    return value if type(value) is int and value > 0 else 0
