"""Files of spans to records: `for record in load("traces.jsonl")`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from callspan.reading.evaluations import read_spans
from callspan.reading.files import Line, LoadReport, Segment, files_of, read_lines
from callspan.reading.otlp import RawSpan
from callspan.reading.parse import loads

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

__all__ = ["LoadReport", "load"]


class Place(NamedTuple):
    """Where a span stands: the file, the byte its line starts at, and the number of the span in it, from 0."""

    file: Path
    offset: int
    number: int


def load(path: str | os.PathLike[str], *, report: LoadReport | None = None) -> Iterator[SpanRecord]:
    """Read every span of a file, or of all files in a folder, one after the other and in bounded memory.

    Files hold one OTLP JSON request per line, as the file exporters of callspan and of the OTel Collector write them,
    plain or gzip. What cannot be read is skipped and counted in `report`, by reason. Raises `ReadError`, an `OSError`,
    when `path` itself is missing or cannot be opened.

    >>> from callspan.reading.load import LoadReport, load
    >>> report = LoadReport()
    >>> [record.name for record in load("traces.jsonl", report=report)]  # doctest: +SKIP
    ['answer', 'chat gpt-4o']
    """
    return _records(files_of(path), LoadReport() if report is None else report)


def _records(files: Iterable[Path], report: LoadReport) -> Iterator[SpanRecord]:
    from callspan.reading.records import record_of  # noqa: PLC0415 - imports pydantic

    for _, raw in raw_spans(files, report):
        yield record_of(raw)


def raw_spans(files: Iterable[Path | Segment], report: LoadReport) -> Iterator[tuple[Place, RawSpan]]:
    """Yield every span of the files with its place; the report counts them, and what cannot be read."""
    for line in read_lines(files, report):
        yield from spans_of(line, report)


def spans_of(line: Line, report: LoadReport) -> Iterator[tuple[Place, RawSpan]]:
    """Yield every span of a line with its place; the report counts them, and what cannot be read.

    Evaluations by other tools are spans, too (`callspan.reading.evaluations`), but are not counted.
    """

    def complain(reason: str) -> None:
        report.complain(line.file, line.number, reason)

    try:
        for number, raw in enumerate(read_spans(loads(line.text), complain)):
            if raw is not None:
                report.read += type(raw) is RawSpan
                yield Place(line.file, line.offset, number), raw
    except RecursionError:
        complain("nested too deeply")
    except ValueError:
        complain("not JSON" if line.text.endswith(b"\n") else "cut off in the middle")
