"""Makes a span small that no receiver takes as it is: its largest values go, and are named in `facts.truncated`."""

from __future__ import annotations

import copy
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, replace
from typing import Any, Final

from callspan.model.facts import Facts, PromptUse
from callspan.model.span import ErrorFacts, Event, Link, Span

VALUE_BYTES: Final = 4096
FIELD_BYTES: Final = 65_536
_TEXT_CHARACTERS: Final = 1000
_MARK: Final = "…"
_NOT_VALUES: Final = ("usage", "truncated", "redacted_count")
_NAMED_VALUES: Final = ("attributes", "extra", "metadata", "request", "response")


def shrink(span: Span) -> Span | None:
    """Return a copy without the values above 4 KiB; None when there are none. The span itself belongs to others too.

    Values go whole, named ones each by itself; names and messages are cut. `facts.truncated` says what of each field
    went, in bytes.
    """
    lean = copy.copy(span)
    facts = lean.facts = copy.copy(span.facts or Facts())
    gone: dict[str, int] = {}
    for field in fields(Facts):
        if field.name not in _NOT_VALUES:
            _note(gone, field.name, _shrink_field(facts, field))
    _note(gone, "events", _shrink_events(lean))
    _note(gone, "links", _shrink_links(lean))
    _note(gone, "name", _cut(lean, "name"))
    _note(gone, "status_message", _cut(lean, "status_message"))
    if span.error is not None:
        lean.error = ErrorFacts(span.error.type, span.error.message, span.error.frames)
        _note(gone, "error", _cut(lean.error, "message"))
    facts.truncated = {**gone, **facts.truncated}
    return lean if gone else None


def _note(gone: dict[str, int], name: str, size: int) -> None:
    if size:
        gone[name] = size


def _shrink_field(facts: Facts, field: Field[Any]) -> int:
    value = getattr(facts, field.name)
    size = size_of(value)
    if size <= VALUE_BYTES:
        return 0
    if field.name in _NAMED_VALUES:
        kept = _small(value)
        setattr(facts, field.name, kept)
        return size - size_of(kept)
    if field.name == "prompts":
        facts.prompts = [PromptUse("", {}, prompt.name, prompt.version) for prompt in value]
    elif field.name == "tool":
        facts.tool = replace(value, description=None, parameters=None)
    else:
        setattr(facts, field.name, _default(field))
    return size


def _shrink_events(span: Span) -> int:
    if span.events is None:
        return 0
    kept = [Event(event.name, event.time_ns, _small(event.attributes)) for event in span.events]
    size = sum(size_of(event.attributes) for event in span.events)
    left = sum(size_of(event.attributes) for event in kept)
    span.events = kept if left <= FIELD_BYTES else None
    return size - (left if left <= FIELD_BYTES else 0)


def _shrink_links(span: Span) -> int:
    if span.links is None:
        return 0
    size = sum(size_of(link.attributes) for link in span.links)
    if size <= VALUE_BYTES:
        return 0
    span.links = [Link(link.trace_id, link.span_id, {}) for link in span.links]
    return size


def _cut(holder: Any, name: str) -> int:
    text = getattr(holder, name)
    size = size_of(text)
    if size <= VALUE_BYTES:
        return 0
    setattr(holder, name, text[:_TEXT_CHARACTERS] + _MARK)
    return size


def _small(named: Any) -> dict[str, Any]:
    """Return the named values that are small; none where there are so many that they are large together."""
    kept = {key: value for key, value in (named or {}).items() if size_of(key) + size_of(value) <= VALUE_BYTES}
    return kept if size_of(kept) <= FIELD_BYTES else {}


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is NO_DEFAULT else field.default_factory()


def size_of(tree: Any) -> int:
    """Return the bytes of the texts in a tree, and a few for everything else in it."""
    if isinstance(tree, str):
        return len(tree) if tree.isascii() else len(tree.encode("utf-8", "surrogatepass"))
    if isinstance(tree, dict):
        return sum(size_of(key) + size_of(value) for key, value in tree.items())
    if isinstance(tree, list | tuple):
        return sum(map(size_of, tree))
    slots = getattr(type(tree), "__slots__", ())  # prompts and tools are small dataclasses of ours
    return sum(size_of(getattr(tree, slot)) for slot in slots) if slots else 8
