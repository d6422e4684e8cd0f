"""The least that any recorder of this kind must pay on the caller's thread. Written first, then frozen.

One slots object, random IDs, the span made current in the OpenTelemetry context through its public API, two clock
reads, one `marshal` of what went in and one of what came out, one append to a queue. No size check, no error handling,
no sampling, no suppression, no parent: whatever callspan pays above this buys one of its promises.

`tests/test_benchmarks.py` holds the digest of this file: a floor that moves says nothing about what stands on it.
"""

from __future__ import annotations

import functools
import random
from collections import deque
from collections.abc import Callable, Iterator
from marshal import dumps
from time import perf_counter_ns
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

QUEUE: deque[FloorSpan] = deque()

_bits = random.Random().getrandbits


class FloorSpan:
    """What a span holds at the very least."""

    __slots__ = ("end_ns", "input", "name", "output", "span_id", "start_ns", "trace_id")


def observed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Record calls of a plain function, at the lowest price."""
    name = function.__qualname__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        span = FloorSpan()
        span.name = name
        span.trace_id = _bits(128)
        span.span_id = _bits(64)
        span.input = dumps((args, kwargs), 4)
        token = attach(set_span_in_context(span))  # type: ignore[arg-type]
        span.start_ns = perf_counter_ns()
        try:
            result = function(*args, **kwargs)
        finally:
            detach(token)
        span.end_ns = perf_counter_ns()
        span.output = dumps(result, 4)
        QUEUE.append(span)
        return result

    return call


def observed_generator(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Record runs of a generator function: the span is current around every step, and never in between."""
    name = function.__qualname__

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
        span = FloorSpan()
        span.name = name
        span.trace_id = _bits(128)
        span.span_id = _bits(64)
        span.input = dumps((args, kwargs), 4)
        context = set_span_in_context(span)  # type: ignore[arg-type]
        span.start_ns = perf_counter_ns()
        chunks = []
        steps = iter(function(*args, **kwargs))
        while True:
            token = attach(context)
            try:
                chunk = next(steps)
            except StopIteration:
                break
            finally:
                detach(token)
            chunks.append(chunk)
            yield chunk
        span.end_ns = perf_counter_ns()
        span.output = dumps(chunks, 4)
        QUEUE.append(span)

    return run
