"""The spool: what network exporters have not acknowledged yet stands on the disk, and outlives the process.

Written once, by the worker, before the first attempt to send; each exporter has its own position. Every process has a
folder of its own below `spool_dir`, whose lock it holds while it lives; whoever finds one without an owner takes it
over. So nothing is written down of processes, and a process ID that is used again means nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from callspan.encoding.stored import pack
from callspan.exporters.paths import make_folder
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.spool.durable import DurableLane
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.locks import is_folder
from callspan.pipeline.spool.readers import Place
from callspan.pipeline.spool.segments import Segment
from callspan.pipeline.spool.settings import SpoolSettings

QUARANTINE: Final = "quarantine"
_SEGMENT_BYTES: Final = 4 * 1_048_576
_SEGMENTS_IN_SHARE: Final = 8  # at least, so that little goes at once when there is no room
_LOOK_S: Final = 10.0
_LOOKING_S: Final = 1.0  # at most
_MOST_ENTRIES: Final = 10_000
_MOST_ADOPTED: Final = 8  # at a time; each keeps a file open
_MOST_QUARANTINED: Final = 8
_LARGEST_QUARANTINED: Final = 2 * _SEGMENT_BYTES


class Spool:
    """Stores spans for the lanes, and gives them what dead processes left. For one thread at a time, the worker's."""

    def __init__(
        self,
        settings: SpoolSettings,
        resource: Resource,
        lanes: Sequence[DurableLane],
        gate: Gate,
        *,
        most_adopted: int = _MOST_ADOPTED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is looked at or written before the first span."""
        self._settings = settings
        self._spool_dir = settings.spool_dir
        self._resource = resource
        self._lanes = lanes
        self._clean_resource = gate.clean_resource
        self._most_adopted = most_adopted
        self._clock = clock
        self._own: Folder | None = None
        self._adopted: list[Folder] = []
        self._others = 0
        self._look_at = 0.0
        self._is_closed = False

    def _folders(self) -> Iterator[Folder]:
        yield from self._adopted
        if self._own is not None:
            yield self._own

    # -- storing -------------------------------------------------------------------------------------------------------

    def store(self, spans: Sequence[Span]) -> None:
        """Write the spans and note on each where it stands; None on those that could not be written."""
        for span in spans:
            span.stored = None
        if not spans:
            return
        try:
            own = self._ready()
            if own is not None:
                self._store(own, spans)
        except OSError as error:
            reason = error.strerror or str(error)
            guard.warn("spool", f"the spool takes nothing ({reason}); spans wait in memory only, until it does again")
        except Exception as error:  # noqa: BLE001 - then they wait in memory only
            guard.note("writing to the spool", error)

    def _ready(self) -> Folder | None:
        """Return our folder, made if need be; None when the spool is closed."""
        if self._is_closed:
            return None
        if self._own is not None and not self._own.path.is_dir():
            self._lose(self._own)
        if self._own is not None and not self._own.is_held():
            guard.warn("spool", "somebody else has taken over this process' part of the spool; a new one is begun")
            self._own = None
        if self._own is None:
            self._own = own = Folder.make(self._spool_dir)
            for lane in self._lanes:
                lane.attach(own)
            self.look_around()
        return self._own

    def _lose(self, own: Folder) -> None:
        """Give up our folder, which somebody has deleted: what is in memory stays there, and nothing is read back."""
        for segment in own.segments:
            for lane in self._lanes:
                lane.give_up(own, segment, "spool damaged")
            own.drop(segment)
        self._adopted.append(own)  # the next tidying forgets it
        self._own = None
        guard.warn("spool", "somebody has deleted this process' part of the spool; a new one is begun")

    def _store(self, own: Folder, spans: Sequence[Span]) -> None:
        most_bytes = self._segment_bytes()
        group: list[tuple[Span, bytes]] = []
        size = 0
        for span in spans:
            line = _packed(span)
            if line is None or len(line) > self._share() // 2:
                continue
            if group and size + len(line) > most_bytes:
                self._write(own, group)
                group, size = [], 0
            group.append((span, line))
            size += len(line)
        if group:
            self._write(own, group)

    def _write(self, own: Folder, group: Sequence[tuple[Span, bytes]]) -> None:
        lines = [line for _, line in group]
        size = sum(map(len, lines))
        if own.segments and own.segments[-1].size + size > self._segment_bytes():
            own.seal()
        self._make_room(size)
        number = own.next
        taken, error = own.append(lines, self._resource, syncs=self._settings.sync == "batch")
        if taken:
            segment = own.segments[-1]
            start = segment.size - sum(map(len, lines[:taken]))
            for span, line in group[:taken]:
                span.stored = Place(own, segment, number, start, start + len(line))
                number += 1
                start += len(line)
        if error is not None:
            raise error

    def _share(self) -> int:
        """Return how many bytes this process may have, what it adopted included."""
        return self._settings.max_bytes // (1 + self._others)

    def _segment_bytes(self) -> int:
        return min(_SEGMENT_BYTES, self._share() // _SEGMENTS_IN_SHARE)

    # -- making room ---------------------------------------------------------------------------------------------------

    def _make_room(self, size: int) -> None:
        """Drop the oldest files until `size` more bytes fit."""
        total = sum(segment.size for folder in self._folders() for segment in folder.segments)
        while total + size > self._share():
            heads = [(folder, folder.segments[0]) for folder in self._folders() if folder.segments]
            if not heads:
                return
            folder, oldest = min(heads, key=lambda head: head[1].changed_s)
            total -= oldest.size
            self._give_up(folder, oldest, "spool full")

    def _give_up(self, folder: Folder, segment: Segment, reason: str) -> None:
        for lane in self._lanes:
            lane.give_up(folder, segment, reason)
        folder.drop(segment)
        guard.warn(reason, f"{reason}: the oldest spans of the spool were dropped")

    def tend(self) -> None:
        """Delete what every exporter is done with and what is too old; look for what dead processes left."""
        if self._own is None and not self._adopted:
            return
        try:
            self._tidy()
            if time.monotonic() >= self._look_at:
                self.look_around()
        except OSError as error:
            guard.warn("spool", f"the spool cannot be tidied up: {error.strerror or error}")

    def _tidy(self) -> None:
        for folder in list(self._folders()):
            self._delete_settled(folder)
            while folder.segments and self._is_too_old(folder.segments[0]):
                self._give_up(folder, folder.segments[0], "spool too old")
            if folder is not self._own and not folder.segments:
                self._adopted.remove(folder)
                for lane in self._lanes:
                    lane.detach(folder)
                folder.remove()

    def _is_too_old(self, segment: Segment) -> bool:
        return segment.changed_s < self._clock() - self._settings.max_age_s

    def _delete_settled(self, folder: Folder) -> None:
        settled = min(lane.acknowledged(folder) for lane in self._lanes)
        for segment in folder.segments:
            if segment.end <= settled:
                folder.drop(segment)

    # -- what dead processes left --------------------------------------------------------------------------------------

    def look_around(self) -> int:
        """Adopt folders without an owner, as many as there may be at a time; return how many have spans."""
        began, before, others = time.monotonic(), len(self._adopted), 0
        known = {folder.path.name for folder in self._folders()}
        with os.scandir(self._spool_dir) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if entry.name in known or not is_folder(entry):
                    continue
                may_adopt = len(self._adopted) < self._most_adopted and time.monotonic() - began <= _LOOKING_S
                if not may_adopt or not self._adopt(Path(entry.path)):
                    others += 1
        self._others = others
        now = time.monotonic()
        self._look_at = now + max(_LOOK_S, 100 * (now - began))
        return len(self._adopted) - before

    def _adopt(self, path: Path) -> bool:
        """Take a folder over; False when it has an owner, or is not for us."""
        folder = None
        try:
            folder = Folder.take_over(path)
            if folder is None:
                return False
            self._survey(folder)
        except OSError as error:
            guard.warn("spool", f"a part of the spool cannot be taken over: {error.strerror or error}")
            if folder is not None:
                folder.let_go()
            return False
        if not folder.segments:
            folder.remove()
            return True
        self._adopted.append(folder)
        for lane in self._lanes:
            lane.attach(folder)
        return True

    def _survey(self, folder: Folder) -> None:
        for odd, count in folder.survey():
            self._set_aside(odd, count)
        while folder.segments and self._is_too_old(folder.segments[0]):
            self._miss(folder, folder.segments[0])
        for segment in folder.segments:
            segment.resource = self._clean_resource(segment.resource)

    def _miss(self, folder: Folder, segment: Segment) -> None:
        """Drop a file that nobody has begun to read."""
        for lane in self._lanes:
            begins = max(segment.first, folder.acknowledged(lane.name))
            lane.miss(max(segment.end - begins, 0), "spool too old")
        folder.drop(segment)

    def _set_aside(self, path: Path, count: int) -> None:
        """Put a file that cannot be read where nobody tries again, and count what was in it."""
        place = self._spool_dir / QUARANTINE
        try:
            if path.lstat().st_size > _LARGEST_QUARANTINED:
                raise OSError("too large to keep")  # noqa: TRY301
            make_folder(place)
            before = sorted(place.iterdir(), key=lambda old: old.lstat().st_mtime)
            for old in before[: max(len(before) - _MOST_QUARANTINED + 1, 0)]:
                old.unlink()
            path.rename(place / f"{path.parent.name}-{path.name}")
            told = f"it is in {place} now"
        except OSError:
            path.unlink(missing_ok=True)
            told = "it was deleted"
        guard.warn("spool quarantine", f"a file of the spool cannot be read; {told}")
        for lane in self._lanes:
            lane.miss(count, "spool damaged")

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave what is not delivered to the next process."""
        self._is_closed = True
        for folder in self._folders():
            try:
                self._delete_settled(folder)
                folder.remove()
            except OSError as error:
                guard.warn("spool", f"the spool cannot be tidied up: {error.strerror or error}")

    def reset(self) -> None:
        """Start over in a forked child: what is in the spool is the parent's, and so are the locks."""
        for folder in self._folders():
            folder.let_go()
        self._own, self._adopted = None, []
        self._others, self._look_at = 0, 0.0


def _packed(span: Span) -> bytes | None:
    try:
        return pack(span)
    except Exception as error:  # noqa: BLE001 - such a span waits in memory
        guard.note("writing a span for the spool", error)
        return None
