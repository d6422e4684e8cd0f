"""What callspan costs the calling thread, beside the floor and beside OpenTelemetry with `json.dumps`, in one run.

Every figure is microseconds per call (per chunk for the stream) above the undecorated function. Queues are emptied
between bursts, outside the timing; callspan delivers to an exporter that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import callspan
from benchmarks import floor
from benchmarks.bursts import Contestant, interleave
from benchmarks.otel_json import Reference
from benchmarks.report import Row
from benchmarks.shapes import CHUNK_COUNT, SHAPES, Shape
from callspan.exporters.contract import Batch, ExportResult

# At most so many times the floor, and at most this share of OpenTelemetry with json.dumps. The documents' share is what
# the floor leaves room for: docs/architecture.md, "Known to fall short".
TARGETS: dict[str, tuple[float | None, float]] = {
    "two ints": (None, 1 / 8),
    "chat": (3.0, 1 / 6),
    "documents": (1.5, 1 / 5),
    "floats": (None, 1 / 20),
    "stream": (None, 1.0),
}
STATES = {
    "suppressed": 1 / 8,
    "switched off": 1 / 8,
    "child of an unsampled root": 1 / 8,
    "unsampled root": 1 / 2,
}


class NoExporter:
    """Takes every batch and drops it."""

    name = "none"
    local = True

    def export(self, batch: Batch) -> ExportResult:
        """Say that it went well."""
        return ExportResult(delivered=len(batch.spans))

    def close(self) -> None:
        """Do nothing."""


EXPORTER = NoExporter()


def record_all() -> None:
    callspan.configure(service_name="bench", exporters=[EXPORTER], sample_rate=1.0)


def record_none() -> None:
    callspan.configure(service_name="bench", exporters=[EXPORTER], sample_rate=0.0)


def flush() -> None:
    result = callspan.flush(timeout_s=60)
    assert result.ok, result


def looped(function: Callable[..., Any], shape: Shape) -> Callable[[int], None]:
    """Return a loop over calls with the shape's arguments; a generator is read to its end."""
    arguments = shape.arguments

    def call(count: int) -> None:
        for _ in range(count):
            function(*arguments)

    def read(count: int) -> None:
        for _ in range(count):
            for _chunk in function(*arguments):
                pass

    return read if shape.generator else call


def measure_shape(shape: Shape, reference: Reference, *, bursts: int, calls: int) -> Row:
    """Measure one shape: undecorated, floor, OpenTelemetry with json.dumps, callspan."""
    record_all()
    function, kind = shape.function, shape.kind
    decorated = callspan.observe(kind=kind)(function)
    lowest = (floor.observed_generator if shape.generator else floor.observed)(function)
    by_hand = (reference.observed_generator if shape.generator else reference.observed)(function, kind)
    contestants = [
        Contestant("bare", looped(function, shape), calls=calls),
        Contestant("floor", looped(lowest, shape), after=floor.QUEUE.clear, calls=calls),
        Contestant("otel+json", looped(by_hand, shape), after=reference.flush, calls=calls),
        Contestant("callspan", looped(decorated, shape), after=flush, calls=calls),
    ]
    interleave(contestants, bursts)
    row = Row.above(shape.name, contestants, per=CHUNK_COUNT if shape.generator else 1)
    most_floors, most_of_otel = TARGETS[shape.name]
    if most_floors is not None:
        row.demand("floor", most_floors)
    row.demand("otel+json", most_of_otel)
    return row


def measure_states(shape: Shape, *, bursts: int, calls: int) -> list[Row]:
    """Measure the calls that leave no span, against a recorded one of the same shape."""
    loop = looped(callspan.observe(kind=shape.kind)(shape.function), shape)

    def record_and_warm_up() -> None:
        record_all()
        loop(1)  # the worker's thread starts with the first span
        flush()

    def suppressed(count: int) -> None:
        with callspan.suppress():
            loop(count)

    def below_a_root(count: int) -> None:
        with callspan.span("root"):
            loop(count)

    runs = {
        "suppressed": Contestant("", suppressed, before=record_all),
        "switched off": Contestant("", loop, before=switch_off),
        "child of an unsampled root": Contestant("", below_a_root, before=record_none),
        "unsampled root": Contestant("", loop, before=record_none),
    }
    bare = Contestant("bare", looped(shape.function, shape))
    recorded = Contestant("recorded", loop, before=record_and_warm_up, after=flush)
    contestants = [bare, recorded, *runs.values()]
    for contestant in contestants:
        contestant.calls = calls
    interleave(contestants, bursts)
    rows = []
    for state, contestant in runs.items():
        contestant.name = "callspan"
        row = Row.above(f"{state}, {shape.name}", [bare, recorded, contestant])
        row.demand("recorded", STATES[state])
        rows.append(row)
    record_all()
    return rows


def switch_off() -> None:
    callspan.shutdown(timeout_s=60)


def measure(*, bursts: int = 30, calls: int = 200) -> list[Row]:
    """Measure everything on the caller's thread."""
    reference = Reference()
    try:
        rows = [measure_shape(shape, reference, bursts=bursts, calls=calls) for shape in SHAPES]
        for shape in SHAPES[:2]:
            rows += measure_states(shape, bursts=bursts, calls=calls)
        return rows
    finally:
        reference.close()
        callspan.shutdown(timeout_s=60)
