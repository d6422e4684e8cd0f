"""The gate as an object: what every span passes before any exporter, file, spool or log sees it."""

from __future__ import annotations

from callspan.guard import guard
from callspan.model.span import Span
from callspan.pipeline.content import strip_content
from callspan.pipeline.redaction import Redactor
from callspan.policy import Redaction


class Gate:
    """Takes content out where it is switched off, and secrets everywhere."""

    def __init__(self, rules: Redaction | None = None, *, capture_content: bool = True) -> None:
        """Let content pass, or not, but for what the rules replace."""
        self._capture_content = capture_content
        self._redactor = Redactor(rules)
        self.clean_resource = self._redactor.redact_resource

    def clean(self, span: Span) -> None:
        """Clean a span whose facts are filled."""
        if not self._capture_content:
            strip_content(span)
        self._redactor.redact(span)

    def lets_pass(self, span: Span) -> bool:
        """Clean a span that comes back from a spool, since the gate may have become stricter; False if it cannot be."""
        try:
            self.clean(span)
        except Exception as error:  # noqa: BLE001 - counted as dropped
            guard.note("the gate behind the spool", error)
            return False
        return True
