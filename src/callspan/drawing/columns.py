"""How wide the columns of a tree are: as wide as what they hold, as far as the terminal goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from callspan.drawing import figures
from callspan.drawing.shown import Shown
from callspan.drawing.terminal import Terminal
from callspan.drawing.text import width_of
from callspan.reading.overview import Row

LEVEL_WIDTH: Final = 3
_INDENT_SHARE: Final = 0.4  # of the terminal; what is deeper is told by a number
_MIN_LEFT: Final = 30
_MAX_MODEL: Final = 26
_MAX_WORD: Final = 16
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in columns; 0 leaves a column out. `stacked`: too narrow for a table, so figures go on lines below."""

    left: int
    time: int
    tokens_in: int
    tokens_out: int
    model: int
    max_depth: int
    stacked: bool


def measure(shown: Iterable[Shown], terminal: Terminal) -> Columns:
    """Find the widths that suit all traces to be shown."""
    max_depth = max(int(terminal.width * _INDENT_SHARE) // LEVEL_WIDTH, 2)
    left = time = tokens_in = tokens_out = model = 0
    for part in shown:
        for node, depth in part.walk():
            row = node.span
            name = f"{label(row, terminal)} {terminal.one_line(row.title)}"
            beyond = len(f"{terminal.glyphs.ellipsis}{depth} ") if depth > max_depth else 0
            left = max(left, min(depth, max_depth) * LEVEL_WIDTH + beyond + width_of(name) + 2)
            time = max(time, len(figures.duration(row.duration_ns)))
            told = tokens(row)
            tokens_in, tokens_out = max(tokens_in, len(told[0])), max(tokens_out, len(told[1]))
            model = max(model, width_of(terminal.one_line(row.model or "")))
    model = min(model, _MAX_MODEL)
    arrow = 1 if tokens_in or tokens_out else 0
    figures_width = sum(width + _GAP for width in (time, tokens_in + arrow + tokens_out, model) if width)
    room = terminal.width - figures_width
    return Columns(min(left, room), time, tokens_in, tokens_out, model, max_depth, room < min(left, _MIN_LEFT))


def label(row: Row, terminal: Terminal) -> str:
    """Return the kind with the finer word for it, if there is one."""
    return f"{row.kind}:{terminal.cut(terminal.one_line(row.component), _MAX_WORD)}" if row.component else row.kind


def tokens(row: Row) -> tuple[str, str]:
    """Return the token counts in and out as short texts; estimated ones are marked."""
    mark = "~" if row.estimated else ""
    told = (row.input_tokens, row.output_tokens)
    return tuple("" if number is None else mark + figures.count(number) for number in told)  # type: ignore[return-value]
