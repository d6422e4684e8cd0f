"""The one guard: callspan's own faults are noted here and never reach the caller.

Noting is an append to a bounded deque, so it is safe on any thread, in a signal handler and in a finaliser. The worker
logs what was noted, at most one line per cause and minute; on the caller's thread nothing is logged but that there is
no worker. The logger is "callspan"; like any, it writes warnings to stderr where the application configures no logging.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from typing import Final

logger: Final = logging.getLogger("callspan")

_LOG_INTERVAL_S: Final = 60.0


class Guard:
    """Notes faults by cause. `strict` re-raises them: callspan's own tests set it, so that no fault hides."""

    def __init__(self) -> None:
        """Start with nothing noted."""
        self.strict = False
        self.counts: Counter[str] = Counter()
        self._fresh: deque[tuple[str, str]] = deque(maxlen=256)
        self._logged_at: dict[str, float] = {}

    def note(self, where: str, error: BaseException) -> None:
        """Note a fault of ours in the part called `where`."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
        self.counts[where] += 1
        self._fresh.append((where, type(error).__name__ + place))
        if self.strict:
            raise error

    def count(self, where: str) -> None:
        """Count something odd that is no fault, such as a span that was ended twice."""
        self.counts[where] += 1

    def log(self) -> None:
        """Log what was noted since the last time; called by the worker."""
        while self._fresh:
            try:
                where, what = self._fresh.popleft()
            except IndexError:  # another thread, which closes the pipeline, logs too
                return
            self.warn(where, f"{where}: {what}. Your code is not affected; some telemetry may be missing.")

    def warn(self, cause: str, message: str) -> None:
        """Log a warning, at most once a minute for the same cause. The application's handlers may fail as they like."""
        now = time.monotonic()
        last = self._logged_at.get(cause)
        if last is None or now - last >= _LOG_INTERVAL_S:
            self._logged_at[cause] = now
            try:
                logger.warning("%s", message)
            except Exception:  # noqa: BLE001 - there is nobody left to tell
                self.counts["logging"] += 1

    def forget(self) -> None:
        """Start anew, for tests."""
        self.counts.clear()
        self._fresh.clear()
        self._logged_at.clear()


guard: Final = Guard()
