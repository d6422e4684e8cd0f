"""Clusters of calls, ranked by how much worse they are than the rest, with what tells them apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Final

from callspan.analysis.clustering import cluster
from callspan.analysis.drift import Drift, ShareChange, drift_of, holm, share_changes
from callspan.analysis.points import Point
from callspan.analysis.terms import distinguishing_terms
from callspan.evaluation.rates import Rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_EXAMPLES: Final = 3
_SURE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Lift:
    """How many times worse a cluster is than all others together, with the 95 % interval and the p-value.

    Infinite where nothing is bad anywhere else; the interval's lower end is a number even then.
    """

    value: float
    low: float
    high: float
    p_value: float

    @property
    def is_problem(self) -> bool:
        """Whether the cluster is surely worse than the rest."""
        return self.low > 1 and self.p_value < _SURE


@dataclass(slots=True)
class Cluster:
    """One cluster. `bad` counts only calls that somebody judged; `change` is there where there is a baseline."""

    number: int
    members: list[int]
    terms: list[str]
    examples: list[int]
    bad: Rate
    lift: Lift
    verdicts: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    prompt_versions: Counter[str] = field(default_factory=Counter)
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    mean_tokens: float = 0.0
    cost: float | None = None
    change: ShareChange | None = None

    @property
    def size(self) -> int:
        """How many calls it has now; none where only the baseline has some."""
        return len(self.members)


@dataclass(slots=True)
class Findings:
    """The clusters, worst first; the cluster of each call, -1 for none; and whether the whole drifted."""

    clusters: list[Cluster]
    labels: list[int]
    drift: Drift | None = None


def find_problems(
    points: Sequence[Point],
    vectors: Matrix,
    earlier: Sequence[Point] = (),
    earlier_vectors: Matrix | None = None,
    *,
    min_size: int | None = None,
    seed: int = 0,
) -> Findings:
    """Group calls by what they mean and rank the groups.

    points, vectors: the calls and a vector for each. earlier, earlier_vectors: those of a baseline to compare with;
    they are grouped together with the ones of now, so that a cluster is the same in both.

    Ranked by the lower end of the interval of the lift: a cluster of three bad calls does not stand above one of
    three hundred. Deterministic for the same input.
    """
    import numpy as np  # noqa: PLC0415 - an extra

    both = vectors if earlier_vectors is None else np.concatenate([vectors, earlier_vectors])
    found = cluster(both, min_size=min_size, seed=seed).tolist()
    labels, before = found[: len(points)], Counter(found[len(points) :])
    numbers = sorted({label for label in found if label >= 0})
    terms = distinguishing_terms([point.prompt for point in (*points, *earlier)], found)
    whole = Rate(sum(point.is_bad for point in points), sum(point.is_judged for point in points))
    members: dict[int, list[int]] = {number: [] for number in numbers}
    for index, label in enumerate(labels):
        if label >= 0:
            members[label].append(index)
    clusters = [_cluster(number, members[number], points, vectors, terms.get(number, []), whole) for number in numbers]
    _correct(clusters)
    if earlier_vectors is not None:
        now = [one.size for one in clusters]
        changes = share_changes(now, [before[one.number] for one in clusters])
        for one, change in zip(clusters, changes, strict=True):
            one.change = change
    clusters.sort(key=lambda one: (-one.lift.low, -one.lift.value, -one.size, one.number))
    drift = None if earlier_vectors is None else drift_of(vectors, earlier_vectors, seed=seed)
    return Findings(clusters, labels, drift)


def _cluster(
    number: int, members: list[int], points: Sequence[Point], vectors: Matrix, terms: list[str], whole: Rate
) -> Cluster:
    inside = [points[index] for index in members]
    here = Rate(sum(point.is_bad for point in inside), sum(point.is_judged for point in inside))
    costs = [point.cost for point in inside if point.cost is not None]
    return Cluster(
        number,
        members,
        terms,
        _typical(members, points, vectors),
        here,
        lift_of(here.hits, here.count, whole.hits - here.hits, whole.count - here.count),
        Counter(verdict.name for point in inside for verdict in point.verdicts if verdict.is_bad),
        Counter(point.model for point in inside),
        Counter(point.prompt_version for point in inside),
        median([point.duration_ms for point in inside]) if inside else 0.0,
        _p95([point.duration_ms for point in inside]),
        fmean([point.tokens for point in inside]) if inside else 0.0,
        sum(costs) if costs else None,
    )


def _typical(members: Sequence[int], points: Sequence[Point], vectors: Matrix) -> list[int]:
    """Return the members closest to the middle, of those that ask the same only one."""
    if not members:
        return []
    rows = vectors[members]
    closeness = rows @ rows.mean(axis=0)
    ranked: dict[str, int] = {}
    for place in (-closeness).argsort(kind="stable"):
        ranked.setdefault(points[members[place]].prompt, members[place])
    return [*ranked.values()][:_EXAMPLES]


def _p95(values: Sequence[float]) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=20, method="inclusive")[-1]


def lift_of(bad: int, count: int, bad_elsewhere: int, count_elsewhere: int) -> Lift:
    """Return how many times as often `bad` of `count` is as elsewhere; 1, and unsure, where nothing was judged.

    >>> lift_of(30, 40, 10, 200).value
    15.0
    """
    from scipy.stats import fisher_exact  # noqa: PLC0415 - an extra

    if not count or not count_elsewhere:
        return Lift(1.0, 0.0, math.inf, 1.0)
    here, elsewhere = Rate(bad, count), Rate(bad_elsewhere, count_elsewhere)
    table = [[bad, count - bad], [bad_elsewhere, count_elsewhere - bad_elsewhere]]
    p_value = float(fisher_exact(table, alternative="greater").pvalue)
    value = here.value / elsewhere.value if bad_elsewhere else (math.inf if bad else 1.0)
    return Lift(value, *_ratio_interval(here, elsewhere), p_value)


def _ratio_interval(above: Rate, below: Rate) -> tuple[float, float]:
    """Return the interval of a ratio of two rates, from the intervals of both (MOVER-R, Donner and Zou, 2012)."""
    (low_above, high_above), (low_below, high_below) = above.interval, below.interval
    product = above.value * below.value
    wide = high_below * (2 * below.value - high_below)
    narrow = low_below * (2 * below.value - low_below)
    low = product - math.sqrt(max(product**2 - low_above * (2 * above.value - low_above) * wide, 0.0))
    high = product + math.sqrt(max(product**2 - high_above * (2 * above.value - high_above) * narrow, 0.0))
    return low / wide if wide else 0.0, high / narrow if narrow > 0 else math.inf


def _correct(clusters: Sequence[Cluster]) -> None:
    """Make the p-values hold for all clusters together."""
    for one, p_value in zip(clusters, holm([one.lift.p_value for one in clusters]), strict=True):
        one.lift = Lift(one.lift.value, one.lift.low, one.lift.high, p_value)
