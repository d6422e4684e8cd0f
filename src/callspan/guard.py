"""The one guard: callspan's own faults are noted here and never reach the caller.

Noting is an append to a bounded deque, so it is safe on any thread, in a signal handler and in a finaliser. The worker
logs what was noted, at most one line per cause and minute; nothing is logged on the caller's thread.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from typing import Final

logger: Final = logging.getLogger("callspan")
logger.addHandler(logging.NullHandler())

_LOG_INTERVAL_S: Final = 60.0


class Guard:
    """Notes faults by cause. `strict` re-raises them: callspan's own tests set it, so no fault hides behind the guard."""

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
            where, what = self._fresh.popleft()
            self.warn(where, f"{where}: {what}. Your code is not affected; some telemetry may be missing.")

    def warn(self, cause: str, message: str) -> None:
        """Log a warning, at most once a minute for the same cause."""
        now = time.monotonic()
        last = self._logged_at.get(cause)
        if last is None or now - last >= _LOG_INTERVAL_S:
            self._logged_at[cause] = now
            logger.warning("%s", message)


guard: Final = Guard()
