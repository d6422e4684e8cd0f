"""The overview of one span: what a line of a tree shows of it, in half a kilobyte, and where the rest stands.

Written for millions of spans: one look at each attribute, and nothing is made of those that no row shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

from callspan.model.kinds import Kind, kind_of
from callspan.model.span import Outcome
from callspan.reading import names
from callspan.reading.attributes import as_count, as_number, as_texts
from callspan.reading.failures import own_message, read_events, take_error
from callspan.reading.load import Place
from callspan.reading.otlp import LeanSpan, RawSpan, read_attributes, read_value

Tree = dict[str, Any]
Read = Callable[[Any], Any]


@dataclass(slots=True)
class Row:
    """One span in about half a kilobyte. Fields are those of a `SpanRecord` where they have the same name.

    `metadata` is a JSON text. `cost` is in US dollars. `feedback_comment` and its like are those of a `FeedbackRecord`,
    None where the span is no feedback.
    """

    place: Place
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: Kind
    component: str | None
    start_time_unix_ns: int
    end_time_unix_ns: int
    outcome: Outcome
    error_type: str | None
    error_message: str | None
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    cost: float | None
    time_to_first_chunk_s: float | None
    finish_reason: str | None
    prompt_name: str | None
    prompt_version: str | None
    conversation_id: str | None
    step: int | None
    user_id: str | None
    tags: list[str] | None
    metadata: str | None
    service: str | None
    feedback_name: str | None = None
    feedback_target: str | None = None
    feedback_score: float | None = None
    feedback_label: str | None = None
    feedback_comment: str | None = None
    feedback_annotator: str | None = None
    feedback_id: str | None = None
    feedback_key: str | None = None
    is_found: bool = True  # False where a search was made and this is not it
    span: LeanSpan | None = None  # where it was asked to be kept

    @property
    def duration_ns(self) -> int:
        """How long the call took, in nanoseconds."""
        return self.end_time_unix_ns - self.start_time_unix_ns

    @property
    def title(self) -> str:
        """The name; of feedback, with what was thought."""
        score = None if self.feedback_score is None else f"{self.feedback_score:g}"
        return " ".join(filter(None, (self.name, score, self.feedback_label)))


class Fact(NamedTuple):
    """What an attribute tells: a fact, the rank of its name among those of the same fact, and how it is read.

    `read` answers None for a value that is not of the wanted type.
    """

    name: str
    rank: int
    read: Read


def row_of(place: Place, raw: RawSpan) -> Row:
    """Make the row of a span."""
    told = _told(raw.attributes)
    outcome = names.outcome_of(told.get("outcome"), "error" if raw.status == 2 else "unset")
    error = _error(raw, told.get("error_type"), outcome)
    service, own = service_in(raw.resource_attributes), (raw.trace_id, raw.span_id, raw.parent_id, raw.name)
    return make_row(place, *own, raw.start_ns, raw.end_ns, told, service, outcome, error)


def make_row(
    place: Place,
    trace_id: str,
    span_id: str,
    parent_id: str | None,
    name: str,
    start_ns: int,
    end_ns: int,
    told: Tree,
    service: str | None,
    outcome: Outcome = "ok",
    error: tuple[str | None, str | None] = (None, None),
) -> Row:
    """Make a row of a span's own fields, the facts that its attributes tell, and the type and text of an error."""
    known = told.get
    kind, component = kind_of(known("kind"), known("operation"))
    row = Row(
        place,
        intern(trace_id),
        span_id,
        parent_id,
        intern(name),
        kind,
        known("component") or component,
        start_ns,
        end_ns,
        outcome,
        *error,
        known("provider") or names.provider_of(known("host"), known("system")),
        known("model"),
        known("input_tokens"),
        known("output_tokens"),
        known("usage_source") == "estimated",
        known("cost"),
        known("time_to_first_chunk_s"),
        known("finish_reason"),
        known("prompt_name"),
        known("prompt_version"),
        known("conversation_id"),
        known("step"),
        known("user_id"),
        known("tags"),
        known("metadata"),
        service,
    )
    if "feedback_name" in told:
        _add_feedback(row, told)
    return row


def service_in(resource_attributes: object) -> str | None:
    """Return the name of the service, of the attributes of a resource."""
    try:
        for pair in resource_attributes:  # type: ignore[attr-defined]
            if pair["key"] == "service.name":
                return _word(read_value(pair["value"]))
    except (KeyError, TypeError):
        return _word(read_attributes(resource_attributes).get("service.name"))
    return None


