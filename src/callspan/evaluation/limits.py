"""How fast and how much may be asked: a pace, retries, and a budget that is never exceeded."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

_RETRIED: Final = frozenset([408, 409, 429, 500, 502, 503, 504])
_TRANSIENT: Final = ("Timeout", "Connection", "Connect", "Network", "RemoteProtocol", "ReadError", "Incomplete")
_LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How the work is spread. A failed request is tried again up to `attempts` times in all, later each time."""

    concurrency: int = 8
    requests_per_minute: float | None = None
    attempts: int = 4
    timeout_s: float = 60.0
    first_wait_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used in all. `cost` is in the currency of the prices, which are per million tokens."""

    tokens: int | None = None
    cost: float | None = None
    input_price: float = 0.0
    output_price: float = 0.0

    def price_of(self, input_tokens: int, output_tokens: int) -> float:
        """Return what so many tokens cost."""
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1e6


@dataclass
class Purse:
    """Keeps a budget: what a request may use at the most is put aside before it is sent."""

    budget: Budget
    spent_tokens: int = 0
    spent_cost: float = 0.0
    _aside_tokens: int = 0
    _aside_cost: float = 0.0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def reserve(self, tokens: int) -> bool:
        """Put tokens aside, waiting for others to come back with change; False when the rest can never be enough."""
        async with self._changed:
            while not self._fits(tokens):
                if not self._aside_tokens:
                    return False
                await self._changed.wait()
            self._put_aside(tokens, 1)
        return True

    async def settle(self, reserved: int, input_tokens: int, output_tokens: int) -> None:
        """Give back what was put aside and note what was used."""
        async with self._changed:
            self._put_aside(reserved, -1)
            self.spent_tokens += input_tokens + output_tokens
            self.spent_cost += self.budget.price_of(input_tokens, output_tokens)
            self._changed.notify_all()

    def _fits(self, tokens: int) -> bool:
        limit = self.budget
        most = tokens * max(limit.input_price, limit.output_price) / 1e6
        return (limit.tokens is None or self.spent_tokens + self._aside_tokens + tokens <= limit.tokens) and (
            limit.cost is None or self.spent_cost + self._aside_cost + most <= limit.cost
        )

    def _put_aside(self, tokens: int, sign: int) -> None:
        self._aside_tokens += sign * tokens
        self._aside_cost += sign * tokens * max(self.budget.input_price, self.budget.output_price) / 1e6


class Pace:
    """Lets requests through at most so often, and none while a server asked for patience."""

    def __init__(self, requests_per_minute: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Start now."""
        self._gap_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock
        self._next = clock()
        self._held_until = self._next

    async def wait(self) -> None:
        """Wait for one's turn."""
        turn = max(self._next, self._clock())
        self._next = turn + self._gap_s
        while (left := max(turn, self._held_until) - self._clock()) > 0:  # noqa: ASYNC110 - it may be held meanwhile
            await asyncio.sleep(left)

    def hold(self, seconds: float) -> None:
        """Let nobody through for a while."""
        self._held_until = max(self._held_until, self._clock() + seconds)


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later: by its status, else by the name of the error."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _RETRIED
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    return any(word in kind.__name__ for kind in type(error).__mro__ for word in _TRANSIENT)


def retry_after_s(error: BaseException) -> float | None:
    """Return how long the server asked to wait, in seconds or as a date; None when it did not."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    text = str(headers.get("retry-after") or "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def wait_s(limits: Limits, failures: int) -> float:
    """Return how long to wait after so many failures: a random share of a time that doubles."""
    return random.uniform(0, min(limits.first_wait_s * 2**failures, _LONGEST_WAIT_S))  # noqa: S311 - no secret
