"""Two sets of scores on the same inputs: how much better the second is, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_RESAMPLES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Paired scores. `mean` is that of second minus first, with the 95 % interval by bootstrap, NaN for fewer than two.

    `p_value` is that of a permutation test that swaps pairs: how often chance alone gives such a difference.
    """

    count: int
    first: float
    second: float
    mean: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int

    @property
    def is_significant(self) -> bool:
        """Whether chance alone would rarely (p < 0.05) give such a difference."""
        return self.p_value < 0.05


def difference(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Difference:
    """Compare scores pair by pair; deterministic for the same scores.

    >>> found = difference([0, 0, 1, 1], [1, 1, 1, 1])
    >>> found.mean, found.better, found.worse
    (0.5, 2, 0)
    """
    import numpy as np  # noqa: PLC0415 - an extra

    pairs = list(zip(first, second, strict=True))
    gains = np.array([after - before for before, after in pairs], float)
    count = len(gains)
    if not count:
        return Difference(0, math.nan, math.nan, math.nan, math.nan, math.nan, 1.0, 0, 0)
    mean = float(gains.mean())
    low = high = math.nan
    p_value = 1.0
    if count > 1:
        chance = np.random.default_rng(seed)
        means = [gains[chance.integers(count, size=count)].mean() for _ in range(_RESAMPLES)]
        low, high = (float(value) for value in np.quantile(means, [0.025, 0.975]))
        swapped = [abs(float((gains * chance.choice((-1.0, 1.0), count)).mean())) for _ in range(_RESAMPLES)]
        p_value = (sum(value >= abs(mean) - 1e-12 for value in swapped) + 1) / (_RESAMPLES + 1)
    return Difference(
        count,
        sum(before for before, _ in pairs) / count,
        sum(after for _, after in pairs) / count,
        mean,
        low,
        high,
        p_value,
        int((gains > 0).sum()),
        int((gains < 0).sum()),
    )
