"""Joins feedback with what it is about: each piece once, wherever it stands in the files, and none is lost.

Works on rows in two passes: first all feedback, then the spans that may be meant. What a piece is about is found by
its parent (a span), its trace, its conversation and step, or its business key: a tag of a span, or `name=value` of its
metadata. Of several spans the topmost is meant; of several with the same key the last that began before the feedback.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from callspan.model.feedback import COMPONENT
from callspan.reading.overview import Row
from callspan.reading.parse import parsed

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

SpanIds = tuple[str, str]
"""Trace ID and span ID."""


@dataclass(slots=True)
class GivenFeedback:
    """One piece of feedback, and what it is about; the names are those of a `FeedbackRecord`.

    `about` is the span that is meant: None for a whole conversation, and where no span in the files is it; then
    `is_known` tells one from the other.
    """

    name: str
    target: str
    score: float | None
    label: str | None
    comment: str | None
    annotator: str
    id: str | None
    key: str | None
    conversation_id: str | None
    step: int | None
    user_id: str | None
    trace_id: str
    parent_id: str | None
    span_id: str
    time_unix_ns: int
    about: SpanIds | None = None
    is_known: bool = False

    @classmethod
    def of(cls, row: Row) -> GivenFeedback:
        """Read a row that has feedback."""
        return cls(
            row.feedback_name or "",
            row.feedback_target or "span",
            row.feedback_score,
            row.feedback_label,
            row.feedback_comment,
            row.feedback_annotator or "human",
            row.feedback_id,
            row.feedback_key,
            row.conversation_id,
            row.step,
            row.user_id,
            row.trace_id,
            row.parent_id,
            row.span_id,
            row.start_time_unix_ns,
        )

    @classmethod
    def of_record(cls, record: SpanRecord) -> GivenFeedback | None:
        """Read a whole record; None where it is no feedback."""
        said = record.feedback
        if said is None:
            return None
        return cls(
            said.name,
            said.target,
            said.score,
            said.label,
            said.comment,
            said.annotator,
            said.id,
            said.key,
            record.conversation_id,
            record.step,
            record.user_id,
            record.trace_id,
            record.parent_id,
            record.span_id,
            record.start_time_unix_ns,
        )

    @property
    def place(self) -> tuple[Any, ...]:
        """What it is about, as it was given."""
        if self.target == "span":
            return ("span", self.trace_id, self.parent_id)
        if self.target == "trace":
            return ("trace", self.trace_id)
        if self.target == "conversation":
            return ("conversation", self.conversation_id, self.step)
        return ("key", self.key)


class Candidate(NamedTuple):
    """A span that may be meant."""

    trace_id: str
    span_id: str
    parent_id: str | None
    start_time_unix_ns: int
    conversation_id: str | None
    step: int | None
    tags: list[str] | None
    metadata: str | None

    @classmethod
    def of(cls, row: Row) -> Candidate:
        """Read a row."""
        return cls(
            row.trace_id,
            row.span_id,
            row.parent_id,
            row.start_time_unix_ns,
            row.conversation_id,
            row.step,
            row.tags,
            row.metadata,
        )

    @classmethod
    def of_record(cls, record: SpanRecord) -> Candidate:
        """Read a whole record."""
        return cls(
            record.trace_id,
            record.span_id,
            record.parent_id,
            record.start_time_unix_ns,
            record.conversation_id,
            record.step,
            record.tags or None,
            json.dumps(record.metadata, default=str) if record.metadata else None,
        )


@dataclass(slots=True)
class Joined:
    """All feedback of the files, once each: the last of those with the same idempotency key.

    `repeated` counts what was left out as a repetition, `unknown` what is about nothing in the files.
    """

    given: list[GivenFeedback] = field(default_factory=list)
    repeated: int = 0

    @property
    def unknown(self) -> int:
        """How many pieces are about nothing in the files; they are kept."""
        return sum(not one.is_known for one in self.given)

    def by_span(self) -> dict[SpanIds, list[GivenFeedback]]:
        """Return the feedback by the span it is about, oldest first."""
        found: dict[SpanIds, list[GivenFeedback]] = {}
        for one in self.given:
            if one.about is not None:
                found.setdefault(one.about, []).append(one)
        return found

    def by_conversation(self) -> dict[str, list[GivenFeedback]]:
        """Return what is about whole conversations, by their IDs."""
        found: dict[str, list[GivenFeedback]] = {}
        for one in self.given:
            if one.target == "conversation" and one.step is None and one.conversation_id is not None:
                found.setdefault(one.conversation_id, []).append(one)
        return found


class Said:
    """Finds what was said of a span: of itself, of a span above it, or of its whole conversation."""

    def __init__(self, joined: Joined, spans: Iterable[Candidate]) -> None:
        """Take in who is above whom."""
        self._parents = {(span.trace_id, span.span_id): span.parent_id for span in spans}
        self._of_span, self._of_conversation = joined.by_span(), joined.by_conversation()

    def of(self, ids: SpanIds, conversation_id: str | None) -> list[GivenFeedback]:
        """Return what was said, oldest first; of the same name from the same kind of judge, the newest alone."""
        said = [*self._of_conversation.get(conversation_id or "", ())]
        seen: set[SpanIds] = set()
        while ids in self._parents and ids not in seen:  # a circle, which a broken file may hold, is walked once
            seen.add(ids)
            said += self._of_span.get(ids, ())
            ids = (ids[0], self._parents[ids] or "")
        newest = {(one.name, one.annotator): one for one in sorted(said, key=lambda one: one.time_unix_ns)}
        return [*newest.values()]


def join(rows: Iterable[Row]) -> Joined:
    """Join the feedback among the rows with the spans among them."""
    known = list(rows)
    given = [GivenFeedback.of(row) for row in known if row.feedback_name is not None]
    spans = (Candidate.of(row) for row in known if row.component != COMPONENT)
    return join_candidates(given, spans)


def join_candidates(given: Iterable[GivenFeedback], spans: Iterable[Candidate]) -> Joined:
    """Join feedback with those of the spans that it is about; each span is looked at once."""
    all_given = list(given)
    kept = _once(all_given)
    wanted: dict[tuple[Any, ...], list[Candidate]] = {one.place: [] for one in kept}
    keys = {place[1] for place in wanted if place[0] == "key"}
    for span in spans:
        for place in _places(span, keys):
            if place in wanted:
                wanted[place].append(span)
    for one in kept:
        _settle(one, wanted[one.place])
    return Joined(kept, len(all_given) - len(kept))


def _once(given: list[GivenFeedback]) -> list[GivenFeedback]:
    """Keep one of what was delivered twice, and the last of what has the same idempotency key."""
    kept: dict[tuple[Any, ...], GivenFeedback] = {}
    for one in sorted(given, key=lambda one: one.time_unix_ns):
        identity = (one.trace_id, one.span_id) if one.id is None else (*one.place, one.name, one.id)
        kept.pop(identity, None)
        kept[identity] = one
    return list(kept.values())


def _places(span: Candidate, keys: set[str]) -> Iterator[tuple[Any, ...]]:
    yield ("span", span.trace_id, span.span_id)
    yield ("trace", span.trace_id)
    if span.conversation_id is not None:
        yield ("conversation", span.conversation_id, None)
        if span.step is not None:
            yield ("conversation", span.conversation_id, span.step)
    if keys:
        for key in keys.intersection(keys_of(span.tags, span.metadata)):
            yield ("key", key)


def keys_of(tags: list[str] | None, metadata: str | None) -> set[str]:
    """Return the business keys of a span: its tags, and `name=value` for each plain value of its metadata.

    >>> sorted(keys_of(["beta"], '{"order": 17, "shop": "eu", "more": [1]}'))
    ['beta', 'order=17', 'shop=eu']
    """
    found = set(tags or ())
    told = parsed(metadata) if metadata else None
    if isinstance(told, dict):
        found.update(f"{name}={value}" for name, value in told.items() if isinstance(value, str | int))
    return found


def _settle(one: GivenFeedback, spans: list[Candidate]) -> None:
    one.is_known = bool(spans)
    if not spans or (one.target == "conversation" and one.step is None):
        return
    ids = {(span.trace_id, span.span_id) for span in spans}
    topmost = [span for span in spans if (span.trace_id, span.parent_id) not in ids]
    ordered = sorted(topmost or spans, key=lambda span: span.start_time_unix_ns)
    earlier = [span for span in ordered if span.start_time_unix_ns <= one.time_unix_ns]
    meant = earlier[-1] if one.target == "key" and earlier else ordered[0]
    one.about = (meant.trace_id, meant.span_id)
