"""Lets the user's processors see every finished span: redacted, within its limits, with its facts filled.

They run one after the other in the worker, in the order given. What they write passes the gate as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from callspan.guard import guard
from callspan.model.span import Span
from callspan.policy import Processor

REFUSED: Final = "refused by a processor"


def process(span: Span, processors: Sequence[Processor]) -> bool:
    """Return False if a processor refuses the span; one that fails, or returns anything else, changes nothing."""
    for processor in processors:
        try:
            answer = processor(span)
        except Exception as error:  # noqa: BLE001 - theirs, and no reason to lose a span
            guard.note("a processor", error)
            continue
        if answer is None:
            return False
        if answer is not span:
            kind = type(answer).__name__
            guard.warn("processor", f"a processor returned {kind}, not the span it was given, nor None; the span stays")
    return True
