"""Cuts texts that are longer than the limit, after redaction, and marks where.

Snapshots of long texts carry a margin beyond the limit, so that a secret that a cut would have halved is whole when the
gate looks at it; here the margin goes.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from callspan.model.facts import Facts
from callspan.model.span import Span

TEXT_CHARACTERS: Final = 262_144
_MARK: Final = "…"


def limit(span: Span) -> None:
    """Cut every text of the span's facts to the limit; what was cut is named in `facts.truncated`."""
    facts = span.facts
    assert facts is not None
    if span.size <= TEXT_CHARACTERS:
        return
    for field in _CUT:
        value = getattr(facts, field)
        if isinstance(value, str):
            cut = value[:TEXT_CHARACTERS] + _MARK if len(value) > TEXT_CHARACTERS else value
            found = len(value) if cut is not value else 0
            setattr(facts, field, cut)
        else:
            found = _cut(value)
        if found:
            facts.truncated.setdefault(field, found)


_CUT: Final = tuple(field.name for field in fields(Facts) if field.name not in ("usage", "truncated", "redacted_count"))


def _cut(tree: Any) -> int:
    """Cut in place; return the original length of the longest text that was cut, else 0."""
    longest = 0
    pairs = tree.items() if type(tree) is dict else enumerate(tree) if type(tree) is list else ()
    for key, value in pairs:
        if type(value) is str:
            if len(value) > TEXT_CHARACTERS:
                tree[key] = value[:TEXT_CHARACTERS] + _MARK
                longest = max(longest, len(value))
        elif type(value) is dict or type(value) is list:
            longest = max(longest, _cut(value))
    return longest
