"""Spans in a list: for tests and for looking at them in a notebook."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

from callspan.errors import ConfigurationError
from callspan.exporters.contract import Batch, ExportResult
from callspan.forks import forks
from callspan.guard import guard
from callspan.policy import content_level

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord


class MemoryExporter:
    """Keeps the last `max_spans` spans as `SpanRecord`s in `spans`, in the order in which they ended.

    `capture_content` is False for spans without content, "metadata" for its types and sizes.
    """

    local: Final = True

    def __init__(
        self, max_spans: int = 10_000, *, capture_content: bool | Literal["metadata"] = True, name: str = "memory"
    ) -> None:
        """Start empty. Raises `ConfigurationError` unless `max_spans` is a whole number from 1."""
        if type(max_spans) is not int or max_spans < 1:
            raise ConfigurationError("max_spans", max_spans, "give a whole number from 1")
        if type(name) is not str or not name:
            raise ConfigurationError("name", name, "give a string that is not empty")
        self.name = name
        self.capture_content = content_level("capture_content", capture_content)
        self._spans: deque[SpanRecord] = deque(maxlen=min(max_spans, 2**31))

    @property
    def spans(self) -> list[SpanRecord]:
        """The spans so far; `callspan.flush()` first to have them all."""
        return list(self._spans)

    def clear(self) -> None:
        """Forget the spans so far."""
        self._spans.clear()

    def export(self, batch: Batch) -> ExportResult:
        """Keep the spans."""
        with forks.kept_off():
            from callspan.model.record import SpanRecord  # noqa: PLC0415 - pydantic, in the worker

        result = ExportResult()
        for span in batch.spans:
            try:
                self._spans.append(SpanRecord.from_span(span, batch.resource))
                result.delivered += 1
            except Exception as error:  # noqa: BLE001 - one odd span must not cost the others
                result.rejected += 1
                result.reason = "a span cannot be kept"
                guard.note("keeping a span", error)
        return result

    def close(self) -> None:
        """Keep the spans all the same."""
