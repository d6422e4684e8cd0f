"""Delivers what is left in a spool, in a process that makes no spans of its own."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callspan.exporters.contract import Exporter
from callspan.model.resource import Resource
from callspan.pipeline.counters import Stats
from callspan.pipeline.lanes import named
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.spool.durable import DurableLane
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.locks import is_folder
from callspan.pipeline.spool.settings import SpoolSettings
from callspan.pipeline.spool.spool import Spool

_MOST_ADOPTED: Final = 256  # at a time; each keeps a file open
_POLL_S: Final = 0.05
_CLOSING_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """What one process left: how many spans in how many bytes, from when (seconds since 1970).

    A part that is `in_use` belongs to a process that runs, and is not looked into. `unreadable` counts files.
    """

    name: str
    in_use: bool
    spans: int = 0
    size: int = 0
    newest_s: float = 0.0
    unreadable: int = 0


def parts_of(spool_dir: Path) -> list[Part]:
    """Look at every part of a spool, and change nothing. Raises `OSError` where the folder cannot be read."""
    with os.scandir(spool_dir) as entries:
        paths = sorted(Path(entry.path) for entry in entries if is_folder(entry))
    return [part for path in paths if (part := _part(path)).in_use or part.spans or part.unreadable]


def _part(path: Path) -> Part:
    folder = Folder.take_over(path)
    if folder is None:
        return Part(path.name, in_use=True)
    try:
        unreadable = len(list(folder.survey()))
        segments = folder.segments
        return Part(
            path.name,
            in_use=False,
            spans=sum(segment.count for segment in segments),
            size=sum(segment.size for segment in segments),
            newest_s=max((segment.changed_s for segment in segments), default=0.0),
            unreadable=unreadable,
        )
    finally:
        folder.let_go()


class Replay:
    """Delivers the parts of a spool that belong to no running process to exporters, local ones too."""

    def __init__(self, spool_dir: Path, exporters: Sequence[Exporter], gate: Gate | None = None) -> None:
        """Prepare; nothing is taken over yet. Everything passes the `gate`."""
        gate = gate or Gate()
        self._lanes = [
            DurableLane(exporter, name, Resource(), nullcontext, gate.lets_pass) for name, exporter in named(exporters)
        ]
        settings = SpoolSettings(spool_dir, max_age_s=math.inf)  # whoever asks for them wants the old ones, too
        self._spool = Spool(settings, Resource(), self._lanes, gate, most_adopted=_MOST_ADOPTED)

    def run(self, patience_s: float, on_progress: Callable[[Replay], None] = lambda _: None) -> bool:
        """Deliver; return whether all went out. Gives up after `patience_s` seconds in which nothing moved.

        `on_progress` is called twenty times a second, in this thread. Raises `OSError` where the folder cannot be read.
        """
        for lane in self._lanes:
            lane.start()  # first, so that what is found next wakes it
        self._spool.look_around()
        settled, moved_at = -1, time.monotonic()
        while self.waiting or self._spool.look_around():
            if self.settled != settled:
                settled, moved_at = self.settled, time.monotonic()
            elif time.monotonic() - moved_at >= patience_s:
                break
            on_progress(self)
            time.sleep(_POLL_S)
            self._spool.tend()
        on_progress(self)
        return not self.waiting

    def close(self) -> None:
        """Close the exporters; what is left stays in the spool."""
        for lane in self._lanes:
            lane.close()
        deadline = time.monotonic() + _CLOSING_S
        for lane in self._lanes:
            lane.wait_closed(deadline)
        self._spool.close()

    @property
    def found(self) -> int:
        """Spans to deliver, once per exporter."""
        return sum(lane.adopted for lane in self._lanes)

    @property
    def waiting(self) -> int:
        """Spans that are not settled."""
        return sum(lane.spooled for lane in self._lanes)

    @property
    def settled(self) -> int:
        """Spans that are delivered, or will never be."""
        return self.found - self.waiting

    @property
    def trouble(self) -> str | None:
        """Why nothing moves, where that is known."""
        return next((lane.trouble for lane in self._lanes if lane.trouble), None)

    def stats(self) -> dict[str, Stats]:
        """Return the counts per exporter."""
        return {lane.name: lane.stats(0, 0) for lane in self._lanes}
