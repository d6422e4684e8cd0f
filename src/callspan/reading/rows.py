"""The overview of a span, for files of any size: what a line of a tree shows, and where in the file the rest stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Final

from callspan.model.kinds import Kind
from callspan.model.span import Outcome
from callspan.reading import names
from callspan.reading.attributes import Attributes
from callspan.reading.failures import own_message, read_events, take_error
from callspan.reading.files import LoadReport, read_again
from callspan.reading.load import Place, raw_spans
from callspan.reading.otlp import RawSpan, read_attributes, read_request
from callspan.reading.parse import loads

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

_RECORDS_AT_ONCE: Final = 5_000
_WANTED: Final = frozenset(
    chain(
        names.KIND,
        names.OPERATION,
        names.COMPONENT,
        names.OUTCOME,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.EITHER_MODEL,
        names.CONVERSATION,
        names.STEP,
        names.USAGE["input_tokens"],
        names.USAGE["output_tokens"],
        names.USAGE_SOURCE,
        names.FINISH_REASONS,
        names.ERROR_TYPE,
    )
)


@dataclass(slots=True)
class Row:
    """One span in about half a kilobyte. Fields are those of a `SpanRecord` where they have the same name."""

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
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    finish_reason: str | None
    conversation_id: str | None
    step: int | None
    service: str | None

    @property
    def duration_ns(self) -> int:
        """How long the call took, in nanoseconds."""
        return self.end_time_unix_ns - self.start_time_unix_ns


def load_rows(files: Iterable[Path], report: LoadReport, trace_prefix: str = "") -> Iterator[Row]:
    """Yield a row for every span of the files, or for those of traces whose ID starts with the prefix."""
    for place, raw in raw_spans(files, report):
        if raw.trace_id.startswith(trace_prefix):
            yield _row(place, raw)


def records_of(rows: Iterable[Row]) -> Iterator[SpanRecord | None]:
    """Yield the whole record of each row, in bounded memory; None where the file has changed in the meantime."""
    pending = iter(rows)
    while batch := list(islice(pending, _RECORDS_AT_ONCE)):
        records = {(record.trace_id, record.span_id): record for record in _read_batch(batch)}
        for row in batch:
            yield records.get((row.trace_id, row.span_id))


def _read_batch(rows: Iterable[Row]) -> Iterator[SpanRecord]:
    """Read and parse each line once, in the order of the files."""
    from callspan.reading.records import record_of  # noqa: PLC0415 - imports pydantic

    wanted: dict[Path, dict[int, dict[int, Row]]] = {}
    for row in rows:
        file, offset, number = row.place
        wanted.setdefault(file, {}).setdefault(offset, {})[number] = row
    for file, lines in wanted.items():
        for offset, text in read_again(file, lines):
            for number, raw in enumerate(_spans_again(text)):
                known = lines[offset].get(number)
                if known and raw and known.span_id == raw.span_id:
                    yield record_of(raw)


def _spans_again(text: bytes) -> list[RawSpan | None]:
    try:
        return list(read_request(loads(text), lambda _: None))
    except (ValueError, RecursionError):
        return []


def _row(place: Place, raw: RawSpan) -> Row:
    attributes = Attributes(read_attributes(raw.attributes, _WANTED))
    kind, component = names.read_kind(attributes)
    outcome = names.read_outcome(attributes, "error" if raw.status == 2 else "unset")
    error_type, error_message = _error(raw, attributes, outcome)
    answered, either = attributes.text(*names.RESPONSE_MODEL), attributes.text(*names.EITHER_MODEL)
    asked = attributes.text(*names.REQUEST_MODEL)
    return Row(
        place=place,
        trace_id=intern(raw.trace_id),
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        name=intern(raw.name),
        kind=kind,
        component=component,
        start_time_unix_ns=raw.start_ns,
        end_time_unix_ns=raw.end_ns,
        outcome=outcome,
        error_type=error_type,
        error_message=error_message,
        model=_shared(answered or either or asked),
        input_tokens=attributes.count(*names.USAGE["input_tokens"]),
        output_tokens=attributes.count(*names.USAGE["output_tokens"]),
        estimated=attributes.text(*names.USAGE_SOURCE) == "estimated",
        finish_reason=_shared(next(iter(attributes.texts(*names.FINISH_REASONS) or ()), None)),
        conversation_id=_shared(attributes.text(*names.CONVERSATION)),
        step=attributes.count(*names.STEP),
        service=_shared(service_of(raw)),
    )


def service_of(raw: RawSpan) -> str | None:
    """Return the name of the service the span comes from."""
    name = raw.resource.get("service.name")
    return name if isinstance(name, str) else None


def _error(raw: RawSpan, attributes: Attributes, outcome: Outcome) -> tuple[str | None, str | None]:
    kind = attributes.text(*names.ERROR_TYPE)
    if outcome == "ok" and not kind:
        return None, None
    error = take_error(raw, kind, outcome, read_events(raw.events))
    message = own_message(raw.status_message, error)
    return (error.type, error.message or message) if error else (None, message)


def _shared(text: str | None) -> str | None:
    return None if text is None else intern(text)
