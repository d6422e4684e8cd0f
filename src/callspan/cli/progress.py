"""A line on stderr that says how far it is. Where stderr is no terminal, nothing is drawn."""

from __future__ import annotations

import sys
import time
from typing import Final

from callspan.drawing import figures
from callspan.drawing.terminal import Color, Piece, Terminal

_BAR: Final = 24
_REST_S: Final = 0.1


class Progress:
    """Draws `done` of `total`, at most ten times a second."""

    def __init__(self, color: Color = "auto", unit: str = "span") -> None:
        """Draw on stderr; `unit` is what is counted."""
        self._unit = unit
        self._stream = sys.stderr
        self._is_drawn = self._stream.isatty()
        self._terminal = Terminal(self._stream, color=color)
        self._full, self._empty = ("█", "░") if self._terminal.glyphs.branch.startswith("├") else ("#", "-")
        self._began = time.monotonic()
        self._due = 0.0

    def show(self, done: int, total: int, note: str = "") -> None:
        """Draw the line anew."""
        now = time.monotonic()
        if not self._is_drawn or now < self._due:
            return
        self._due = now + _REST_S
        self._stream.write("\r\x1b[K")
        self._stream.write(self._terminal.painted(self._pieces(done, total, note, now - self._began)))
        self._stream.flush()

    def _pieces(self, done: int, total: int, note: str, seconds: float) -> list[Piece]:
        share = done / total if total else 1.0
        filled = round(share * _BAR)
        rate = done / seconds if seconds > 0 else 0.0
        left = f", {figures.duration(round((total - done) / rate * 1e9))} left" if rate and done < total else ""
        facts = f" {share:4.0%}  {done:,} of {figures.things(total, self._unit)}{left}"
        room = max(self._terminal.width - _BAR - len(facts) - 3, 0)
        shown = self._terminal.cut(self._terminal.one_line(note), room) if note else ""
        return [
            (self._full * filled, "green"),
            (self._empty * (_BAR - filled), "dim"),
            (facts, ""),
            (f"  {shown}" if shown else "", "yellow"),
        ]

    def clear(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
