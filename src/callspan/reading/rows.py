"""The overview of a span, for files of any size: what a line of a tree shows, and where in the file the rest stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from callspan.model.kinds import Kind, kind_of
from callspan.model.span import Outcome
from callspan.reading import names
from callspan.reading.attributes import Attributes, as_count, as_number, as_texts
from callspan.reading.failures import own_message, read_events, take_error
from callspan.reading.files import LoadReport, Segment, read_again
from callspan.reading.load import Place, raw_spans
from callspan.reading.otlp import RawSpan, read_attributes, read_request
from callspan.reading.parse import loads

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

Made = TypeVar("Made")

_RECORDS_AT_ONCE: Final = 5_000
_SERVICE: Final = frozenset({"service.name"})
_WANTED: Final = frozenset(
    chain(
        names.KIND,
        names.OPERATION,
        names.COMPONENT,
        names.OUTCOME,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.EITHER_MODEL,
        names.CONVERSATION,
        names.STEP,
        names.USER,
        names.TAGS,
        names.METADATA,
        names.USAGE["input_tokens"],
        names.USAGE["output_tokens"],
        names.USAGE_SOURCE,
        names.COST,
        names.FIRST_CHUNK,
        names.FINISH_REASONS,
        names.ERROR_TYPE,
        names.PROMPT_NAME,
        names.PROMPT_VERSION,
        names.FEEDBACK,
        names.FEEDBACK_TARGET,
        names.FEEDBACK_SCORE,
        names.FEEDBACK_LABEL,
        names.FEEDBACK_COMMENT,
        names.FEEDBACK_ANNOTATOR,
        names.FEEDBACK_ID,
        names.FEEDBACK_KEY,
    )
)


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

    @property
    def duration_ns(self) -> int:
        """How long the call took, in nanoseconds."""
        return self.end_time_unix_ns - self.start_time_unix_ns


class Placed(NamedTuple):
    """A span of which only the place is known, enough to read its record."""

    place: Place
    trace_id: str
    span_id: str


def load_rows(
    files: Iterable[Path | Segment],
    report: LoadReport,
    trace_prefix: str = "",
    finds: Callable[[RawSpan], bool] | None = None,
) -> Iterator[Row]:
    """Yield a row for every span of the files, or for those of traces whose ID starts with the prefix.

    `finds` is a search: each row says whether its span is found.
    """
    for place, raw in raw_spans(files, report):
        if raw.trace_id.startswith(trace_prefix):
            row = _row(place, raw)
            if finds is not None:
                row.is_found = finds(raw)
            yield row


def records_of(rows: Iterable[Row | Placed]) -> Iterator[SpanRecord | None]:
    """Yield the whole record of each row, in bounded memory; None where the file has changed in the meantime."""
    from callspan.reading.records import record_of  # noqa: PLC0415 - imports pydantic

    return made_of(rows, record_of)


def made_of(rows: Iterable[Row | Placed], make: Callable[[RawSpan], Made]) -> Iterator[Made | None]:
    """Yield what `make` makes of each row's span, in the order of the rows; None where the file has changed."""
    pending = iter(rows)
    while batch := list(islice(pending, _RECORDS_AT_ONCE)):
        made = {(raw.trace_id, raw.span_id): make(raw) for raw in _read_batch(batch)}
        for row in batch:
            yield made.get((row.trace_id, row.span_id))


def _read_batch(rows: Iterable[Row | Placed]) -> Iterator[RawSpan]:
    """Read and parse each line once, in the order of the files."""
    wanted: dict[Path, dict[int, dict[int, Row | Placed]]] = {}
    for row in rows:
        file, offset, number = row.place
        wanted.setdefault(file, {}).setdefault(offset, {})[number] = row
    for file, lines in wanted.items():
        for offset, text in read_again(file, lines):
            for number, raw in enumerate(_spans_again(text)):
                known = lines[offset].get(number)
                if known and raw and known.span_id == raw.span_id:
                    yield raw


def _spans_again(text: bytes) -> list[RawSpan | None]:
    try:
        return list(read_request(loads(text), lambda _: None))
    except (ValueError, RecursionError):
        return []


def _row(place: Place, raw: RawSpan) -> Row:
    told = read_attributes(raw.attributes, _WANTED)
    kind, component = kind_of(_text(told, names.KIND), _text(told, names.OPERATION))
    outcome = names.outcome_of(told.get(names.OUTCOME[0]), "error" if raw.status == 2 else "unset")
    error_type, error_message = _error(raw, _text(told, names.ERROR_TYPE), outcome)
    row = Row(
        place,
        intern(raw.trace_id),
        raw.span_id,
        raw.parent_id,
        intern(raw.name),
        kind,
        _text(told, names.COMPONENT) or component,
        raw.start_ns,
        raw.end_ns,
        outcome,
        error_type,
        error_message,
        _provider(told),
        _text(told, names.RESPONSE_MODEL) or _text(told, names.EITHER_MODEL) or _text(told, names.REQUEST_MODEL),
        _count(told, names.USAGE["input_tokens"]),
        _count(told, names.USAGE["output_tokens"]),
        told.get(names.USAGE_SOURCE[0]) == "estimated",
        _number(told, names.COST),
        as_number(told.get(names.FIRST_CHUNK[0])),
        _reason(told),
        _text(told, names.PROMPT_NAME),
        _text(told, names.PROMPT_VERSION),
        _text(told, names.CONVERSATION),
        as_count(told.get(names.STEP[0])),
        _text(told, names.USER),
        as_texts(told["tag.tags"]) if "tag.tags" in told else None,
        _text(told, names.METADATA),
        service_of(raw),
    )
    if names.FEEDBACK[0] in told:
        _add_feedback(row, told)
    return row


def _add_feedback(row: Row, told: dict[str, Any]) -> None:
    feedback = names.read_feedback(Attributes(told))
    for field, value in (feedback or {}).items():
        setattr(row, f"feedback_{field}", value)


def _text(told: dict[str, Any], several: tuple[str, ...]) -> str | None:
    """Return the first text under these names, one copy for all spans that have it; as `Attributes.text` reads it."""
    for name in several:
        value = told.get(name)
        if value:
            if type(value) is str:
                return intern(value)
            if type(value) is int:
                return str(value)
    return None


def _count(told: dict[str, Any], several: tuple[str, ...]) -> int | None:
    for name in several:
        if name in told and (count := as_count(told[name])) is not None:
            return count
    return None


def _number(told: dict[str, Any], several: tuple[str, ...]) -> float | None:
    for name in several:
        if name in told and (number := as_number(told[name])) is not None:
            return number
    return None


def _provider(told: dict[str, Any]) -> str | None:
    given = told.get(names.PROVIDER[0])
    if given is None and not any(name in told for name in names.PROVIDER):
        return None
    return names.read_provider(Attributes(told)) if type(given) is not str else intern(given)


def _reason(told: dict[str, Any]) -> str | None:
    for name in names.FINISH_REASONS:
        if name in told and (reasons := as_texts(told[name])):
            return intern(reasons[0])
    return None


def service_of(raw: RawSpan) -> str | None:
    """Return the name of the service the span comes from."""
    name = read_attributes(raw.resource_attributes, _SERVICE).get("service.name")
    return intern(name) if type(name) is str else None


def _error(raw: RawSpan, kind: str | None, outcome: Outcome) -> tuple[str | None, str | None]:
    if outcome == "ok" and not kind:
        return None, None
    error = take_error(raw, kind, outcome, read_events(raw.events))
    message = own_message(raw.status_message, error)
    return (error.type, error.message or message) if error else (None, message)
