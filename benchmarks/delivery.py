"""What delivery costs and loses, beside OpenTelemetry's SDK, its `BatchSpanProcessor` and its OTLP exporter.

Each figure comes from processes that record a chat of six messages and send it as OTLP in protobuf to a receiver in
another process, in turns. CPU is that of the whole process, flushes included.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.receiver import Receiver
from benchmarks.report import Demand, Row

CALLSPAN, UNGATED, OTEL = "callspan", "callspan without the gate", "opentelemetry"
AT_MOST = 1 / 2
AT_MOST_UNGATED = 1 / 3
AT_MOST_BYTES = 1.2
AT_MOST_WHEN_DOWN = 1.1  # of the calling thread's CPU while the receiver is there
QUEUE_MIB = 64 + 20
EXIT_S = 2.5


@dataclass
class Run:
    """What one process told, and what arrived of it."""

    told: dict[str, Any]
    spans: int
    bytes: int
    exit_s: float
    lines: int  # printed to stderr


def run(who: str, how: str, url: str, count: int, receiver: Receiver | None = None) -> Run:
    command = [sys.executable, "-m", "benchmarks.delivering", who, how, url, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    ended = time.time()
    told = json.loads(done.stdout)
    spans, size = receiver.counts() if receiver is not None else (0, 0)
    return Run(told, spans, size, ended - told["left_at"], len(done.stderr.splitlines()))


def measure(*, spans: int = 20_000, rounds: int = 3) -> list[Row]:
    """Run every contestant `rounds` times with `spans` calls, in turns."""
    paced: dict[str, list[Run]] = {CALLSPAN: [], UNGATED: [], OTEL: []}
    bursts: dict[str, list[Run]] = {CALLSPAN: [], OTEL: []}
    down: list[Run] = []
    with Receiver() as receiver:
        for _ in range(rounds):
            for who, runs in paced.items():
                runs.append(run(who, "paced", receiver.url, spans, receiver))
            for who, runs in bursts.items():
                runs.append(run(who, "burst", receiver.url, spans, receiver))
            down.append(run(CALLSPAN, "leave", f"http://127.0.0.1:{_closed_port()}", spans))
    return [
        _cpu("delivery, all CPU", paced[CALLSPAN], paced[OTEL], AT_MOST),
        _cpu("the same without the gate", paced[UNGATED], paced[OTEL], AT_MOST_UNGATED),
        _sizes(paced, AT_MOST_BYTES),
        _lost(bursts, spans),
        _down(down, bursts[CALLSPAN]),
    ]


def _cpu(name: str, ours: list[Run], theirs: list[Run], at_most: float) -> Row:
    row = Row(
        name,
        "us",
        {CALLSPAN: _median(ours, "all_us"), OTEL: _median(theirs, "all_us")},
        {CALLSPAN: _least(ours, "best_us"), OTEL: _least(theirs, "best_us")},
    )
    row.demand(OTEL, at_most)
    return row


def _sizes(runs: dict[str, list[Run]], at_most: float) -> Row:
    sizes = {who: statistics.median(one.bytes / one.spans for one in runs[who]) for who in (CALLSPAN, OTEL)}
    row = Row("on the wire", "bytes", sizes, sizes)
    row.demand(OTEL, at_most)
    return row


def _lost(runs: dict[str, list[Run]], spans: int) -> Row:
    lost = {who: [spans - one.spans for one in several] for who, several in runs.items()}
    row = Row(
        f"lost of a burst of {spans:,}",
        "spans",
        {who: statistics.median(counts) for who, counts in lost.items()},
        {who: min(counts) for who, counts in lost.items()},
    )
    row.demands.append(Demand("none, in no round", max(lost[CALLSPAN]) == 0))
    return row


def _down(runs: list[Run], healthy: list[Run]) -> Row:
    row = Row(
        "nobody listens, calling thread",
        "us",
        {CALLSPAN: _median(runs, "thread_us"), "while somebody does": _median(healthy, "thread_us")},
        {CALLSPAN: _least(runs, "thread_us"), "while somebody does": _least(healthy, "thread_us")},
    )
    row.demand("while somebody does", AT_MOST_WHEN_DOWN)
    memory, leaving, lines = (
        max(one.told["memory_mib"] for one in runs),
        max(one.exit_s for one in runs),
        max(one.lines for one in runs),
    )
    row.demands += [
        Demand(f"memory {memory:.0f} MiB: at most {QUEUE_MIB}", memory <= QUEUE_MIB),
        Demand(f"exit {leaving:.1f} s: at most {EXIT_S}", leaving <= EXIT_S),
        Demand(f"{lines} lines printed: one", lines == 1),
    ]
    return row


def _median(runs: list[Run], figure: str) -> float:
    return statistics.median(one.told[figure] for one in runs)


def _least(runs: list[Run], figure: str) -> float:
    return min(one.told[figure] for one in runs)


def _closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
