"""Sealed spans on their way to the worker; bounded by count and bytes, the oldest dropped first.

`offer` runs on every caller's thread: one append, one addition, two comparisons and no lock, so it may be called from a
signal handler or a finaliser that interrupts another `offer`. Plain `+=` on the counters is safe under the GIL: no
thread switch happens between its load and its store, since no call stands in between. What leaves is counted before it
is taken off, so `offered` may for a moment be too high and never too low: whoever waits for it cannot stop too early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from callspan.model.span import Span

_UNKNOWN: Final = 1.0


class Buffer:
    """A queue with a bell. `attend` is called when somebody should look: too full, enough to do, or nobody awake."""

    __slots__ = (
        "_attend",
        "_before",
        "_bytes_in",
        "_bytes_out",
        "_look",
        "_max_bytes",
        "_max_spans",
        "_spans",
        "_wake_bytes",
        "_wake_spans",
        "awake",
        "dropped",
        "share",
        "spare_bytes",
        "taken",
    )

    def __init__(
        self,
        attend: Callable[[], None],
        max_spans: int = 100_000,
        max_bytes: int = 64 * 1_048_576,
        wake_spans: int = 512,
        before: Callable[[], int] = int,
        look: Callable[[Sequence[Span]], float | None] | None = None,
    ) -> None:
        """Start empty and unattended.

        `before` tells the bytes that wait in front of it and share its bound. `look` tells the `share` of what waits,
        and is asked when the share of others is told, and when there is no room and nobody has told it yet.
        """
        self._look = look
        self._attend = attend
        self._before = before
        self._max_spans = max_spans
        self._max_bytes = max_bytes
        self._wake_spans = min(wake_spans, max_spans)
        self._wake_bytes = max_bytes // 8
        self.reset()

    def reset(self) -> None:
        """Forget everything; also in a forked child, whose parent still has the spans."""
        self._spans: deque[Span] = deque()
        self.share = _UNKNOWN  # of what the spans count, the part that nobody else holds
        self.spare_bytes = 0  # what may wait beyond the bound, since others need less than theirs
        self._bytes_in = self._bytes_out = 0
        self.taken = self.dropped = 0
        self.awake = False

    def __len__(self) -> int:
        """Return how many spans wait."""
        return len(self._spans)

    def __iter__(self) -> Iterator[Span]:
        """Go through what waits; nobody may offer or take meanwhile."""
        return iter(self._spans)

    @property
    def oldest(self) -> Span | None:
        """The span that comes next; None when there is none, or just now another thread took it."""
        try:
            return self._spans[0]
        except IndexError:
            return None

    @property
    def waiting_bytes(self) -> int:
        """The bytes that wait, roughly."""
        return int((self._bytes_in - self._bytes_out) * self.share)

    @property
    def offered(self) -> int:
        """All spans that ever came; for a moment one more per thread that takes spans off."""
        return self.taken + self.dropped + len(self._spans)

    def offer(self, span: Span) -> None:
        """Take a sealed span; the oldest ones make room when it is full."""
        spans = self._spans
        self._bytes_in += span.size  # first, since Ctrl-C can come in after a call
        spans.append(span)
        if not self.awake or len(spans) >= self._wake_spans or self._bytes_in - self._bytes_out >= self._wake_bytes:
            try:
                if len(spans) > self._max_spans or self.waiting_bytes + self._before() > self._max_bytes:
                    self._make_room()  # which looks at what others can spare as well
                self._attend()
            except RecursionError:  # the user's stack is full; whoever ends the next span sees to this one
                return

    def _make_room(self) -> None:
        spans = self._spans
        if self.share is _UNKNOWN:
            self.learn(0)
        most_bytes = self._max_bytes + self.spare_bytes - self._before()
        while len(spans) > self._max_spans or (self.waiting_bytes > most_bytes and len(spans) > 1):
            self.dropped += 1
            try:
                oldest = spans.popleft()
            except IndexError:  # the worker was faster
                self.dropped -= 1
                return
            self._bytes_out += oldest.size

    def learn(self, told: float) -> None:
        """Take the `share` that was told of spans which have left, or that of what waits where it is larger."""
        try:
            found = self._look(self._spans) if self._look is not None else None
        except (IndexError, RuntimeError):  # somebody took one that was looked at; the next one comes soon
            found = None
        self.share = max(told, found or 0) or self.share

    def take(self, count: int, most_bytes: int | None = None) -> list[Span]:
        """Return up to `count` of the oldest spans, fewer when they come to `most_bytes`, but one at least."""
        spans: deque[Span] = self._spans
        taken: list[Span] = []
        size = 0
        while len(taken) < count and (most_bytes is None or size < most_bytes):
            self.taken += 1
            try:
                span = spans.popleft()
            except IndexError:
                self.taken -= 1
                break
            taken.append(span)
            size += span.size
            self._bytes_out += span.size
        return taken

    def put_back(self, spans: Sequence[Span]) -> None:
        """Take back what `take` returned, in front of what came later; the oldest make room when it is full."""
        self._bytes_out -= sum(span.size for span in spans)
        self._spans.extendleft(reversed(spans))
        self.taken -= len(spans)
        self._make_room()
