"""What is written of many calls, made by as many processes as are wanted, in the order of the calls."""

from __future__ import annotations

import queue
import subprocess
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from callspan.cli.export_worker import receive, send
from callspan.datasets.making import Calls, Clean, Made, columns_for, make
from callspan.errors import CallspanError
from callspan.reading.files import is_packed
from callspan.reading.programs import start_program

CALLS_AT_ONCE: Final = 5_000  # of a packed file, which is unpacked from its start each time
_CALLS_AT_ONCE: Final = 500
_FEWEST: Final = 1_000  # calls that are worth a process
_AHEAD: Final = 2  # chunks that each process may be ahead of what is written


def make_all(
    calls: Iterable[Calls], total: int, form: str, clean: Clean, processes: int
) -> Generator[tuple[Calls, Made], None, None]:
    """Yield the calls, of which there are about `total`, with what was made of them.

    Raises `CallspanError` where a process ends early. However this ends, no process is left.
    """
    chunks = _chunks(calls)
    several = min(processes, total // _FEWEST)
    if several > 1:
        yield from _by_workers(chunks, form, several)
    else:
        yield from ((chunk, make(chunk, form, clean)) for chunk in chunks)


def _chunks(calls: Iterable[Calls]) -> Iterator[Calls]:
    for some in calls:
        count = len(some["file"])
        size = count if any(is_packed(Path(file)) for file in set(some["file"])) else _CALLS_AT_ONCE
        for start in range(0, count, size):
            yield {name: values[start : start + size] for name, values in some.items()}


def _by_workers(chunks: Iterator[Calls], form: str, processes: int) -> Generator[tuple[Calls, Made], None, None]:
    workers = [_start(form) for _ in range(processes)]
    free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    columns = columns_for(form)

    def ask(chunk: Calls) -> Made:
        worker = free.get()
        try:
            return _ask(worker, {name: chunk[name] for name in columns})
        finally:
            free.put(worker)

    threads = ThreadPoolExecutor(processes)
    asked: deque[tuple[Calls, Future[Made]]] = deque()
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


def _ask(worker: subprocess.Popen[bytes], chunk: Calls) -> Made:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        send(worker.stdin, chunk)
        return Made(*receive(worker.stdout))
    except (OSError, EOFError):
        raise CallspanError(f"a process that reads {chunk['file'][0]} ended early; nothing was written") from None
