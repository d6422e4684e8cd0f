"""What is written of many calls, made by as many processes as are wanted, in the order of the calls."""

from __future__ import annotations

import queue
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final

from callspan.cli.cleaning import Cleaner
from callspan.cli.export_worker import receive, send
from callspan.datasets.making import Calls, Made, columns_for, make
from callspan.errors import CallspanError
from callspan.reading.files import Again
from callspan.reading.programs import start_program

if TYPE_CHECKING:
    from typing_extensions import Self

_CALLS_AT_ONCE: Final = 500
_FEWEST: Final = 1_000  # calls that are worth a process
_AHEAD: Final = 2  # chunks that each process may be ahead of what is written


class Makers:
    """Makes examples, by other processes where they have been started. In a `with`: at its end, no process is left."""

    def __init__(self, form: str, processes: int) -> None:
        """Take the form of the dataset, and how many processes there may be."""
        self._form = form
        self._most = processes
        self._workers: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(max(processes, 1))

    def start(self, calls: int) -> None:
        """Start as many processes as so many calls are worth, if there are not so many yet."""
        several = min(self._most, calls // _FEWEST)
        if several > 1:
            self._workers += [_start(self._form) for _ in range(several - len(self._workers))]

    def make_all(self, calls: Iterable[Calls]) -> Iterator[tuple[Calls, Made]]:
        """Yield the calls with what was made of them; raises `CallspanError` where a process ends early."""
        chunks = _chunks(calls)
        if self._workers:
            yield from self._by_workers(chunks)
            return
        clean = Cleaner()
        with Again() as again:
            for chunk in chunks:
                yield chunk, make(chunk, self._form, clean, again)

    def _by_workers(self, chunks: Iterator[Calls]) -> Iterator[tuple[Calls, Made]]:
        free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        for worker in self._workers:
            free.put(worker)
        columns = columns_for(self._form)

        def ask(chunk: Calls) -> Made:
            worker = free.get()
            try:
                return _ask(worker, {name: chunk[name] for name in columns})
            finally:
                free.put(worker)

        asked: deque[tuple[Calls, Future[Made]]] = deque()
        for chunk in chunks:
            asked.append((chunk, self._threads.submit(ask, chunk)))
            if len(asked) > len(self._workers) * _AHEAD:
                done, future = asked.popleft()
                yield done, future.result()
        while asked:
            done, future = asked.popleft()
            yield done, future.result()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.communicate()


def _chunks(calls: Iterable[Calls]) -> Iterator[Calls]:
    for some in calls:
        for start in range(0, len(some["file"]), _CALLS_AT_ONCE):
            yield {name: values[start : start + _CALLS_AT_ONCE] for name, values in some.items()}


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
