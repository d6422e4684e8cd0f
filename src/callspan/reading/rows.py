"""Files of any size to rows, one a span, and rows back to records, read again from where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from callspan.reading.evaluations import read_spans
from callspan.reading.files import Again, LoadReport, Segment, read_lines
from callspan.reading.lean import Keep, lean_reader, lean_spans
from callspan.reading.load import Place, spans_of
from callspan.reading.otlp import LeanSpan, RawSpan, Wants
from callspan.reading.overview import Row, row_of
from callspan.reading.parse import loads

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

AnySpan = TypeVar("AnySpan", RawSpan, LeanSpan)

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
    *,
    facts: frozenset[str] | None = None,
    keep: Keep | None = None,
) -> Iterator[Row]:
    """Yield a row for every span of the files, or for those of traces whose ID starts with the prefix.

    `finds` is a search: each row says whether its span is found. `facts` are those that rows are needed for: of others
    they may not tell; None wants all. `keep` says which rows keep their span.
    """
    lean = lean_reader(facts, keep) if finds is None else None
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
                if keep is not None and keep.is_for(row):
                    row.span = LeanSpan.of(raw, keep.wants)
                yield row


def records_of(rows: Iterable[Row | Placed]) -> Iterator[SpanRecord | None]:
    """Yield the whole record of each row, in bounded memory; None where the file has changed in the meantime."""
    from callspan.reading.records import record_of  # noqa: PLC0415 - imports pydantic

    pending = iter(rows)
    with Again() as again:
        while batch := list(islice(pending, _RECORDS_AT_ONCE)):
            ordered = sorted(batch, key=lambda row: row.place)
            found = _in_order(ordered, _spans_in, again)
            made = {(raw.trace_id, raw.span_id): record_of(raw) for raw in found if raw is not None}
            for row in batch:
                yield made.get((row.trace_id, row.span_id))


def lean_spans_of(rows: Iterable[Placed], wants: Wants, again: Again) -> Iterator[LeanSpan | None]:
    """Yield the spans of rows, which are in the order of the files and find room in memory; None where one has changed.

    They have the attributes that are wanted. They are read through `again`.
    """

    def read(text: bytes) -> list[LeanSpan | None]:
        found = lean_spans(text, wants)
        if found is not None:
            return [*found]
        return [None if raw is None else LeanSpan.of(raw, wants) for raw in _spans_in(text)]

    return _in_order(rows, read, again)


def _in_order(
    rows: Iterable[Row | Placed], read: Callable[[bytes], list[AnySpan | None]], again: Again
) -> Iterator[AnySpan | None]:
    """Read each line once; the rows are in the order of the files."""
    for file, several in groupby(rows, key=lambda row: row.place.file):
        some = list(several)
        lines = again.lines(file, dict.fromkeys(row.place.offset for row in some))
        at, spans = -1, list[AnySpan | None]()
        for row in some:
            _, offset, number = row.place
            if offset != at:
                at = offset
                spans = read(next(lines, (0, b""))[1])
            found = spans[number] if number < len(spans) else None
            yield found if found is not None and found.span_id == row.span_id else None


def _spans_in(text: bytes) -> list[RawSpan | None]:
    try:
        return list(read_spans(loads(text), lambda _: None))
    except (ValueError, RecursionError):
        return []
