"""What is still open when the process ends: it is ended as incomplete, so that the last delivery takes it along.

Integrations that keep what is open by an ID say so here, and watched streams do; a span that nothing but its own call
knows is not found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from callspan.guard import guard
from callspan.model.span import Span

Source = Callable[[], Iterable[Any]]
"""Returns the spans that are open, those of before first; others that it returns are passed over."""


class OpenStream(Protocol):
    """A stream that somebody may still read."""

    def end_unread(self) -> None:
        """End its call: the process ends, and nobody will read the rest."""


class OpenSpans:
    """The spans that integrations know to be open, and the streams that are watched."""

    def __init__(self) -> None:
        """Know of nobody who has any."""
        self._sources: list[Source] = []
        self.streams: set[OpenStream] = set()
        self._inherited: frozenset[int] = frozenset()

    def watch(self, source: Source) -> None:
        """Ask `source` at the end of the process; asked to do so again, change nothing."""
        if source not in self._sources:
            self._sources.append(source)

    def end_all(self) -> None:
        """End what is open, streams and then the latest first: so that nothing ends before what is below it."""
        for stream in [*self.streams]:
            stream.end_unread()
        for span in reversed(self._found()):
            if span.span_id not in self._inherited:
                try:
                    span.outcome = "incomplete"
                    span.end()
                except Exception as error:  # noqa: BLE001 - one that fails must not cost the others their end
                    guard.note("ending an open span at exit", error)

    def after_fork(self) -> None:
        """Leave alone, in a child, what its parent has open: the parent tells how that ends."""
        self.streams.clear()
        self._inherited = frozenset(span.span_id for span in self._found())

    def _found(self) -> list[Span]:
        found: list[Span] = []
        for source in self._sources:
            try:
                found += [span for span in source() if type(span) is Span and not span.end_ns]
            except Exception as error:  # noqa: BLE001
                guard.note("looking for open spans", error)
        return found


open_spans: Final = OpenSpans()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_spans.after_fork)
