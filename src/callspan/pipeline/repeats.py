"""Finds answers that two spans tell of: by ID, or since one is below the other. Their tokens are counted once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from callspan.model.facts import Facts
from callspan.model.span import Span

KEPT: Final = 1_024
_OPEN: Final = 4_096  # spans that something below them told the usage of, and that have not ended yet


class _Told(NamedTuple):
    """What was told of an answer: its counts, and whether its span may repeat what another one tells."""

    input_tokens: int | None
    output_tokens: int | None
    may_repeat: bool


class Repeats:
    """Remembers the answers seen last, by response ID. Used by the worker alone.

    Of two spans with one response ID and the same counts, the later one leaves its usage out, if either comes from a
    place that may repeat what another span tells (`Site.may_repeat`). Two plain calls of a provider are two answers,
    whatever their IDs say: some servers give every answer the same one.

    A function of the user's that is a model call by its decorator returns, as a rule, what a model call below it got,
    and so does a framework's model around another one: they leave their usage out when one of the same kind below
    them, however deep, has told its own.
    """

    def __init__(self, kept: int = KEPT) -> None:
        """Remember at most `kept` IDs."""
        self._kept = kept
        self._seen: OrderedDict[str, _Told] = OrderedDict()
        self._told_below: OrderedDict[int, frozenset[str]] = OrderedDict()  # kinds, by the ID of the span above

    def check(self, span: Span) -> None:
        """Let the usage of an opened span be left out where it was told before. Spans come in the order they ended."""
        below = self._told_below.pop(span.span_id, frozenset()) if self._told_below else frozenset()
        facts = span.facts
        if facts is None:
            return
        if span.kind in below and (span.reader is None or _may_repeat(span)):
            span.usage_below = True
        self._check_answer(span, facts)
        if facts.usage is not None and not span.usage_below:
            below |= {span.kind}
        if below and span.parent_id is not None and not span.is_entry:
            self._told_below[span.parent_id] = below | self._told_below.get(span.parent_id, frozenset())
            if len(self._told_below) > _OPEN:
                self._told_below.popitem(last=False)

    def _check_answer(self, span: Span, facts: Facts) -> None:
        if facts.usage is None or span.usage_below:
            return
        identity = facts.response.get("id")
        if not isinstance(identity, str) or not identity:
            return
        told = _Told(facts.usage.input_tokens, facts.usage.output_tokens, _may_repeat(span))
        before = self._seen.get(identity)
        if before is not None and before[:2] == told[:2] and (before.may_repeat or told.may_repeat):
            span.usage_below = True
            return
        self._seen[identity] = told
        self._seen.move_to_end(identity)
        if len(self._seen) > self._kept:
            self._seen.popitem(last=False)


def _may_repeat(span: Span) -> bool:
    """Return whether another span may tell of the same answer; not of one that a provider's call was joined to."""
    return span.site is not None and span.site.may_repeat and type(span.provider_call) is not Span
