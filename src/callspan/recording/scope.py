"""What holds for every span below a `with`: conversation and step, user, tags, metadata, prompts.

A scope is immutable and travels in the OpenTelemetry context, so it goes wherever that goes: tasks, generators and
(with `instrument("threads")`) threads.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

_CONVERSATIONS_KEPT: Final = 10_000


class Scope:
    """One level of scope. `step` is set on the scope inside a turn; `metadata` is a snapshot."""

    __slots__ = ("conversation_id", "metadata", "prompts", "step", "tags", "user_id")

    def __init__(
        self,
        conversation_id: str | None = None,
        step: int | None = None,
        user_id: str | None = None,
        tags: tuple[str, ...] = (),
        metadata: tuple[Any, ...] = (),
        prompts: tuple[Any, ...] = (),
    ) -> None:
        """Hold the values; `metadata` is a tuple of snapshots, later ones win."""
        self.conversation_id = conversation_id
        self.step = step
        self.user_id = user_id
        self.tags = tags
        self.metadata = metadata
        self.prompts = prompts

    def converse(self, conversation_id: str, step: int | None, user_id: str | None) -> Scope:
        """Return the scope inside a conversation; inside a turn of the same one, the turn goes on."""
        if step is None and conversation_id == self.conversation_id:
            step = self.step
        return Scope(conversation_id, step, user_id or self.user_id, self.tags, self.metadata, self.prompts)

    def add(self, user_id: str | None, tags: tuple[str, ...], metadata: tuple[Any, ...]) -> Scope:
        """Return the scope with more said about what is below."""
        new = tuple(tag for tag in tags if tag not in self.tags)
        return Scope(
            self.conversation_id,
            self.step,
            user_id or self.user_id,
            self.tags + new,
            self.metadata + metadata,
            self.prompts,
        )

    def use_prompt(self, rendered: Any) -> Scope:
        """Return the scope in which model calls come from this prompt too."""
        return Scope(self.conversation_id, self.step, self.user_id, self.tags, self.metadata, (*self.prompts, rendered))

    def turn(self) -> Scope:
        """Return the scope inside the next turn of the conversation."""
        assert self.conversation_id is not None
        step = steps.next(self.conversation_id)
        return Scope(self.conversation_id, step, self.user_id, self.tags, self.metadata, self.prompts)


class StepCounter:
    """Numbers the turns of the conversations seen last, from 1; the ones silent longest are forgotten first."""

    def __init__(self, limit: int = _CONVERSATIONS_KEPT) -> None:
        """Remember at most `limit` conversations."""
        self._limit = limit
        self._counts: OrderedDict[str, Iterator[int]] = OrderedDict()

    def next(self, conversation_id: str) -> int:
        """Return the next number. Each operation is atomic, so there is no lock a signal handler could meet."""
        counts = self._counts
        count = counts.get(conversation_id) or counts.setdefault(conversation_id, itertools.count(1))
        try:
            counts.move_to_end(conversation_id)
            if len(counts) > self._limit:
                counts.popitem(last=False)
        except KeyError:
            pass  # another thread evicted it just now
        return next(count)

    def forget(self) -> None:
        """Start over; for tests."""
        self._counts.clear()


steps: Final = StepCounter()
EMPTY_SCOPE: Final = Scope()
