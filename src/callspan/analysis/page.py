"""The clusters as one page that needs no network: a map to select from, prompts and responses to read, an export."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from callspan.analysis.clustering import layout
from callspan.analysis.points import Point, Verdict
from callspan.analysis.problems import Cluster, Findings
from callspan.drawing.script import for_script

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_SHOWN_POINTS: Final = 5_000
_SHOWN_CHARACTERS: Final = 4_000  # of a text
_ALL_CHARACTERS: Final = 20_000_000  # of all texts: what a browser still opens at once


def clusters_page(points: Sequence[Point], findings: Findings, vectors: Matrix) -> str:
    """Return the page as HTML. `vectors` has a row for each call; of more than 5,000 calls, every n-th is shown."""
    chosen = range(0, len(points), max(1, -(-len(points) // _SHOWN_POINTS)))
    places = layout(vectors[chosen.start : chosen.stop : chosen.step])
    most = min(_SHOWN_CHARACTERS, _ALL_CHARACTERS // (2 * max(len(chosen), 1)))
    shown = [
        _point(points[index], findings.labels[index], place.tolist(), most)
        for index, place in zip(chosen, places, strict=True)
    ]
    data = {
        "summary": summary_of(points, findings, len(shown)),
        "clusters": [cluster_row(cluster) for cluster in findings.clusters],
        "points": shown,
        "verdicts": sorted({word for point in points for verdict in point.verdicts for word in _words(verdict)}),
    }
    template = files("callspan.analysis").joinpath("clusters.html").read_text("utf-8")
    return template.replace("__DATA__", for_script(data))


def summary_of(points: Sequence[Point], findings: Findings, shown: int) -> str:
    """Return one line on the whole: how many calls, clusters and bad ones, and whether it drifted."""
    bad = sum(point.is_bad for point in points)
    parts = [f"{len(points):,} calls", f"{len(findings.clusters):,} clusters", f"{bad:,} bad"]
    if shown < len(points):
        parts.append(f"{shown:,} shown")
    if findings.drift is not None:
        parts.append("drifted from the baseline" if findings.drift.is_significant else "no drift from the baseline")
    return " · ".join(parts)


def cluster_row(cluster: Cluster) -> dict[str, Any]:
    """Return one cluster as plain data, with the texts that a table shows."""
    low, high = cluster.bad.interval
    change = cluster.change
    return {
        "number": cluster.number,
        "terms": cluster.terms,
        "size": cluster.size,
        "judged": cluster.bad.count,
        "bad": cluster.bad.hits,
        "bad_interval": [low, high],
        "bad_text": f"{cluster.bad.value:.0%}" if cluster.bad.count else "none judged",
        "lift": _finite(cluster.lift.value),
        "lift_interval": [cluster.lift.low, _finite(cluster.lift.high)],
        "lift_text": f"{cluster.lift.value:.1f}x" if math.isfinite(cluster.lift.value) else "unlike",
        "p_value": cluster.lift.p_value,
        "problem": cluster.lift.is_problem,
        "verdicts": dict(cluster.verdicts),
        "models": dict(cluster.models),
        "prompt_versions": dict(cluster.prompt_versions),
        "p50_ms": cluster.p50_ms,
        "p95_ms": cluster.p95_ms,
        "mean_tokens": cluster.mean_tokens,
        "cost": cluster.cost,
        "change": None if change is None else change.change,
        "before": None if change is None else change.before,
    }


def _words(verdict: Verdict) -> Iterator[str]:
    """Yield what a verdict is filtered by: its name, and its label with the name."""
    yield verdict.name
    if verdict.label:
        yield f"{verdict.name}: {verdict.label}"


def _point(point: Point, label: int, place: Sequence[float], most: int) -> dict[str, Any]:
    return {
        "trace_id": point.trace_id,
        "span_id": point.span_id,
        "prompt": point.prompt[:most],
        "response": point.response[:most],
        "is_cut": max(len(point.prompt), len(point.response)) > most,
        "x": round(place[0], 4),
        "y": round(place[1], 4),
        "cluster": label,
        "bad": point.is_bad,
        "judged": point.is_judged,
        "model": point.model,
        "tokens": point.tokens,
        "duration_ms": point.duration_ms,
        "verdicts": [asdict(verdict) for verdict in point.verdicts],
    }


def _finite(value: float) -> float | None:
    """Return a number that JSON knows; None stands for an infinite one."""
    return value if math.isfinite(value) else None
