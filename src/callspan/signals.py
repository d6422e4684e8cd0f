"""SIGTERM, where the application wants callspan to deliver before the process ends by it; nothing is done unasked."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any, Final, Protocol

from callspan.guard import guard

_SIGNAL: Final = signal.SIGTERM


class Deliver(Protocol):
    """Delivers what is left, in bounded time; nothing comes after it when `is_end`."""

    def __call__(self, *, is_end: bool) -> None:
        """Deliver."""


class SigtermHandler:
    """Delivers, then does what would have happened without it: the handler that was there, or the end by the signal.

    A second SIGTERM during the delivery goes on to that at once.
    """

    def __init__(self, deliver: Deliver) -> None:
        """Be off."""
        self._deliver = deliver
        self._is_on = self._is_delivering = False
        self._before: Any = signal.SIG_DFL

    def turn(self, *, is_on: bool) -> None:
        """Install the handler, or put back the one before, unless somebody has put theirs over it."""
        if is_on == self._is_on:
            return
        try:
            if is_on:
                self._install()
            else:
                self._is_on = False
                if signal.getsignal(_SIGNAL) == self._handle:
                    signal.signal(_SIGNAL, self._before)
        except ValueError:  # another thread than the main one; switched off, it only passes the signal on
            if is_on:
                guard.warn("SIGTERM", "flush_on_sigterm has no effect: configure() was not called on the main thread")

    def _install(self) -> None:
        before = signal.getsignal(_SIGNAL)
        if before is None or before is signal.SIG_IGN:  # not Python's, or the process does not want to end
            guard.warn(
                "SIGTERM",
                "flush_on_sigterm has no effect: SIGTERM is ignored, or not handled in Python",
            )
            return
        if before != self._handle:  # else others have put it back
            signal.signal(_SIGNAL, self._handle)
            self._before = before
        self._is_on = True

    def _handle(self, number: int, frame: FrameType | None) -> Any:
        before = self._before
        is_default = before is signal.SIG_DFL
        if self._is_on and not self._is_delivering:
            self._is_delivering = True
            try:
                self._deliver(is_end=is_default)
            except Exception as error:  # noqa: BLE001 - our fault must not keep the process from ending
                guard.note("delivering at SIGTERM", error)
            finally:
                self._is_delivering = False
        if not is_default:
            return before(number, frame)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return None
