"""The lane of an exporter whose spans stand in a spool: what does not fit into memory is read back from there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from callspan.exporters.contract import Exporter, ExportResult
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.lane import BATCH_SPANS
from callspan.pipeline.retry import Backoff
from callspan.pipeline.sender import SenderLane
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.readers import Reader
from callspan.pipeline.spool.segments import Segment

_HELD_SPANS: Final = 4 * BATCH_SPANS
_HELD_BYTES: Final = 8 * 1_048_576


class DurableLane(SenderLane):
    """Delivers like a `SenderLane`, and at least once: a span is done with when the receiver has said so.

    While it keeps up, spans go from memory to the receiver and nothing is read. When it does not, only the oldest few
    stay in memory, and the rest is read from the spool in its order. What the spool could not take waits in memory
    alone. New spans come first; those of dead processes follow when there is time.
    """

    def __init__(
        self,
        exporter: Exporter,
        name: str,
        resource: Resource,
        quiet: Callable[[], AbstractContextManager[object]],
        check: Callable[[Span], bool],
        max_spans: int = 100_000,
        max_bytes: int = 64 * 1_048_576,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        """Serve `exporter`; `check` is the gate for what comes back from the disk, and says whether it may go on."""
        self._own_resource = resource
        self._check = check
        self._max_spans = max_spans
        self._max_bytes = max_bytes
        super().__init__(exporter, name, resource, quiet, max_spans, max_bytes, backoff)

    def _prepare(self) -> None:
        super()._prepare()
        self._turn = threading.RLock()  # never held while anything is read, written or sent
        self._readers: tuple[Reader, ...] = ()
        self._stored = self._adopted = 0
        self._at_hand: Sequence[Span] = ()
        self._gone: set[Segment] = set()  # files that were dropped while spans of theirs are in memory

    # -- the books -----------------------------------------------------------------------------------------------------

    @property
    def adopted(self) -> int:
        """Spans taken over from the spools of processes that have ended."""
        return self._adopted

    @property
    def spooled(self) -> int:
        """Spans that are safe on the disk and not settled, wherever else they are."""
        return self._stored

    @property
    def settled(self) -> int:
        """Spans whose fate is known, less those taken over: whoever waits for his own waits for these, too."""
        return super().settled - self._adopted

    @property
    def waiting(self) -> int:
        """Spans that are in memory alone."""
        in_memory = self._stored - sum(reader.left() for reader in self._readers)
        return max(super().waiting - in_memory, 0)

    # -- for the spool, in the worker ----------------------------------------------------------------------------------

    def attach(self, folder: Folder) -> None:
        """Deliver from this folder, too; what is in it already is adopted."""
        reader = Reader(folder, self.name)
        with self._turn:
            self._stored += reader.left()
            self._adopted += reader.left()
            self._readers = (*self._readers, reader)
        self._sender.ring()

    def detach(self, folder: Folder) -> None:
        """Forget a folder in which nothing is left."""
        with self._turn:
            self._readers = tuple(reader for reader in self._readers if reader.folder is not folder)

    def acknowledged(self, folder: Folder) -> int:
        """Return the number of the first span of the folder that is not settled."""
        reader = self._reader_of(folder)
        return reader.acknowledged if reader is not None else 0

    def give_up(self, folder: Folder, segment: Segment, reason: str) -> None:
        """Count what goes with a file of the spool; what is in memory too is in memory alone from now on."""
        with self._turn:
            reader = self._reader_of(folder)
            if reader is None:
                return
            lost = reader.skip(segment)
            before = self._count(self._at_hand) + self._count(self._queue)
            self._gone.add(segment)
            self._stored -= lost + before - self._count(self._at_hand) - self._count(self._queue)
        self.drop(lost, reason)

    def _is_stored(self, span: Span) -> bool:
        return span.stored is not None and span.stored.segment not in self._gone

    def _count(self, spans: Iterable[Span]) -> int:
        """Return how many of the spans are on the disk."""
        return sum(map(self._is_stored, spans))

    def miss(self, count: int, reason: str) -> None:
        """Count spans of a dead process that cannot be read."""
        self._adopted += count
        self.drop(count, reason)

    def put(self, spans: Sequence[Span]) -> None:
        """Take over what the spool has stored, or could not."""
        for span in spans:
            place = span.stored
            self.pending -= 1
            if place is None:
                self._put_unstored(span)
                continue
            with self._turn:
                self._stored += 1
                reader = self._reader_of(place.folder)
                if reader is None:
                    continue
                reader.learn(place)
                if self._has_room() and reader.claim(place):
                    self._queue.offer(span)
        self._sender.ring()

    def _put_unstored(self, span: Span) -> None:
        if self._is_closed:
            self.drop(1, "shutdown")
        elif len(self._queue) >= self._max_spans or self._queue.waiting_bytes > self._max_bytes:
            self.drop(1, "queue full")  # the newest: the oldest may be safe on the disk
        else:
            self._queue.offer(span)

    def _has_room(self) -> bool:
        return not self._is_closed and len(self._queue) < _HELD_SPANS and self._queue.waiting_bytes < _HELD_BYTES

    def _reader_of(self, folder: Folder) -> Reader | None:
        return next((reader for reader in self._readers if reader.folder is folder), None)

    # -- the sender ----------------------------------------------------------------------------------------------------

    def _is_due(self) -> bool:
        has_some = len(self._queue) > 0 or any(reader.left() for reader in self._readers)
        return has_some and not self._backoff.wait_s()

    def _send(self) -> None:
        if len(self._queue) or self._refill():
            super()._send()

    def _refill(self) -> bool:
        """Read back what could not stay in memory; return whether there is something to send."""
        reader = next((reader for reader in self._readers if reader.left()), None)
        reading = reader.read() if reader is not None else None
        if reader is None or reading is None:
            return False
        spans = [span for span in reading.spans if self._check(span)]
        with self._turn:
            if reader.next != reading.start:  # the worker was faster
                return len(self._queue) > 0
            reader.advance(reading)
            self._stored -= reading.damaged + len(reading.spans) - len(spans)
            for span in spans:
                self._queue.offer(span)
            is_all_done = not len(self._queue)
        self.drop(reading.damaged, "spool damaged")
        self.drop(len(reading.spans) - len(spans), "unreadable")
        if is_all_done:
            reader.settle(reading.next)
        return not is_all_done

    def _take(self) -> list[Span]:
        """Take spans of one process, since they are sent with its resource."""
        with self._turn:
            batch = super()._take()
            resource = self._resource_of(batch[0]) if batch else self._own_resource
            count = next((i for i, span in enumerate(batch) if self._resource_of(span) is not resource), len(batch))
            if count < len(batch):
                self._queue.put_back(batch[count:])
            self._resource, self._at_hand = resource, batch[:count]
            return batch[:count]

    def _resource_of(self, span: Span) -> Resource:
        return self._own_resource if span.stored is None else span.stored.segment.resource

    def _export(self, spans: Sequence[Span]) -> None:
        if not spans:  # somebody else took them: it is being closed
            return
        self._retried = ()
        try:
            super()._export(spans)
        finally:
            self._acknowledge(spans)

    def _let_go(self) -> None:
        """Have nothing at hand any more; what is settled is no longer counted as spooled."""
        with self._turn:
            self._stored -= self._count(self._at_hand)
            self._at_hand = ()
        super()._let_go()

    def _keep(self, spans: Sequence[Span], result: ExportResult, most: int, reason: str) -> int:
        with self._turn:
            count = super()._keep(spans, result, most, reason)
            again = set(map(id, self._retried))
            self._at_hand = [span for span in self._at_hand if id(span) not in again]
            return count

    def _acknowledge(self, spans: Sequence[Span]) -> None:
        """Note in the spool what is settled: all before the first that is to be sent again."""
        last = next((span.stored for span in reversed(spans) if span.stored is not None), None)
        again = next((span.stored for span in self._retried if span.stored is not None), None)
        if last is None:
            return
        with self._turn:
            reader = self._reader_of(last.folder)
            if reader is None:
                return
            settled = again.number if again is not None else self._first_held(reader, last.number + 1)
            path = last.folder.path
            self._gone -= {it for it in self._gone if it.end <= settled and it.path.parent == path}
        reader.settle(settled)

    def _first_held(self, reader: Reader, least: int) -> int:
        """Return the number of the first span of the folder that is in memory or still to come, `least` at least."""
        oldest = self._queue.oldest
        if oldest is None:
            return reader.next
        if oldest.stored is None:  # others may stand behind it
            return least
        return oldest.stored.number if oldest.stored.folder is reader.folder else reader.next

    def _drop_queue(self, reason: str) -> None:
        """Let go of what is in memory; what is on the disk as well stays there for the next process."""
        trouble = self.trouble
        with self._turn:
            while spans := self._queue.take(BATCH_SPANS):
                stored = [span.stored for span in spans if self._is_stored(span)]
                self.drop(len(spans) - len(stored), reason, trouble)
                for place in reversed(stored):  # the first one last
                    reader = self._reader_of(place.folder)
                    if reader is not None:
                        reader.rewind(place)
