"""All attributes of a span: those of the chosen dialects, the user's and our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callspan.dialects.contract import Dialect, WriteJson
from callspan.dialects.genai import GenAI
from callspan.dialects.json_text import to_json
from callspan.dialects.own import add_own
from callspan.model.span import Span


def attributes(span: Span, dialects: Sequence[Dialect], write: WriteJson = to_json) -> dict[str, Any]:
    """Return the attributes of a finished span by name, in any combination of dialects.

    A user's attribute wins over a dialect's of the same name, since somebody wrote it on purpose; our own names belong
    to us. The user's may be nested lists and dictionaries, all others are flat. No value at the top is None.
    """
    told: dict[str, Any] = {}
    if dialects:  # new each time, so ours to add to
        first = dialects[0]
        told = first.written(span, write) if type(first) is GenAI else first.attributes(span)
    for dialect in dialects[1:]:
        told.update(dialect.attributes(span))
    if span.facts is not None and span.facts.attributes:
        told.update({key: value for key, value in span.facts.attributes.items() if value is not None})
    add_own(told, span)
    return told
