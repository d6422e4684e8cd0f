"""Cuts what is too much of a span, after redaction, and marks where: each text at the limit, then the span as a whole.

Snapshots of long texts carry a margin beyond the limit, so that a secret that a cut would have halved is whole when the
gate looks at it; here the margin goes. A span that is still too large loses the middle of its message lists, the end of
other lists, and the end of its largest texts. Identity, usage, models, reasons for finishing and errors stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from callspan.exporters.shrinking import size_of
from callspan.model.events import Event, Link
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.policy import Limits

MESSAGE_CHARACTERS: Final = 8192  # of an exception; more than that is kept only until the gate has seen it
_MARK: Final = "…"
_FREE: Final = ("usage", "truncated", "redacted_count", "request", "response", "conversation_id", "feedback")
_CUT: Final = tuple(field.name for field in fields(Facts) if field.name not in ("usage", "truncated", "redacted_count"))
_SHRUNK: Final = tuple(name for name in _CUT if name not in _FREE)
_MESSAGES: Final = ("input_messages", "output_messages")
_HARD: Final = 16  # times that the size may be halved
_LEAST: Final = 256
_GAP_BYTES: Final = 128


class Limiter:
    """Applies one set of limits."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Take the limits; the default ones where none are given."""
        self._limits = limits or Limits()

    def limit(self, span: Span) -> None:
        """Cut what is above the limits; what was cut is named in `facts.truncated`, with its size before in bytes."""
        facts = span.facts
        assert facts is not None
        error = span.error
        if error is not None and len(error.message) > MESSAGE_CHARACTERS:
            error.message = error.message[:MESSAGE_CHARACTERS]
        least = self._limits.max_value_bytes
        if span.size > least:  # else no text of it can be longer
            for field in _CUT:
                _note(facts, field, _cut_slot(facts, field, least))
            _note(facts, "status_message", _cut_slot(span, "status_message", least))
            for name, told in _told_of(span):
                _note(facts, name, _cut(told.attributes, least))
        if span.size > self._limits.max_span_bytes:
            _shrink(span, facts, self._limits.max_span_bytes)


def _told_of(span: Span) -> Iterator[tuple[str, Event | Link]]:
    yield from (("events", event) for event in span.events or ())
    yield from (("links", link) for link in span.links or ())


def _note(facts: Facts, field: str, size: int) -> None:
    if size:
        facts.truncated.setdefault(field, size)


def _cut(tree: Any, least: int) -> int:
    """Cut in place; return the original size of the largest text that was cut, in bytes, else 0."""
    kind = type(tree)
    if kind is dict or kind is list:
        largest = 0
        for key, value in tree.items() if kind is dict else enumerate(tree):
            if type(value) is not str:
                largest = max(largest, _cut(value, least))
            elif len(value) > least:
                tree[key] = value[:least] + _MARK
                largest = max(largest, size_of(value))
        return largest
    slots = getattr(kind, "__slots__", ())  # prompts and tools are small dataclasses of ours
    return max((_cut_slot(tree, slot, least) for slot in slots), default=0)


def _cut_slot(holder: Any, name: str, least: int) -> int:
    value = getattr(holder, name)
    if type(value) is not str:
        return _cut(value, least)
    if len(value) <= least:
        return 0
    setattr(holder, name, value[:least] + _MARK)
    return size_of(value)


# -- the span as a whole -----------------------------------------------------------------------------------------------


def _shrink(span: Span, facts: Facts, most: int) -> None:
    """Let the fields that are largest go down to an equal share, until all of them together fit."""
    sizes = {name: size_of(getattr(facts, name)) for name in _SHRUNK}
    before = dict(sizes)
    told = sum(size_of(one.attributes) for _, one in _told_of(span))
    share = most
    for _ in range(_HARD):
        if sum(sizes.values()) + told <= most:
            break
        share //= 2
        for name, size in sizes.items():
            if size > share:
                _fit(facts, name, share)
                sizes[name] = size_of(getattr(facts, name))
        if told > share:
            for _, one in _told_of(span):
                _cut(one.attributes, max(share // 64, _LEAST))
            told = min(told, sum(size_of(one.attributes) for _, one in _told_of(span)))
    for name, size in sizes.items():
        if size < before[name]:
            _note(facts, name, before[name])


def _fit(facts: Facts, name: str, most: int) -> None:
    """Cut one field down to about `most` bytes."""
    value = getattr(facts, name)
    if type(value) is list:
        value[:] = without_middle(value, most) if name in _MESSAGES else _beginning(value, most)
    least = most - len(_MARK.encode()) if type(value) is str else max(most // 2, _LEAST)
    while size_of(value := getattr(facts, name)) > most and least >= _LEAST:
        _cut_slot(facts, name, least)
        least //= 2
    if size_of(value) > most and type(value) in (dict, list):
        setattr(facts, name, _pruned(value, most))


def without_middle(messages: list[Any], most: int) -> list[Any]:
    """Keep the first message and as many of the last as fit; a message in between says how many are left out."""
    sizes = [size_of(message) for message in messages]
    left = most - sizes[0] - _GAP_BYTES
    kept = 0
    while kept < len(messages) - 1 and left >= sizes[-1 - kept]:
        left -= sizes[-1 - kept]
        kept += 1
    kept = max(kept, 1)
    dropped = len(messages) - 1 - kept
    if dropped < 1:
        return messages
    gap = {"role": "system", "parts": [{"type": "text", "content": f"<{dropped} messages left out>"}]}
    return [messages[0], gap, *messages[len(messages) - kept :]]


def _beginning(items: list[Any], most: int) -> list[Any]:
    """Keep as many items as fit, at least one."""
    for index, item in enumerate(items):
        most -= size_of(item) + 1
        if most < 0 and index:
            return items[:index]
    return items


def _pruned(tree: Any, most: int) -> Any:
    """Keep what fits of a tree of many small values; of what does not, its type and length."""
    items = list(tree.items()) if type(tree) is dict else list(enumerate(tree))
    kept: dict[Any, Any] = {}
    for key, value in items:
        size = size_of(key) + size_of(value)
        if size > most:
            value = f"<{type(value).__name__} left out>"  # noqa: PLW2901
            size = size_of(value)
        most -= size
        if most < 0:
            break
        kept[key] = value
    return kept if type(tree) is dict else list(kept.values())


limit: Final = Limiter().limit
"""The default limits."""
