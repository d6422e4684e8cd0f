"""Measures contestants in turns: A B C, A B C, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns


def _nothing() -> None:
    pass


@dataclass
class Contestant:
    """Something to measure. `run(n)` makes n calls; `before` sets the stage and `after` clears it, both untimed."""

    name: str
    run: Callable[[int], None]
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing
    calls: int = 200
    times_us: list[float] = field(default_factory=list)

    @property
    def minimum(self) -> float:
        """Microseconds per call in the best burst."""
        return min(self.times_us)

    @property
    def median(self) -> float:
        """Microseconds per call in the middle burst."""
        return statistics.median(self.times_us)


def interleave(contestants: Sequence[Contestant], bursts: int) -> None:
    """Run `bursts` rounds after one to warm up; the garbage collector is off inside a burst."""
    for number in range(bursts + 1):
        gc.collect()
        for contestant in contestants:
            contestant.before()
            time_us = _burst(contestant)
            contestant.after()
            if number:
                contestant.times_us.append(time_us)


def _burst(contestant: Contestant) -> float:
    gc.disable()
    try:
        started = perf_counter_ns()
        contestant.run(contestant.calls)
        return (perf_counter_ns() - started) / contestant.calls / 1_000
    finally:
        gc.enable()
