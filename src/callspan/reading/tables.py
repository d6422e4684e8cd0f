"""Files of spans to one Arrow table, on as many processors as are wanted.

A large file is cut into segments, which workers of our own read: programs with nothing of the caller's in them, so that
a script without `if __name__ == "__main__"` can ask for several.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from callspan.errors import CallspanError
from callspan.reading.columns import batch_of, facts_for, schema
from callspan.reading.files import LoadReport, Segment, files_of, is_packed
from callspan.reading.programs import start_program
from callspan.reading.rows import load_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from callspan.reading.lean import Keep
    from callspan.reading.overview import Row

Progress = Callable[[int, int], object]
"""Told how many bytes of how many have been read."""

_MISSING: Final = 'tables need pyarrow and DuckDB: python -m pip install "callspan[reading]"'
_ROWS_AT_ONCE: Final = 2_000  # a megabyte, which is still near when columns are made of it
_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_TAKEN_AT_ONCE: Final = 32  # rows with their spans: few enough that what was read is still near


class Beside(Protocol):
    """Does something with spans while they are read for a table, so that they are read but once."""

    @property
    def keep(self) -> Keep:
        """Which rows keep their span."""

    @property
    def program(self) -> tuple[str, ...]:
        """The module, and its arguments, that is `table_worker` with the same beside."""

    def take(self, rows: Sequence[Row]) -> None:
        """Take the spans of some rows of one file, in their order."""

    def finish(self) -> None:
        """There are no more."""


def to_arrow(
    path: str | os.PathLike[str] | Sequence[Path],
    *,
    report: LoadReport | None = None,
    processes: int = 1,
    on_progress: Progress | None = None,
    columns: Collection[str] | None = None,
    beside: Beside | None = None,
) -> pa.Table:
    """Read a file, a folder, a glob or a list of files into a table: `callspan.reading.columns`, a row a span.

    One million spans take about 350 MB. `processes` reads large files with so many at once. `columns` are those that
    are wanted, by default all: fewer take less time. What cannot be read is counted in `report`. `beside` sees the
    spans. Needs `callspan[reading]`; raises `ReadError` for a missing path.
    """
    check_arrow()
    files = list(path) if isinstance(path, Sequence) and not isinstance(path, str) else files_of(path)
    told = LoadReport() if report is None else report
    segments = list(_segments(files))
    total = sum(file.stat().st_size for file in files if file.exists())
    if processes > 1 and len(segments) > 1:
        shares = _shares(segments, min(processes, len(segments)))
        return _table(_read_with(shares, told, total, on_progress, columns, beside), columns)

    def moved(done: int) -> None:
        if on_progress is not None:
            on_progress(done, total)

    return _table(list(batches(segments, told, moved, columns, beside)), columns)


def check_arrow() -> None:
    """Say which extra brings pyarrow, where it is missing. It is not imported: programs of ours may start meanwhile."""
    if find_spec("pyarrow") is None:
        raise CallspanError(_MISSING)


def import_arrow() -> Any:
    """Import pyarrow, or say which extra brings it."""
    try:
        import pyarrow as pa  # noqa: PLC0415
    except ImportError:
        raise CallspanError(_MISSING) from None
    return pa


def batches(
    segments: Sequence[Segment],
    report: LoadReport,
    on_bytes: Callable[[int], object],
    columns: Collection[str] | None,
    beside: Beside | None,
) -> Iterator[pa.RecordBatch]:
    """Yield the spans of the segments, some thousand at a time: those of many small files together."""
    shape, done = schema(columns), 0
    some: list[Row] = []
    facts = None if columns is None else facts_for(columns)
    for segment in segments:
        rows = load_rows([segment], report, facts=facts, keep=None if beside is None else beside.keep)
        if beside is not None:
            rows = _taken(rows, beside)
        while more := list(islice(rows, _ROWS_AT_ONCE - len(some))):
            some += more
            if len(some) >= _ROWS_AT_ONCE:
                yield batch_of(some, shape)
                on_bytes(done + some[-1].place.offset - segment.start)
                some = []
        done += _size(segment)
    if some:
        yield batch_of(some, shape)
    if beside is not None:
        beside.finish()
    on_bytes(done)


def _taken(rows: Iterator[Row], beside: Beside) -> Iterator[Row]:
    while some := list(islice(rows, _TAKEN_AT_ONCE)):
        beside.take(some)
        for row in some:
            row.span = None
        yield from some


def _size(segment: Segment) -> int:
    size = segment.file.stat().st_size if segment.file.exists() else 0
    return (size if segment.end is None else min(segment.end, size)) - segment.start


def _segments(files: Sequence[Path]) -> Iterator[Segment]:
    for file in files:
        size = file.stat().st_size if file.exists() else 0
        if size <= _SEGMENT_BYTES or is_packed(file):
            yield Segment(file)
            continue
        starts = range(0, size, _SEGMENT_BYTES)
        for start in starts:
            is_last = start == starts[-1]
            yield Segment(file, start, None if is_last else start + _SEGMENT_BYTES)


def _table(found: list[pa.RecordBatch], columns: Collection[str] | None) -> pa.Table:
    pa = import_arrow()
    return pa.Table.from_batches(found, schema=schema(columns)).unify_dictionaries()


def _shares(segments: list[Segment], processes: int) -> list[list[Segment]]:
    """Share the segments among workers: each reads neighbours, so that the order stays that of the files."""
    bounds = [number * len(segments) // processes for number in range(processes + 1)]
    return [segments[start:end] for start, end in pairwise(bounds)]


def _read_with(
    shares: list[list[Segment]],
    report: LoadReport,
    total: int,
    on_progress: Progress | None,
    columns: Collection[str] | None,
    beside: Beside | None,
) -> list[pa.RecordBatch]:
    done = [0] * len(shares)

    def read(number: int) -> tuple[list[pa.RecordBatch], LoadReport]:
        def moved(now: int) -> None:
            done[number] = now
            if on_progress is not None:
                on_progress(sum(done), total)

        return _from_worker(workers[number], shares[number], columns, moved)

    program = ("callspan.reading.table_worker",) if beside is None else beside.program
    workers = [start_program(*program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in shares]
    threads = ThreadPoolExecutor(len(shares))
    try:
        parts = list(threads.map(read, range(len(shares))))
    finally:  # first the workers, which the threads wait for
        for worker in workers:
            worker.kill()
        threads.shutdown()
        for worker in workers:
            worker.wait()
    for _, told in parts:
        report.add(told)
    return [batch for some, _ in parts for batch in some]


def _order(share: list[Segment], columns: Collection[str] | None) -> bytes:
    """Say what a worker is to read; there may be more files than arguments of a program can name."""
    segments = [[str(file), start, end] for file, start, end in share]
    return json.dumps([segments, None if columns is None else sorted(columns)]).encode()


def _from_worker(
    worker: subprocess.Popen[bytes],
    share: list[Segment],
    columns: Collection[str] | None,
    moved: Callable[[int], object],
) -> tuple[list[pa.RecordBatch], LoadReport]:
    pa = import_arrow()
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        with worker.stdin:
            worker.stdin.write(_order(share, columns))
        found, told = [], {}
        with worker.stdout, pa.ipc.open_stream(worker.stdout) as stream:
            for batch, told in stream.iter_batches_with_custom_metadata():
                found.append(batch)
                moved(int(told[b"bytes"]))
        if b"error" in told:
            raise CallspanError(f"a worker that reads {share[0].file} had to stop: {told[b'error'].decode()}")
        return found, _report(told[b"report"])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise CallspanError(f"a worker that reads {share[0].file} ended early: {type(error).__name__}") from None


def _report(text: bytes) -> LoadReport:
    told = json.loads(text)
    first = [(file, line, why) for file, line, why in told["first_bad"]]
    return LoadReport(told["read"], Counter(told["bad"]), first, Counter(told["lines"]))
