"""What was measured, what was demanded of it, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Something that must be reached, and whether it was."""

    text: str
    ratio: float
    ok: bool


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

    def ratio(self, numerator: str, denominator: str) -> float:
        """Return the ratio of two medians; 0 where the second one was too small to measure."""
        return self.medians[numerator] / self.medians[denominator] if self.medians[denominator] else 0.0

    def demand(self, text: str, numerator: str, denominator: str, at_most: float) -> None:
        """Demand that the first is at most so many times the second."""
        ratio = self.ratio(numerator, denominator)
        self.demands.append(Demand(text, ratio, ratio <= at_most))

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
    """Lay the rows out as text: figures are medians, with the minimum in parentheses."""
    cells = [("what", "unit", "callspan", "beside", "is", "must be", "")]
    for row in rows:
        beside = [name for name in row.medians if name != "callspan"]
        for number in range(max(len(beside), len(row.demands), 1)):
            demand = row.demands[number] if number < len(row.demands) else None
            other = beside[number] if number < len(beside) else None
            cells.append(
                (
                    row.name if number == 0 else "",
                    row.unit if number == 0 else "",
                    _figure(row, "callspan") if number == 0 else "",
                    f"{other} {_figure(row, other)} = {times(row.ratio('callspan', other))}" if other else "",
                    times(demand.ratio) if demand else "",
                    demand.text if demand else "",
                    ("pass" if demand.ok else "FAIL") if demand else "",
                )
            )
        if row.note:
            cells.append(("", "", "", row.note, "", "", ""))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _figure(row: Row, name: str) -> str:
    return f"{row.medians[name]:.2f} ({row.minima[name]:.2f})"
