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
    """Cut every text of the span to the limit; what was cut is named in `facts.truncated`, with its size in bytes."""
    facts = span.facts
    assert facts is not None
    if span.size <= TEXT_CHARACTERS:  # then no text of it can be longer
        return
    for field in _CUT:
        _note(facts, field, _cut_slot(facts, field))
    _note(facts, "status_message", _cut_slot(span, "status_message"))
    for name, several in (("events", span.events), ("links", span.links)):
        for told in several or ():
            _note(facts, name, _cut(told.attributes))


_CUT: Final = tuple(field.name for field in fields(Facts) if field.name not in ("usage", "truncated", "redacted_count"))


def _note(facts: Facts, field: str, size: int) -> None:
    if size:
        facts.truncated.setdefault(field, size)


def _cut(tree: Any) -> int:
    """Cut in place; return the original size of the largest text that was cut, in bytes, else 0."""
    kind = type(tree)
    if kind is dict or kind is list:
        largest = 0
        for key, value in tree.items() if kind is dict else enumerate(tree):
            if type(value) is not str:
                largest = max(largest, _cut(value))
            elif len(value) > TEXT_CHARACTERS:
                tree[key] = value[:TEXT_CHARACTERS] + _MARK
                largest = max(largest, _bytes_of(value))
        return largest
    slots = getattr(kind, "__slots__", ())  # prompts and tools are small dataclasses of ours
    return max((_cut_slot(tree, slot) for slot in slots), default=0)


def _cut_slot(holder: Any, name: str) -> int:
    value = getattr(holder, name)
    if type(value) is not str:
        return _cut(value)
    if len(value) <= TEXT_CHARACTERS:
        return 0
    setattr(holder, name, value[:TEXT_CHARACTERS] + _MARK)
    return _bytes_of(value)


def _bytes_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
