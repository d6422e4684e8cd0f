"""What the default gate costs the worker, by the kind of text, and at worst.

Each span is passed through the gate as it is by default, and through one that looks for media alone. The demand is on
the best burst: so many nanoseconds a byte, and so many microseconds a span, by the yardstick.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.bursts import Contestant, interleave
from benchmarks.otel_json import Reference
from benchmarks.report import Row
from benchmarks.shapes import DOCUMENTS, MESSAGES
from benchmarks.yardstick import scaled, slowness, yardstick
from callspan.model.facts import Facts
from callspan.model.messages import read_messages
from callspan.model.retrieval import read_documents
from callspan.model.span import Span
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.redaction.suspicion import contents_of
from callspan.policy import Redaction

BYTE_NS, SPAN_US = 6, 3
WORST_MS = 50
WORST_BYTES = 1_000_000

CODE = 'def get(self, key: str) -> Any:\n    """Return the value of a key: None."""\n    return self.cache[key]\n' * 40
ROWS = json.dumps([{"id": row, "name": f"item {row}", "tags": ["a", "b"], "price": row * 1.5} for row in range(60)])
LINKS = " ".join(f"https://example.org/path/{row}?id={row}&lang=en or mail jane{row}@example.org" for row in range(40))
SLOW = (
    "sk-aaaaaaaaaaaaaaa ",
    "\\naaaaaaaaaaaaaaaaaa",
    "-_-_-_-_-_-_-_-_-_ ",
    "SG.aaaaaaaaaaaaaaaa.",
    "passwordpassword:",
    "authorization: ",
    'password: "\\',
    "--key ",
)


def opened(**facts: Any) -> Span:
    """Make a span as the worker has it before the gate."""
    span = Span()
    for slot in set(Span.__slots__) - {"__weakref__"}:
        setattr(span, slot, None)
    span.kind, span.name, span.outcome, span.size, span.status, span.trace_id = "llm", "answer", "ok", 4096, 0, 1
    span.facts = Facts(**facts)
    return span


SPANS: dict[str, Callable[[], Span]] = {
    "chat": partial(opened, input_messages=read_messages(MESSAGES)),
    "documents": partial(opened, documents=read_documents(DOCUMENTS)),
    "a program": partial(opened, input=CODE),
    "JSON in a text": partial(opened, input=ROWS),
    "links": partial(opened, input=LINKS),
}


def measure(*, bursts: int = 30, calls: int = 200) -> list[Row]:
    """Measure every kind of text in `bursts` bursts of `calls`, and the slowest texts a few times each."""
    reference = Reference()
    try:
        rows = [_row(name, make(), reference, bursts, min(calls, 20)) for name, make in SPANS.items()]
        return [*rows, _worst(reference, 1 if calls < 50 else 3, min(calls, 20))]
    finally:
        reference.close()


def _row(name: str, span: Span, reference: Reference, bursts: int, calls: int) -> Row:
    assert span.facts is not None
    size = len(contents_of(span, span.facts) or b"")
    gates = {"callspan": Gate(), "media alone": Gate(Redaction(credentials=False))}
    several = [Contestant(who, partial(_clean, gate, span), calls=calls) for who, gate in gates.items()]
    beside = yardstick(reference, calls)
    interleave([*several, *beside], bursts)
    row = Row(
        f"gate, {name} of {size:,} bytes",
        "us",
        {one.name: one.median for one in several},
        {one.name: one.minimum for one in several},
    )
    slowest_us = SPAN_US * slowness(beside)
    each_ns = max(several[0].minimum - slowest_us, 0) * 1000 / size
    row.demands.append(scaled(f"ns a byte beside {SPAN_US} us", each_ns, BYTE_NS, beside))
    return row


def _clean(gate: Gate, span: Span, count: int) -> None:
    for _ in range(count):
        gate.clean(span)


def _worst(reference: Reference, rounds: int, calls: int) -> Row:
    beside = yardstick(reference, calls)
    interleave(beside, rounds)
    best_ms = {piece: min(_once_ms(piece) for _ in range(rounds)) for piece in SLOW}
    worst = max(best_ms, key=lambda piece: best_ms[piece])
    row = Row("gate, a megabyte made to be slow", "ms", {"callspan": best_ms[worst]}, {"callspan": best_ms[worst]})
    row.demands.append(scaled(f"ms for {worst!r}", best_ms[worst], WORST_MS, beside))
    return row


def _once_ms(piece: str) -> float:
    span = opened(input=(piece * (WORST_BYTES // len(piece) + 1))[:WORST_BYTES])  # a new one: the gate changes it
    span.size = WORST_BYTES
    started = time.thread_time()
    Gate().clean(span)
    return (time.thread_time() - started) * 1000
