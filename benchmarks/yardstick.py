"""How slow this machine is, for limits that are times: they were set on another one, and mean nothing on this.

What two calls cost OpenTelemetry with `json.dumps` was measured there, too: one is mostly Python, one mostly text. They
are measured again beside whatever has such a limit, in the same bursts, and the limit grows as the better of the two
has grown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.bursts import Contestant
from benchmarks.caller import looped
from benchmarks.otel_json import Reference
from benchmarks.report import Demand
from benchmarks.shapes import SHAPES

THEN_US: Final = {"chat": 30.8, "documents": 89.6}


def yardstick(reference: Reference, calls: int) -> list[Contestant]:
    """Return what is to be measured beside."""
    return [
        Contestant(
            shape.name,
            looped(reference.observed(shape.function, shape.kind), shape),
            after=reference.flush,
            calls=calls,
        )
        for shape in SHAPES
        if shape.name in THEN_US
    ]


def slowness(measured: Sequence[Contestant]) -> float:
    """Return how many times as long as then the yardstick takes here, by its best bursts and the least slow call."""
    return min(one.minimum / THEN_US[one.name] for one in measured)


def scaled(text: str, value: float, at_most: float, measured: Sequence[Contestant]) -> Demand:
    """Demand that a value is at most so much on a machine that is not `slowness` times as slow."""
    times = slowness(measured)
    return Demand(
        f"{text}: {value / times:.3g} on a machine {times:.2f} times as fast; at most {at_most}",
        value / times <= at_most,
    )
