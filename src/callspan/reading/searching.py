"""Search in what went into spans and came out of them, before anything of them is understood."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from callspan.reading.otlp import RawSpan


def search_for(text: str) -> Callable[[RawSpan], bool]:
    """Return a function that finds spans with the text in their name, any attribute, event or status.

    Capitals do not matter. Messages are attributes that hold JSON, so the text is looked for as JSON writes it, too.
    """
    plain = text.casefold()
    wanted = {plain, json.dumps(text, ensure_ascii=False)[1:-1].casefold(), json.dumps(text)[1:-1].casefold()}

    def is_in(value: Any) -> bool:
        if isinstance(value, str):
            told = value.casefold()
            return any(one in told for one in wanted)
        if isinstance(value, dict):
            return any(is_in(inner) for name, inner in value.items() if name != "key")
        return isinstance(value, list) and any(is_in(inner) for inner in value)

    def finds(raw: RawSpan) -> bool:
        return is_in(raw.name) or is_in(raw.attributes) or is_in(raw.events) or is_in(raw.status_message)

    return finds
