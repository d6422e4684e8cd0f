"""Clusters of many calls: `python benchmarks/clusters.py [CALLS]` prints time and memory of the report and of the page.

The vectors are made up: 200 directions of a space of 30, of unlike weight, with noise in 384 dimensions. What is real
about real ones, that they group by meaning, is the worked example's part (`examples/find_problems.py`).
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from sklearn.metrics import adjusted_rand_score

from callspan.analysis.page import clusters_page
from callspan.analysis.points import Point, Verdict
from callspan.analysis.problems import find_problems

TOPICS = 200
WORST = 7


def calls_of(topics: np.ndarray, chance: np.random.Generator) -> list[Point]:
    made = []
    for number, topic in enumerate(topics.tolist()):
        is_bad = chance.random() < (0.6 if topic == WORST else 0.05)
        prompt = f"topic{topic} about thing{topic % 17} question{number % 1_000} please"
        verdicts = [Verdict("helpful", float(not is_bad))]
        made.append(Point("t", f"{number}", prompt, "answer " * 20, 12.0, 200, 0.001, "m", "v", "ok", None, verdicts))
    return made


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    chance = np.random.default_rng(0)
    middles = chance.normal(size=(TOPICS, 30)) @ chance.normal(size=(30, 384)) / 30**0.5
    topics = chance.choice(TOPICS, count, p=chance.dirichlet(np.ones(TOPICS) * 2))
    vectors = (middles[topics] + 1.2 * chance.normal(size=(count, 384))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = calls_of(topics, chance)
    started, cpu = time.perf_counter(), time.process_time()
    found = find_problems(points, vectors)
    print(f"{count:,} calls, {len(found.clusters)} clusters: {time.perf_counter() - started:.0f} s", end=", ")
    print(f"{time.process_time() - cpu:.0f} s of processor time, worst: lift {found.clusters[0].lift.value:.1f}")
    print(f"adjusted Rand index: {adjusted_rand_score(topics, found.labels):.2f}")
    started, cpu = time.perf_counter(), time.process_time()
    size = len(clusters_page(points, found, vectors))
    print(
        f"page of {size / 1e6:.1f} MB: {time.perf_counter() - started:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
    )
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
