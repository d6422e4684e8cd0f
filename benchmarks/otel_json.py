"""The reference: what a careful user of the OpenTelemetry SDK writes by hand to see inputs and outputs.

`start_as_current_span`, `json.dumps` of the bound arguments and of the result, the default `BatchSpanProcessor`. Where
only the calling thread's share is compared, the exporter behind it does nothing.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class NoExporter(SpanExporter):
    """Takes every batch and drops it."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the interface's
        """Say that it went well."""
        return SpanExportResult.SUCCESS


class Reference:
    """An SDK pipeline with its defaults, and decorators that record through it."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """Start the pipeline; without an exporter, what is recorded goes nowhere."""
        self._provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter or NoExporter()))
        self._tracer = self._provider.get_tracer("bench")

    @property
    def tracer(self) -> Any:
        """The tracer that makes the spans."""
        return self._tracer

    def flush(self) -> None:
        """Empty the queue."""
        self._provider.force_flush()

    def close(self) -> None:
        """Stop the pipeline."""
        self._provider.shutdown()

    def observed(self, function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """Record calls of a plain function."""
        name, signature, tracer = function.__name__, inspect.signature(function), self._tracer

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with tracer.start_as_current_span(name, attributes={"openinference.span.kind": kind}) as span:
                span.set_attribute("input.value", json.dumps(signature.bind(*args, **kwargs).arguments, default=str))
                result = function(*args, **kwargs)
                span.set_attribute("output.value", json.dumps(result, default=str))
                return result

        return call

    def observed_generator(self, function: Callable[..., Iterator[Any]], kind: str) -> Callable[..., Iterator[Any]]:
        """Record runs of a generator function. As usual, the span stays current in the consumer between two chunks."""
        name, signature, tracer = function.__name__, inspect.signature(function), self._tracer

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with tracer.start_as_current_span(name, attributes={"openinference.span.kind": kind}) as span:
                span.set_attribute("input.value", json.dumps(signature.bind(*args, **kwargs).arguments, default=str))
                chunks = []
                for chunk in function(*args, **kwargs):
                    chunks.append(chunk)
                    yield chunk
                span.set_attribute("output.value", json.dumps(chunks, default=str))

        return run
