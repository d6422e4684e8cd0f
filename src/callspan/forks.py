"""Forks while threads of ours run: what no fork may cut in half, and who has to start over in a child.

A child forked in the middle of an import finds half a module, or waits for ever for a lock that nobody has any more.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

LONGEST_S: Final = 5.0  # that a fork waits, and what must not be cut waits for a fork


class Watcher(Protocol):
    """Somebody who has threads."""

    def before_fork(self, deadline: float) -> None:
        """Wait for what a fork must not cut and nobody has kept forks off, until `time.monotonic()` is `deadline`."""

    def after_fork(self) -> None:
        """Start over in a child."""


class Forks:
    """Keeps forks and what they must not cut apart. There is one for the process, whose hooks are called by forks."""

    def __init__(self) -> None:
        """Start with nobody to tell."""
        self._lock = threading.RLock()  # a thread may fork in the middle of its own import
        self._held_by: int | None = None
        self._watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of forks for as long as it lives."""
        self._watchers.add(watcher)

    @contextmanager
    def kept_off(self) -> Iterator[None]:
        """Have no other thread fork meanwhile: for imports on threads of ours, and what takes locks of libraries."""
        lock = self._lock
        has_it = lock.acquire(timeout=LONGEST_S)
        try:
            yield
        finally:
            if has_it:
                lock.release()

    def before(self) -> None:
        """Wait until a fork cuts nothing."""
        deadline = time.monotonic() + LONGEST_S
        if self._lock.acquire(timeout=LONGEST_S):
            self._held_by = threading.get_ident()
        for watcher in list(self._watchers):
            watcher.before_fork(deadline)

    def after_in_parent(self) -> None:
        """Go on, unless the lock is that of another thread, which forks just now."""
        if self._held_by == threading.get_ident():
            self._held_by = None
            self._lock.release()

    def after_in_child(self) -> None:
        """Start over: nobody who had a lock is here but this thread."""
        self._lock = threading.RLock()
        self._held_by = None
        for watcher in list(self._watchers):
            watcher.after_fork()


forks: Final = Forks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=forks.before, after_in_parent=forks.after_in_parent, after_in_child=forks.after_in_child)
