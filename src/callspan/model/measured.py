"""A model call that is measured though its trace is not recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callspan.model.span import Span


class MeasuredSpan(Span):
    """Holds the times, the model and the counts of a call until the metrics have them; it is exported nowhere.

    To whoever asks for the context of OpenTelemetry it is a span that is not sampled, so nothing below is recorded.
    """

    __slots__ = ()

    def get_span_context(self) -> Any:
        """Return the IDs as an `opentelemetry.trace.SpanContext` that is not sampled."""
        return self.make_context(self.trace_id, self.span_id, False, self.trace_state)  # noqa: FBT003

    def is_recording(self) -> bool:
        """Return False."""
        return False

    def set_attribute(self, key: str, value: object) -> None:
        """Do nothing."""

    def add_event(
        self, name: str, attributes: Mapping[str, object] | None = None, timestamp: int | None = None
    ) -> None:
        """Do nothing."""

    def add_link(self, context: Any, attributes: Mapping[str, object] | None = None) -> None:
        """Do nothing."""

    def update_name(self, name: str) -> None:
        """Do nothing."""
