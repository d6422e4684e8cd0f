"""Threads of our own: started when needed, revived after they died, and no trap for a process that forks."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

from callspan.guard import guard
from callspan.pipeline.buffer import Buffer

_REST_S: Final = 10.0
_IMPORTS: Final = "<frozen importlib._bootstrap>"
_get_first_ident: Final = threading.get_ident  # gevent replaces it, and gives threads that run other names


class Attendant:
    """The one daemon thread that attends a buffer; `buffer.awake` says whether it is there.

    `loop` runs in it, inside `quiet`, so that nothing of ours is traced. Forked children make a new one.
    """

    def __init__(
        self, buffer: Buffer, loop: Callable[[], None], name: str, quiet: Callable[[], AbstractContextManager[object]]
    ) -> None:
        """Be ready to start."""
        self.thread_id: int | None = None
        self._buffer = buffer
        self._loop = loop
        self._name = name
        self._quiet = quiet
        self._rest_until = 0.0
        self._bell, self._never = _silent_bell(), _silent_bell()

    def start(self) -> bool:
        """Return whether the thread is there, starting one if need be; False where no thread can be had.

        After a failure it is not tried again for ten seconds: threads fail for as long as a limit stands, or for good,
        as at interpreter shutdown.
        """
        buffer = self._buffer
        if buffer.awake:
            return True
        if time.monotonic() < self._rest_until:
            return False
        buffer.awake = True
        try:
            self._bell, self._never = _silent_bell(), _silent_bell()
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except BaseException as error:
            buffer.awake = False  # Ctrl-C or a full stack in here must not leave a buffer that only looks attended
            # A full stack is no sign that threads fail: it is full for now.
            if not isinstance(error, RuntimeError | MemoryError) or isinstance(error, RecursionError):
                raise
            self._rest_until = time.monotonic() + _REST_S
            return False
        return True

    def ring(self) -> None:
        """Wake the thread. Atomic, so safe in a signal handler; while it rings, ringing again costs next to nothing."""
        if self._bell.locked():
            try:
                self._bell.release()
            except RuntimeError:  # another thread was faster
                return

    def wait(self, timeout_s: float) -> None:
        """Sleep until it rings."""
        self._bell.acquire(timeout=timeout_s)

    def rest(self, timeout_s: float) -> None:
        """Sleep, whoever rings. Not by `time.sleep`, which gevent may replace while the thread runs."""
        self._never.acquire(timeout=timeout_s)

    def _run(self) -> None:
        this_thread = threading.get_ident()
        if self.thread_id is not None:  # an interrupted start was repeated
            return
        self.thread_id = this_thread
        self._buffer.awake = True
        try:
            with self._quiet():
                self._loop()
        except BaseException as error:  # noqa: BLE001 - nobody is above us; whoever attends next starts a new thread
            guard.note(self._name, error)
        finally:
            self.thread_id = None
            self._buffer.awake = False


def _silent_bell() -> threading.Lock:
    """Return a lock that is taken: of the kind that goes with the threads of now, which gevent and others may replace.

    A thread of theirs that waited for a real lock would keep all the others from running.
    """
    bell = threading.Lock()
    bell.acquire()
    return bell


def have_gevent_ready() -> None:
    """Have gevent start the thread that resolves names: from 3.12 on, no thread starts any more when Python ends.

    A program that ends before it has resolved any could not deliver its spans otherwise.
    """
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or sys.version_info < (3, 12):
        return
    with suppress(Exception):  # it is of use, not needed
        if monkey.is_module_patched("socket"):
            pool = sys.modules["gevent"].get_hub().threadpool
            pool.size = max(pool.size, 1)


def is_loading(thread_id: int | None) -> bool:
    """Return whether another thread is in the middle of an import."""
    if thread_id is None or thread_id in (threading.get_ident(), _get_first_ident()):
        return False
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - there is no other way to look
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False
