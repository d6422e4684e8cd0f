"""Spans in a list: for tests and for looking at them in a notebook."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from callspan.errors import ConfigurationError
from callspan.exporters.contract import Batch, ExportResult

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord


class MemoryExporter:
    """Keeps the last `max_spans` spans as `SpanRecord`s in `spans`, in the order in which they ended."""

    local: Final = True

    def __init__(self, max_spans: int = 10_000, *, name: str = "memory") -> None:
        """Start empty. Raises `ConfigurationError` unless `max_spans` is a whole number from 1."""
        if type(max_spans) is not int or max_spans < 1:
            raise ConfigurationError("max_spans", max_spans, "give a whole number from 1")
        self.name = name
        self._spans: deque[SpanRecord] = deque(maxlen=max_spans)

    @property
    def spans(self) -> list[SpanRecord]:
        """The spans so far; `callspan.flush()` first to have them all."""
        return list(self._spans)

    def clear(self) -> None:
        """Forget the spans so far."""
        self._spans.clear()

    def export(self, batch: Batch) -> ExportResult:
        """Keep the spans."""
        from callspan.model.record import SpanRecord  # noqa: PLC0415 - pydantic, in the worker

        self._spans.extend(SpanRecord.from_span(span, batch.resource) for span in batch.spans)
        return ExportResult(delivered=len(batch.spans))

    def close(self) -> None:
        """Keep the spans all the same."""
