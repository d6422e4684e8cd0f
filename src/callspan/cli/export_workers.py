"""What is written of many calls, made by as many processes as are wanted, in the order of the calls."""

from __future__ import annotations

import queue
import subprocess
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final

from callspan.cli.export_worker import receive, send
from callspan.datasets.making import Clean, Made, make
from callspan.errors import CallspanError
from callspan.reading.files import is_packed
from callspan.reading.programs import start_program

Tree = dict[str, Any]

_ROWS_AT_ONCE: Final = 500
_PACKED_ROWS_AT_ONCE: Final = 5_000  # a packed file is unpacked from its start each time
_FEWEST: Final = 1_000  # rows that are worth a process
_AHEAD: Final = 2  # chunks that each process may be ahead of what is written


def make_all(
    rows: Iterable[Tree], total: int, form: str, clean: Clean, processes: int
) -> Generator[tuple[Tree, Made], None, None]:
    """Yield the rows, of which there are about `total`, with what was made of them.

    Raises `CallspanError` where a process ends early. However this ends, no process is left.
    """
    chunks = _chunks(rows)
    several = min(processes, total // _FEWEST)
    made = _by_workers(chunks, form, several) if several > 1 else ((one, make(one, form, clean)) for one in chunks)
    for chunk, told in made:
        yield from zip(chunk, told, strict=True)


def _chunks(rows: Iterable[Tree]) -> Iterator[list[Tree]]:
    pending = iter(rows)
    for first in pending:
        size = _PACKED_ROWS_AT_ONCE if is_packed(Path(first["file"])) else _ROWS_AT_ONCE
        yield [first, *islice(pending, size - 1)]


def _by_workers(
    chunks: Iterator[list[Tree]], form: str, processes: int
) -> Generator[tuple[list[Tree], Sequence[Made]], None, None]:
    workers = [_start(form) for _ in range(processes)]
    free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def ask(chunk: list[Tree]) -> list[Made]:
        worker = free.get()
        try:
            return _ask(worker, chunk)
        finally:
            free.put(worker)

    threads = ThreadPoolExecutor(processes)
    asked: deque[tuple[list[Tree], Future[list[Made]]]] = deque()
    try:
        for chunk in chunks:
            asked.append((chunk, threads.submit(ask, chunk)))
            if len(asked) > processes * _AHEAD:
                done, future = asked.popleft()
                yield done, future.result()
        while asked:
            done, future = asked.popleft()
            yield done, future.result()
    finally:
        for worker in workers:
            worker.kill()
        threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.communicate()


def _start(form: str) -> subprocess.Popen[bytes]:
    return start_program("callspan.cli.export_worker", form, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _ask(worker: subprocess.Popen[bytes], chunk: list[Tree]) -> list[Made]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        send(worker.stdin, ((*chunk[0],), [(*row.values(),) for row in chunk]))
        return [Made(*one) for one in receive(worker.stdout)]
    except (OSError, EOFError):
        raise CallspanError(f"a process that reads {chunk[0]['file']} ended early; nothing was written") from None
