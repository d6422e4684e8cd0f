"""What an opened span holds more than a sealed one, which the bound of the queues counts."""

from __future__ import annotations

from typing import Final

from callspan.model.span import Span

_FACTS_BYTES: Final = 1280  # the object and its small containers
_ROW_BYTES: Final = 208  # what a message holds beyond the dictionary that it was read from, or a prompt, or a vector


def added_by_opening(span: Span) -> int:
    """Return the bytes, roughly: texts are counted already, and trees that stay what they are, too."""
    facts = span.facts
    if facts is None:
        return 0
    rows = len(facts.prompts)
    for several in (facts.input_messages, facts.output_messages, facts.embeddings):
        if several:
            rows += len(several)
    return _FACTS_BYTES + rows * _ROW_BYTES
