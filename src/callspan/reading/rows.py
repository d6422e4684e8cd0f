"""Files of any size to rows, one a span, and rows back to records, read again from where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from callspan.reading.evaluations import read_spans
from callspan.reading.files import LoadReport, Segment, read_again, read_lines
from callspan.reading.lean import Wants, lean_reader, lean_spans
from callspan.reading.load import Place, spans_of
from callspan.reading.otlp import RawSpan
from callspan.reading.overview import Row, row_of
from callspan.reading.parse import loads

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

Made = TypeVar("Made")

_RECORDS_AT_ONCE: Final = 5_000


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
    lean = lean_reader() if finds is None else None
    for line in read_lines(files, report):
        rows = lean(line) if lean is not None else None
        if rows is not None:
            report.read += len(rows)
            yield from (row for row in rows if row.trace_id.startswith(trace_prefix)) if trace_prefix else rows
            continue
        for place, raw in spans_of(line, report):
            if raw.trace_id.startswith(trace_prefix):
                row = row_of(place, raw)
                if finds is not None:
                    row.is_found = finds(raw)
                yield row


def records_of(rows: Iterable[Row | Placed]) -> Iterator[SpanRecord | None]:
    """Yield the whole record of each row, in bounded memory; None where the file has changed in the meantime."""
    from callspan.reading.records import record_of  # noqa: PLC0415 - imports pydantic

    return made_of(rows, record_of)


def made_of(
    rows: Iterable[Row | Placed], make: Callable[[RawSpan], Made], wants: Wants | None = None
) -> Iterator[Made | None]:
    """Yield what `make` makes of each row's span, in the order of the rows; None where the file has changed.

    With `wants`, spans have their IDs, their name and the attributes that are wanted; the rest may be there or not.
    """
    pending = iter(rows)
    while batch := list(islice(pending, _RECORDS_AT_ONCE)):
        made = {(raw.trace_id, raw.span_id): make(raw) for raw in _read_batch(batch, wants)}
        for row in batch:
            yield made.get((row.trace_id, row.span_id))


def _read_batch(rows: Iterable[Row | Placed], wants: Wants | None) -> Iterator[RawSpan]:
    """Read and parse each line once, in the order of the files."""
    wanted: dict[Path, dict[int, dict[int, Row | Placed]]] = {}
    for row in rows:
        file, offset, number = row.place
        wanted.setdefault(file, {}).setdefault(offset, {})[number] = row
    for file, lines in wanted.items():
        for offset, text in read_again(file, lines):
            for number, raw in enumerate(_spans_again(text, wants)):
                known = lines[offset].get(number)
                if known and raw and known.span_id == raw.span_id:
                    yield raw


def _spans_again(text: bytes, wants: Wants | None) -> Iterable[RawSpan | None]:
    lean = lean_spans(text, wants) if wants is not None else None
    if lean is not None:
        return lean
    try:
        return list(read_spans(loads(text), lambda _: None))
    except (ValueError, RecursionError):
        return []
