"""Opens a sealed span in the worker: snapshots become plain trees, trees become facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from callspan.guard import guard
from callspan.model.facts import MISSING, Facts
from callspan.model.span import Snapshot, Span
from callspan.recording import results
from callspan.recording.joining import join_call
from callspan.recording.plain import plain
from callspan.recording.results import Reader
from callspan.recording.thawing import thaw


def open_facts(span: Span) -> Facts:
    """Fill `span.facts` from what was frozen; a part that cannot be read is left out and noted."""
    facts = span.facts = Facts()
    for part in _parts_of(span):
        try:
            part(span, facts)
        except Exception as error:  # noqa: BLE001 - one odd value must not cost the span
            name = getattr(part, "__name__", type(part).__name__)
            guard.note(f"opening a span ({name.strip('_')})", error)
    span.input = span.output = None
    return facts


def _parts_of(span: Span) -> Iterator[Reader]:
    """Yield what has to be done for this span: most have no more than values, and a way to read them."""
    site = span.site
    yield _open_values
    if span.scope is not None or site.tags or site.metadata is not None:
        yield _open_scope
    if span.attributes or span.events or span.links:
        yield _open_attributes
    if span.prompts or span.scope is not None:
        yield _open_prompts
    if span.stream is not None:
        yield _open_stream
    reader = span.reader or results.READERS.get(span.kind)
    if reader is not None:
        yield reader
    if span.provider_call is not None:
        yield join_call


def value_of(snapshot: Snapshot) -> Any:
    """Return the single value of a snapshot as a plain tree."""
    return thaw(snapshot)[0]


def _open_values(span: Span, facts: Facts) -> None:
    if span.input is not None:
        names = span.input[1]
        roots = thaw(span.input)
        facts.input = roots[0] if names is None else span.site.name_values(roots, names) or MISSING
    if span.output is not None:
        facts.output = value_of(span.output)
    if span.truncated:
        facts.truncated = dict(span.truncated)


def _open_scope(span: Span, facts: Facts) -> None:
    site, scope = span.site, span.scope
    tags = list(site.tags)
    if site.metadata is not None:
        facts.metadata.update(plain(site.metadata))
    if scope is not None:
        facts.conversation_id, facts.step, facts.user_id = scope.conversation_id, scope.step, scope.user_id
        tags += [tag for tag in scope.tags if tag not in tags]
        for snapshot in scope.metadata:
            facts.metadata.update(plain(thaw_again(snapshot)))
    facts.tags = tags


def thaw_again(snapshot: Snapshot) -> Any:
    """Open a snapshot that several spans share, without using it up."""
    roots, names, copies, size, cut, prompts = snapshot
    return thaw(([*roots], names, copies, size, cut, prompts))[
        0
    ]  # what is linked a second time comes to the same places


def _open_attributes(span: Span, facts: Facts) -> None:
    for key, value in (span.attributes or {}).items():
        facts.attributes[key] = value_of(value) if type(value) is tuple else plain(value)
    for event in (*(span.events or ()), *(span.links or ())):
        event.attributes = value_of(event.attributes) if type(event.attributes) is tuple else {}


def _open_prompts(span: Span, facts: Facts) -> None:
    scoped = span.scope.prompts if span.scope is not None and span.kind == "llm" else ()
    for rendered in (*scoped, *(span.prompts or ())):
        results.use_prompt(facts, rendered)


def _open_stream(span: Span, facts: Facts) -> None:
    assert span.stream is not None
    facts.chunk_count, first_ns = span.stream
    if first_ns is not None:
        facts.time_to_first_chunk_s = first_ns / 1e9
