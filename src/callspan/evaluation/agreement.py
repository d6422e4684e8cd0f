"""How far two judges agree: people and models, two models, a model and itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two sets of labels on the same items. `kappa` is Cohen's: 1 is full agreement, 0 what chance would give.

    `confusion` counts pairs of labels, the first judge's first; `only_one` are items that one of them did not judge.
    """

    count: int
    observed: float
    kappa: float
    confusion: Mapping[tuple[str, str], int]
    only_one: int = 0

    @property
    def labels(self) -> list[str]:
        """Every label that either judge used, sorted."""
        return sorted({label for pair in self.confusion for label in pair})

    def table(self) -> list[list[str | int]]:
        """Return the confusion table with its head: rows are the first judge's labels, columns the second's."""
        labels = self.labels
        head: list[str | int] = ["", *labels]
        return [head, *(self._row(label) for label in labels)]

    def _row(self, label: str) -> list[str | int]:
        return [label, *(self.confusion.get((label, other), 0) for other in self.labels)]


def agreement(first: Mapping[Item, str], second: Mapping[Item, str]) -> Agreement:
    """Compare two judges by item. `kappa` is NaN where there is nothing to agree on: no item, or one label only.

    >>> found = agreement({1: "good", 2: "bad", 3: "bad", 4: "good"}, {1: "good", 2: "bad", 3: "good", 4: "good"})
    >>> found.observed, found.kappa
    (0.75, 0.5)
    """
    both = [(first[item], second[item]) for item in first if item in second]
    only_one = len(first) + len(second) - 2 * len(both)
    if not both:
        return Agreement(0, math.nan, math.nan, {}, only_one)
    count = len(both)
    confusion = Counter(both)
    observed = sum(number for (one, other), number in confusion.items() if one == other) / count
    ones, others = Counter(one for one, _ in both), Counter(other for _, other in both)
    by_chance = sum(ones[label] * others[label] for label in ones) / count**2
    kappa = math.nan if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
    return Agreement(count, observed, kappa, dict(confusion), only_one)