def _told(attributes: list[Any]) -> Tree:
    """Return the facts that attributes tell of, each from the best of its names."""
    values = _values(attributes)
    words, others = way(tuple(values))
    told: Tree = {}
    for fact, name in words:
        value = values[name]
        text = value.get("stringValue") if type(value) is dict else None
        word = intern(text) if type(text) is str else _word(read_value(value))
        if word:
            told[fact] = word
    for fact, name, read in others:
        found = read(read_value(values[name]))
        if found is not None:
            told[fact] = found
    return told


def _values(pairs: list[Any]) -> Tree:
    try:
        return {pair["key"]: pair["value"] for pair in pairs if pair["key"] in FACTS}
    except (KeyError, TypeError):  # something in it is odd: one by one then
        known = [pair for pair in pairs if isinstance(pair, dict) and isinstance(pair.get("key"), str)]
        return {pair["key"]: pair.get("value") for pair in known if pair["key"] in FACTS}


@lru_cache(maxsize=4096)
def way(
    attributes: tuple[str, ...], facts: Collection[str] | None = None
) -> tuple[list[tuple[str, str]], list[tuple[str, str, Read]]]:
    """Return which facts to read of which of these attributes, the best names last; texts apart from all others.

    `facts` are those that are wanted, hashable; None wants all.

    Most spans of a program have one of a few sets of attributes, so this is asked once for each set.
    """
    best_last = sorted(attributes, key=lambda name: -FACTS[name].rank)
    told = [
        (FACTS[name].name, name, FACTS[name].read) for name in best_last if facts is None or FACTS[name].name in facts
    ]
    return [(fact, name) for fact, name, read in told if read is _word], [one for one in told if one[2] is not _word]


def _word(value: object) -> str | None:
    """Return a text that is not empty, one copy for all spans that have it; a whole number as a text."""
    if type(value) is str:
        return intern(value) or None
    return str(value) if type(value) is int else None


def _first_word(value: object) -> str | None:
    several = as_texts(value)
    return _word(several[0]) if several else None


def _add_feedback(row: Row, told: Tree) -> None:
    row.feedback_target, row.feedback_annotator = "span", "human"
    for name, value in told.items():
        if name.startswith("feedback_"):
            setattr(row, name, value)


def _error(raw: RawSpan, kind: str | None, outcome: Outcome) -> tuple[str | None, str | None]:
    if outcome == "ok" and not kind:
        return None, None
    error = take_error(raw, kind, outcome, read_events(raw.events))
    message = own_message(raw.status_message, error)
    return (error.type, error.message or message) if error else (None, message)


def _facts() -> Iterator[tuple[str, Fact]]:
    several: tuple[tuple[str, tuple[str, ...], Read], ...] = (
        ("kind", names.KIND, _word),
        ("operation", names.OPERATION, _word),
        ("component", names.COMPONENT, _word),
        ("outcome", names.OUTCOME, _word),
        ("provider", names.PROVIDER, _word),
        ("host", names.HOST, _word),
        ("system", names.SYSTEM, _word),
        ("model", (*names.RESPONSE_MODEL, *names.EITHER_MODEL, *names.REQUEST_MODEL), _word),
        ("input_tokens", names.USAGE["input_tokens"], as_count),
        ("output_tokens", names.USAGE["output_tokens"], as_count),
        ("usage_source", names.USAGE_SOURCE, _word),
        ("cost", names.COST, as_number),
        ("time_to_first_chunk_s", names.FIRST_CHUNK, as_number),
        ("finish_reason", names.FINISH_REASONS, _first_word),
        ("error_type", names.ERROR_TYPE, _word),
        ("prompt_name", names.PROMPT_NAME, _word),
        ("prompt_version", names.PROMPT_VERSION, _word),
        ("conversation_id", names.CONVERSATION, _word),
        ("step", names.STEP, as_count),
        ("user_id", names.USER, _word),
        ("tags", names.TAGS, as_texts),
        ("metadata", names.METADATA, _word),
        ("feedback_name", names.FEEDBACK, _word),
        ("feedback_target", names.FEEDBACK_TARGET, names.as_target),
        ("feedback_score", names.FEEDBACK_SCORE, as_number),
        ("feedback_label", names.FEEDBACK_LABEL, _word),
        ("feedback_comment", names.FEEDBACK_COMMENT, _word),
        ("feedback_annotator", names.FEEDBACK_ANNOTATOR, _word),
        ("feedback_id", names.FEEDBACK_ID, _word),
        ("feedback_key", names.FEEDBACK_KEY, _word),
    )
    for fact, spellings, read in several:
        for rank, spelling in enumerate(spellings):
            yield spelling, Fact(fact, rank, read)


FACTS: Final[dict[str, Fact]] = dict(_facts())
"""What attributes tell, by their names; a row is made of these alone."""
