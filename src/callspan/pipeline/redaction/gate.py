"""The gate as an object: what every span passes before any exporter, file, spool or log sees it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.content import strip_content
from callspan.pipeline.media import replace_media
from callspan.pipeline.redaction.redactor import Redactor
from callspan.pipeline.redaction.suspicion import contents_of, may_hold_media
from callspan.policy import Content, Redaction, content_rules, lowest

_REMEMBERED: Final = 1024


class Gate:
    """Takes content out where it is switched off, media where they are not to be kept, and secrets everywhere.

    An exception passes through spans above: where its text was withheld once, it is withheld on the way up, too.
    """

    def __init__(
        self, rules: Redaction | None = None, *, capture_content: Any = True, keep_media: bool = False
    ) -> None:
        """Let content pass as `capture_content` says, but for what the rules replace."""
        self._content = content_rules(capture_content)
        self._keep_media = keep_media
        self._redactor = Redactor(rules)
        self._withheld: OrderedDict[tuple[int, int], None] = OrderedDict()

    def clean_resource(self, resource: Resource) -> Resource:
        """Return the resource as it may be sent."""
        return self._redactor.redact_resource(resource)

    def clean(self, span: Span) -> None:
        """Clean a span whose facts are filled."""
        facts = span.facts
        assert facts is not None
        level = self._level(span)
        if level != "full":
            self._remember(span)
            strip_content(span, level)
        elif span.error is not None and (span.trace_id, hash(span.error.message)) in self._withheld:
            span.error.message, span.status_message = "", None
        contents = None
        if not self._keep_media:
            contents = contents_of(span, facts)
            if may_hold_media(contents):
                replace_media(span)
                contents = None  # they are others now
        self._redactor.redact(span, contents)

    def clean_texts(self, holders: Sequence[dict[str, Any]], key: str, kind: str) -> int | None:
        """Clean the text that each holder, a part of a message, has under `key`; return how many values were replaced.

        For many spans of one kind at once, which costs a third. None, and nothing is done, where each span has to be
        cleaned for itself: where a text may hold media, and where the rules depend on more than texts.
        """
        if self._content.get(kind, "full") != "full":
            return None
        if not self._keep_media and any("base64" in holder[key] for holder in holders):
            return None
        return self._redactor.redact_texts(holders, key)

    def _level(self, span: Span) -> Content:
        level = self._content.get(span.kind, "full")
        own = getattr(span.site, "content", None)
        return level if own is None else lowest(level, own)

    def _remember(self, span: Span) -> None:
        if span.error is not None and span.error.message:
            self._withheld[span.trace_id, hash(span.error.message)] = None
            if len(self._withheld) > _REMEMBERED:
                self._withheld.popitem(last=False)

    def lets_pass(self, span: Span) -> bool:
        """Clean a span that comes back from a spool, since the gate may have become stricter; False if it cannot be."""
        try:
            self.clean(span)
        except Exception as error:  # noqa: BLE001 - counted as dropped
            guard.note("the gate behind the spool", error)
            return False
        return True
