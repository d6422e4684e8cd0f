"""Usage is counted once: a provider's call that belongs to the span of a framework ends inside that span.

A framework's model span waits for its provider's call (`Site(awaits_provider=True)`). The first one below it, of the
same kind, claims it: that call has a span of its own, which is current nowhere. When it ends while the framework's span
is open, it stays attached there and the worker merges the facts of both; else it is delivered as an ordinary child.
Further calls are ordinary children from the start, and where one of these tells its usage, the first becomes one, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callspan.model.span import Span
from callspan.recording.sites import AWAITED


class Claim:
    """Ties the span of a provider's call to that of a framework. It is the sink of the former.

    The thread that ends the call and the worker that reads the framework's span may come at the same time: whoever
    takes the claim has the call's span.
    """

    __slots__ = ("_deliver", "_framework", "_free")

    def __init__(self, framework: Span, deliver: Callable[[Span], object]) -> None:
        """Tie to `framework`; `deliver` is the sink for a call that it does not take in."""
        self._framework: Span | None = framework
        self._deliver = deliver
        self._free = [True]

    def __call__(self, call: Span) -> None:
        """Take the span of the call, which has ended."""
        framework, self._framework = self._framework, None  # or the two would hold each other
        if framework is None:
            return
        if not framework.end_ns:  # nothing is called in between: the queue has not weighed it yet
            framework.size += call.size
        else:
            self.let_go(call)

    def let_go(self, call: Span) -> None:
        """Deliver the call as a child, unless somebody has taken it."""
        if self.take():
            self._deliver(call)

    def take(self) -> bool:
        """Return whether the call's span is the caller's to tell of: True once."""
        try:
            return self._free.pop()
        except IndexError:
            return False


def is_claimable(current: Any, kind: str) -> bool:
    """Return whether the span that is current takes in a provider's call of this kind."""
    return type(current) is Span and current.provider_call is AWAITED and current.kind == kind and not current.end_ns
