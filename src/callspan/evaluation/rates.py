"""Rates of good and bad, how sure one can be of them, and how they differ between groups."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_Z_95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of `count` items, with the 95 % confidence interval by Wilson."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        """The share; NaN where there is no item."""
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the confidence interval; all there is where there is no item."""
        if not self.count:
            return 0.0, 1.0
        spread = _Z_95**2 / self.count
        middle = (self.value + spread / 2) / (1 + spread)
        reach = _Z_95 / (1 + spread) * math.sqrt(self.value * (1 - self.value) / self.count + spread / (4 * self.count))
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True)
class Group:
    """One group of items: how often it passes, and that as a ratio to the group that passes most often."""

    value: str
    rate: Rate
    ratio: float


def disparity(passed: Iterable[tuple[str, bool]]) -> list[Group]:
    """Compare the rates of groups; the worst one first. A ratio below 0.8 is the usual sign of unfairness.

    >>> [(group.value, group.ratio) for group in disparity([("en", True), ("en", True), ("pl", True), ("pl", False)])]
    [('pl', 0.5), ('en', 1.0)]
    """
    counts: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for group, is_hit in passed:
        counts[group] += 1
        hits[group] += is_hit
    rates = {group: Rate(hits[group], counts[group]) for group in counts}
    best = max((rate.value for rate in rates.values()), default=0.0)
    groups = [Group(group, rate, rate.value / best if best else math.nan) for group, rate in rates.items()]
    return sorted(groups, key=lambda group: (group.rate.value, group.value))


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """Precision, recall and F1 of one label; NaN where nothing was found or nothing was there."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


def against_golden(given: Sequence[str], golden: Sequence[str]) -> list[LabelQuality]:
    """Compare labels with the right ones, item by item: one row a label, by name.

    >>> [(row.label, row.precision, row.recall) for row in against_golden(["a", "a", "b"], ["a", "b", "b"])]
    [('a', 0.5, 1.0), ('b', 1.0, 0.5)]
    """
    pairs = Counter(zip(given, golden, strict=True))
    found, there = Counter(given), Counter(golden)
    return [_quality(label, pairs[label, label], found[label], there[label]) for label in sorted({*found, *there})]


def _quality(label: str, right: int, found: int, there: int) -> LabelQuality:
    precision = right / found if found else math.nan
    recall = right / there if there else math.nan
    return LabelQuality(label, precision, recall, 2 * right / (found + there), there)
