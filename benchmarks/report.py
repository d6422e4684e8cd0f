"""What was measured, what was demanded of it, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.bursts import Contestant


def times(ratio: float) -> str:
    """Write a ratio as people say it: 3.2x, 1/8.

    >>> times(2.04), times(0.125)
    ('2.0x', '1/8')
    """
    if ratio <= 0:
        return "0"
    if ratio >= 0.95:
        return f"{ratio:.1f}x"
    return f"1/{1 / ratio:.3g}"


@dataclass(frozen=True)
class Demand:
    """Something that must be reached, and whether it was; `beside` is the contestant it is measured by, if any."""

    text: str
    ok: bool
    beside: str | None = None


@dataclass
class Row:
    """One line of the table: medians and minima by contestant, in one unit, and the demands on their medians."""

    name: str
    unit: str
    medians: dict[str, float]
    minima: dict[str, float]
    demands: list[Demand] = field(default_factory=list)
    note: str = ""

    @classmethod
    def above(cls, name: str, contestants: Sequence[Contestant], per: int = 1) -> Row:
        """Make a row of what the contestants cost above the first one, divided by `per`."""
        bare, *others = contestants
        return cls(
            name,
            "us/chunk" if per > 1 else "us",
            {one.name: max(one.median - bare.median, 0.0) / per for one in others},
            {one.name: max(one.minimum - bare.minimum, 0.0) / per for one in others},
        )

    def demand(self, beside: str, at_most: float) -> None:
        """Demand that callspan's median is at most so many times that of the contestant `beside`."""
        ok = _ratio(self.medians, beside) <= at_most
        self.demands.append(Demand(f"at most {times(at_most)}", ok, beside))

    @property
    def ok(self) -> bool:
        """Whether every demand was met."""
        return all(demand.ok for demand in self.demands)

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {
            "name": self.name,
            "unit": self.unit,
            "medians": self.medians,
            "minima": self.minima,
            "demands": [vars(demand) for demand in self.demands],
            "note": self.note,
            "ok": self.ok,
        }


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out as text: figures are medians, with those of the best bursts in parentheses."""
    cells = [("what", "unit", "callspan", "beside", "", "is", "must be", "")]
    for row in rows:
        first = (row.name, row.unit, _pair(row.medians["callspan"], row.minima["callspan"], "{:.2f}".format))
        for line in _lines(row):
            cells.append((*first, *line))
            first = ("", "", "")
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _lines(row: Row) -> Iterator[tuple[str, str, str, str, str]]:
    demands = {demand.beside: demand for demand in row.demands if demand.beside}
    for name in row.medians:
        if name != "callspan":
            figure = _pair(row.medians[name], row.minima[name], "{:.2f}".format)
            ratio = _pair(_ratio(row.medians, name), _ratio(row.minima, name), times)
            yield name, figure, ratio, *_verdict(demands.get(name))
    for demand in row.demands:
        if not demand.beside:
            yield "", "", "", *_verdict(demand)
    if row.note:
        yield row.note, "", "", "", ""


def _pair(median: float, minimum: float, write: Callable[[float], str]) -> str:
    return f"{write(median)} ({write(minimum)})"


def _verdict(demand: Demand | None) -> tuple[str, str]:
    return ("", "") if demand is None else (demand.text, "pass" if demand.ok else "FAIL")


def _ratio(figures: dict[str, float], beside: str) -> float:
    """Return callspan's figure over another one; 0 where that was too small to measure."""
    return figures["callspan"] / figures[beside] if figures[beside] else 0.0
