"""What has changed against a baseline: shares of clusters, and the distribution of the vectors as a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

Change = Literal["new", "grown", "shrunk", "gone", "same"]

_SURE: Final = 0.01  # p-value, corrected for the number of clusters
_MUCH: Final = 1.5  # ratio of shares below which a change is not worth a word, however sure it is
_SAMPLE: Final = 1_000
_SHUFFLES: Final = 500


@dataclass(frozen=True, slots=True)
class ShareChange:
    """How the share of one cluster changed. `ratio` is that of the shares, now to before; infinite for new ones."""

    change: Change
    now: int
    before: int
    ratio: float
    p_value: float


def share_changes(now: Sequence[int], before: Sequence[int]) -> list[ShareChange]:
    """Compare the sizes of clusters now and before, cluster by cluster, by Fisher's exact test.

    P-values are corrected by Holm's method. A cluster changed when its p-value is below 0.01 and its share is at least
    1.5 times what it was, or at most that part of it; it is new when the baseline has no more than a tenth of its
    share.
    """
    from scipy.stats import fisher_exact  # noqa: PLC0415 - an extra

    all_now, all_before = sum(now), sum(before)
    raw = [
        float(fisher_exact([[here, all_now - here], [there, all_before - there]]).pvalue)
        for here, there in zip(now, before, strict=True)
    ]
    corrected = holm(raw)
    return [
        _change(here, there, (here / all_now if all_now else 0.0), (there / all_before if all_before else 0.0), p_value)
        for here, there, p_value in zip(now, before, corrected, strict=True)
    ]


def _change(now: int, before: int, share_now: float, share_before: float, p_value: float) -> ShareChange:
    ratio = share_now / share_before if share_before else math.inf
    change: Change = "same"
    if p_value < _SURE and ratio >= _MUCH:
        change = "new" if ratio >= 10 else "grown"
    elif p_value < _SURE and ratio <= 1 / _MUCH:
        change = "gone" if ratio <= 0.1 else "shrunk"
    return ShareChange(change, now, before, ratio, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for how many there are, by Holm's method.

    >>> [round(p_value, 4) for p_value in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether two sets of vectors come from one distribution: the energy distance and how likely it is by chance."""

    distance: float
    p_value: float

    @property
    def is_significant(self) -> bool:
        """Whether chance alone would hardly ever give such a distance."""
        return self.p_value < _SURE


def drift_of(now: Matrix, before: Matrix, *, seed: int = 0) -> Drift:
    """Compare two sets of vectors by a permutation test of the energy distance, on at most 1,000 of each."""
    import numpy as np  # noqa: PLC0415 - an extra
    from scipy.spatial.distance import cdist  # noqa: PLC0415

    chance = np.random.default_rng(seed)
    if not len(now) or not len(before):
        return Drift(math.nan, 1.0)
    chosen = [_sample(now, chance), _sample(before, chance)]
    both = np.concatenate(chosen).astype(np.float64)
    is_now = np.zeros(len(both))
    is_now[: len(chosen[0])] = 1.0
    shuffled = chance.permuted(np.tile(is_now, (_SHUFFLES, 1)), axis=1)
    observed, *by_chance = _energies(cdist(both, both), np.vstack([is_now, shuffled]).T).tolist()
    above = sum(one >= observed for one in by_chance)
    return Drift(observed, (above + 1) / (_SHUFFLES + 1))


def _sample(vectors: Matrix, chance: np.random.Generator) -> Matrix:
    if len(vectors) <= _SAMPLE:
        return vectors
    return vectors[chance.choice(len(vectors), _SAMPLE, replace=False)]


def _energies(distances: NDArray[np.float64], firsts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energy distance for each column of `firsts`, which has a 1 for the rows of the first sample."""
    seconds = 1.0 - firsts
    to_first = distances @ firsts
    to_second = distances.sum(axis=1, keepdims=True) - to_first
    ones, others = firsts.sum(axis=0), seconds.sum(axis=0)
    between = (seconds * to_first).sum(axis=0) / (ones * others)
    within = (firsts * to_first).sum(axis=0) / ones**2 + (seconds * to_second).sum(axis=0) / others**2
    found: NDArray[np.float64] = 2 * between - within
    return found
