"""One program that records and delivers, in a process of its own: what `benchmarks.delivery` starts and measures.

`python -m benchmarks.delivering WHO HOW URL COUNT`: WHO is callspan, "callspan without the gate" or opentelemetry; HOW
is "paced" (a flush every 400 calls), "burst" (none before the end, as the first act of the process), or "leave" (none
at all: the program just ends).

Prints JSON: microseconds of CPU a call, in all (the best and the middle 400 calls) and on the calling thread; the peak
of the memory in MiB above the start.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.shapes import ANSWER, MESSAGES, PARAMETERS

PACE = 400


def answer(messages: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - recorded
    return ANSWER


Contestant = tuple[Callable[..., Any], Callable[[], object], Callable[[], object]]
"""A recorded function, and how to flush and to close what records it."""


def callspan_contestant(url: str, *, gate: bool) -> Contestant:
    import callspan
    from callspan.exporters import OTLPExporter

    redact = None if gate else False
    callspan.configure(service_name="bench", exporters=[OTLPExporter(f"{url}/v1/traces")], redact=redact)
    return callspan.llm(answer), lambda: callspan.flush(120), lambda: callspan.shutdown(120)


def otel_contestant(url: str) -> Contestant:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from benchmarks.otel_json import Reference

    reference = Reference(OTLPSpanExporter(endpoint=f"{url}/v1/traces"))
    return reference.observed(answer, "LLM"), reference.flush, reference.close


def cpu_us(start: float) -> float:
    return (time.process_time() - start) * 1e6


def main() -> None:
    who, how, url, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if who == "opentelemetry":
        call, flush, close = otel_contestant(url)
    else:
        call, flush, close = callspan_contestant(url, gate=who == "callspan")
    arguments = (MESSAGES, PARAMETERS)
    if how == "paced":
        call(*arguments)
        flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, thread, shares = time.process_time(), time.thread_time(), []
    for first in range(0, count, PACE):
        piece = time.process_time()
        for _ in range(first, min(first + PACE, count)):
            call(*arguments)
        if how == "paced":
            flush()
            shares.append(cpu_us(piece) / PACE)
    thread_us = (time.thread_time() - thread) * 1e6 / count
    if how != "leave":
        flush()
        close()
    told = {
        "all_us": statistics.median(shares) if shares else cpu_us(start) / count,
        "best_us": min(shares) if shares else cpu_us(start) / count,
        "thread_us": thread_us,
        "memory_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        "left_at": time.time(),
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "5000"  # its default, whatever is set here
    main()
