"""All lanes of a pipeline: what goes to each exporter, and what they are done with together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager

from callspan.exporters.contract import Exporter
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.counters import Stats
from callspan.pipeline.lane import Lane
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.sender import SenderLane
from callspan.pipeline.sharing import held, sample, share, shared_bytes
from callspan.pipeline.spool.durable import DurableLane
from callspan.pipeline.spool.settings import SpoolSettings
from callspan.pipeline.spool.spool import Spool


class Lanes:
    """One lane per exporter, in the order in which the exporters were given."""

    def __init__(
        self,
        exporters: Sequence[Exporter],
        resource: Resource,
        quiet: Callable[[], AbstractContextManager[object]],
        max_spans: int,
        max_bytes: int,
        spool: SpoolSettings | None = None,
        gate: Gate | None = None,
        before: Callable[[], int] = int,
    ) -> None:
        """Give local exporters a plain lane, all others one with a sender thread, and with a `spool` if there is one.

        What comes back from the spool passes the `gate`. `before` tells the bytes that wait for all lanes.
        """
        gate = gate or Gate()
        self._max_bytes = max_bytes
        self._share = 1.0

        def lane(exporter: Exporter, name: str) -> Lane:
            if getattr(exporter, "local", False):
                return Lane(exporter, name, resource)
            if spool is None or not getattr(exporter, "durable", True):
                return SenderLane(exporter, name, resource, quiet, max_spans, max_bytes, before=before)
            return DurableLane(exporter, name, resource, quiet, gate.lets_pass, max_spans, max_bytes)

        self._lanes = [lane(exporter, name) for name, exporter in named(exporters)]
        durable = [lane for lane in self._lanes if isinstance(lane, DurableLane)]
        self.spool = Spool(spool, resource, durable, gate) if spool is not None and durable else None
        if spool is not None and not durable:
            guard.warn("spool", "spool_dir has no use here: no exporter sends over the network, so nothing is spooled")
        # Those that only queue come first: a disk that hangs does not keep spans from the network.
        self._in_order = sorted(self._lanes, key=lambda lane: not isinstance(lane, SenderLane))

    def __iter__(self) -> Iterator[Lane]:
        """Go through the lanes."""
        return iter(self._lanes)

    def deliver(
        self, spans: list[Span], make_ready: Callable[[Span], bool], accept: Callable[[Span], bool] | None = None
    ) -> None:
        """Prepare the spans and put those that are accepted on every lane.

        Whatever ends this thread, they are accounted for.
        """
        unserved = self._in_order[::-1]
        for lane in unserved:
            lane.pending = len(spans)
        try:
            some = sample(spans)
            shared = sum(map(shared_bytes, some))
            self._share = held(some) or self._share
            ready = [span for span in spans if make_ready(span)]
            unreadable = len(spans) - len(ready)
            if accept is not None:
                ready = [span for span in ready if accept(span)]
            share_opened = share(some, shared)
            if self.spool is not None:
                self.spool.store(ready)
            while unserved:
                lane = unserved.pop()
                lane.drop_pending(unreadable, "unreadable")
                lane.refuse(len(spans) - unreadable - len(ready))
                lane.share = share_opened or lane.share
                if ready:
                    lane.put(ready)
        except BaseException:
            for lane in unserved:
                lane.drop_pending(len(spans), "worker died")
            raise

    @property
    def have_enough(self) -> bool:
        """Whether no lane is idle soon, and none waits to make spans safe: those of disks take all at once."""
        return self.spool is None and all(lane.has_enough for lane in self._lanes)

    def tell_room(self, buffer: Buffer) -> None:
        """Tell the queue before the lanes how much of its spans others hold, and what the lanes leave of their bound.

        They leave something while all of them keep up; nothing as soon as one does not.
        """
        buffer.learn(self._share)
        left = self._max_bytes - max(lane.waiting_bytes for lane in self._lanes)
        buffer.spare_bytes = max(left, 0) if all(lane.keeps_up for lane in self._lanes) else 0

    def stats(self, buffer: Buffer) -> dict[str, Stats]:
        """Return the counts per lane, where `buffer` is the queue before them."""
        return {lane.name: lane.stats(buffer.offered, len(buffer), buffer.dropped) for lane in self._lanes}

    @property
    def settled(self) -> int:
        """Spans that every lane is done with."""
        return min(lane.settled for lane in self._lanes)

    @property
    def moved(self) -> int:
        """Grows whenever a lane is done with anything, other than that it had no room for it."""
        return sum(lane.settled - lane.overflowed for lane in self._lanes)

    @property
    def is_in_trouble(self) -> bool:
        """Whether one of them could not deliver when it last tried."""
        return any(lane.trouble is not None for lane in self._lanes)

    @property
    def has_local(self) -> bool:
        """Whether the worker writes to any exporter itself."""
        return any(not isinstance(lane, SenderLane) for lane in self._lanes)

    def thread_ids(self) -> Iterator[int | None]:
        """Name the senders' threads."""
        for lane in self._lanes:
            yield lane.thread_id

    def tell(self, overflowed: int, remaining: int) -> list[str]:
        """Say what is wrong, one line per lane: why spans were lost since this was last asked, or why some remain.

        `overflowed` spans never reached a lane.
        """
        errors = []
        for lane in self._lanes:
            lost = lane.lost + overflowed
            if lost > lane.told_lost:
                lane.told_lost = lost
                errors.append(f"{lane.name}: {lane.last_error or 'queue full'}")
            elif remaining and lane.trouble is not None:
                errors.append(f"{lane.name}: {lane.trouble}")
        return errors

    def hurry(self, *, is_last: bool = False) -> None:
        """Try now what was to be tried later."""
        for lane in self._lanes:
            lane.hurry(is_last=is_last)

    def warn(self) -> None:
        """Warn of lanes that have been in trouble for long."""
        for lane in self._lanes:
            lane.warn()

    def start(self) -> None:
        """Start the senders."""
        for lane in self._lanes:
            lane.start()

    def reset(self) -> None:
        """Start over in a forked child."""
        for lane in self._lanes:
            lane.reset()
        if self.spool is not None:
            self.spool.reset()

    def close_local(self, keep: Collection[Exporter]) -> None:
        """Close the local exporters but those to `keep`; nobody may be delivering to them."""
        for lane in self._lanes:
            if not isinstance(lane, SenderLane):
                lane.close(close_exporter=not _is_among(lane.exporter, keep))

    def close_senders(self, keep: Collection[Exporter], deadline: float) -> None:
        """Close the other exporters but those to `keep`, waiting until `time.monotonic()` is `deadline` at most."""
        senders = [lane for lane in self._lanes if isinstance(lane, SenderLane)]
        for lane in senders:
            lane.close(close_exporter=not _is_among(lane.exporter, keep))
        for lane in senders:
            if lane.thread_id != threading.get_ident():
                lane.wait_closed(deadline)


def _is_among(exporter: Exporter, several: Collection[Exporter]) -> bool:
    return any(exporter is other for other in several)


def named(exporters: Sequence[Exporter]) -> Iterator[tuple[str, Exporter]]:
    """Name each exporter, after its type if it has no name, and number those of the same name: counts go by it."""
    seen: set[str] = set()
    for exporter in exporters:
        given = getattr(exporter, "name", None)
        name = own_name = given if isinstance(given, str) and given else type(exporter).__name__
        number = 1
        while name in seen:
            number += 1
            name = f"{own_name}-{number}"
        seen.add(name)
        yield name, exporter
