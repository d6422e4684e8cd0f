"""Opens spans, freezes what they are given, seals them and hands them to the sink.

This is the hot path: everything here runs on the caller's thread, a few microseconds per span.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from callspan.forks import forks
from callspan.guard import guard
from callspan.model.span import STATUS_UNSET, ErrorFacts, InertSpan, Snapshot, Span
from callspan.recording import errors
from callspan.recording.clock import Clock
from callspan.recording.ids import IdSource, ids
from callspan.recording.otel import (
    PLAIN_SUPPRESS_KEY,
    SCOPE_KEY,
    SPAN_KEY,
    SUPPRESS_KEY,
    Context,
    get_context,
)
from callspan.recording.sampling import MASK, SamplingRules
from callspan.recording.sites import Site
from callspan.recording.snapshot import freeze

if TYPE_CHECKING:
    from callspan.model.facts import Facts

Sink = Callable[[Span], object]
Opened = tuple[Any, Context, Context]
"""A `Span` or an `InertSpan`, the context in which it is current, and the context around it."""


SPAN_BYTES: Final = 1024
"""What a span holds beside its values, roughly: itself, its numbers, and the tuples of its snapshots."""

_open: Callable[[Span], Facts] | None = None


class Recorder:
    """Makes spans for one pipeline. `sink` takes every sealed span; `bound` is the sampling bound (`sampling`)."""

    __slots__ = ("bound", "clock", "ids", "rules", "sampled_out", "sink", "ticks")

    def __init__(
        self,
        sink: Sink,
        bound: int | None = None,
        clock: Clock | None = None,
        id_source: IdSource | None = None,
        rules: SamplingRules | None = None,
    ) -> None:
        """Record everything unless `bound` or `rules` say otherwise; tests pass a clock and IDs of their own."""
        self.sink = sink
        self.bound: Final = bound
        self.rules: Final = rules
        self.clock: Final = clock or Clock()
        self.ids: Final = id_source or ids
        self.ticks: Final = self.clock.ticks
        self.sampled_out = 0

    def open(self, site: Site, outer: Context | None = None, key: str = SPAN_KEY) -> Opened | None:
        """Make a span under what is current in `outer`, here by default; None when nothing is to be recorded here.

        Its context has it under `key`, too. One that is not sampled is inert: current for what is below, unrecorded.
        """
        outer = get_context() if outer is None else outer
        trace_id = 0
        parent_id = trace_state = None
        kind: Any = None
        scope: Any = None
        if outer:
            if outer.get(SUPPRESS_KEY):
                return None
            parent: Any = outer.get(SPAN_KEY)
            kind = type(parent)
            if kind is InertSpan:
                if parent.trace_id:
                    return None
            elif kind is Span:
                trace_id, parent_id, trace_state = parent.trace_id, parent.span_id, parent.trace_state
            elif parent is not None:
                context = parent.get_span_context()
                if context.is_valid:
                    if not context.trace_flags.sampled and (self.rules is None or self.rules.follows_parent):
                        return None
                    trace_id, parent_id, trace_state = context.trace_id, context.span_id, context.trace_state
            if outer.get(PLAIN_SUPPRESS_KEY):
                return None
            scope = outer.get(SCOPE_KEY)
            if scope is not None and scope.step is None and scope.conversation_id is not None:
                scope = scope.turn()
                own: dict[str, object] = {**outer, SCOPE_KEY: scope}
            else:
                own = {**outer}
        else:
            own = {}
        random_bits = self.ids.random_bits
        bound = None if trace_id else self.bound
        if self.rules is not None:
            bound = self.rules.bound(site, is_root=not trace_id, is_ours=kind is Span)
        trace_id = trace_id or random_bits(128) or 1
        if bound is not None and trace_id & MASK >= bound:
            self.sampled_out += 1
            own[SPAN_KEY] = inert = InertSpan.__new__(InertSpan)
            inert.trace_id, inert.span_id = trace_id, random_bits(64) or 1
            return inert, Context(own), outer
        own[SPAN_KEY] = own[key] = span = Span()
        span._recording = self  # noqa: SLF001 - the recorder is the other half of a span
        span.name, span.kind, span.component = site.name, site.kind, site.component
        span.reader = site.reader
        span.site, span.scope, span.provider_call = site, scope, site.provider_call
        span.trace_id, span.span_id = trace_id, random_bits(64) or 1
        span.parent_id, span.trace_state, span.is_entry = parent_id, trace_state, kind is not Span
        span.end_ns, span.size = 0, SPAN_BYTES
        span.status, span.outcome, span.usage_below = STATUS_UNSET, "ok", False
        span.input = span.output = span.attributes = span.events = span.links = span.prompts = None
        span.error = span.status_message = span.stream = span.truncated = span.facts = None
        return span, Context(own), outer

    def start(self, span: Span) -> None:
        """Start the span's clock; the last thing before the user's code runs."""
        ticks = self.ticks()
        span._ticks = ticks  # noqa: SLF001
        span.start_ns = ticks + self.clock.offset_ns

    def freeze(self, span: Span, field: str, value: object) -> Snapshot | None:
        """Take a private copy of one value for `field` of the span; never raises."""
        try:
            snapshot = freeze([value], None, span.site.open_objects)
            span.size += snapshot[3]
            if snapshot[4] or snapshot[5]:
                account(span, field, snapshot)
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("freezing a value", error)
            return None
        return snapshot

    def describe_error(self, span: Span, error: BaseException) -> ErrorFacts:
        """Copy what may be told of an exception; never raises."""
        try:
            facts = errors.describe(error)
        except RecursionError:  # the user's stack is full, which is most likely what is to be described
            facts = ErrorFacts("RecursionError" if type(error) is RecursionError else "Exception", "", [])
        except Exception as fault:  # noqa: BLE001
            guard.note("describing an exception", fault)
            facts = ErrorFacts("Exception", "", [])
        span.size += len(facts.message)
        return facts

    def open_facts(self, span: Span) -> Facts:
        """Open the span's snapshots; in the worker, so what reads them is imported there."""
        global _open  # noqa: PLW0603 - an import statement costs a microsecond each time
        if _open is None:
            with forks.kept_off():
                from callspan.recording.opening import open_facts  # noqa: PLC0415

            _open = open_facts
        return _open(span)

    def now_ns(self) -> int:
        """Return the wall clock in nanoseconds since 1970."""
        return self.clock.now_ns()

    def seal(self, span: Span, end_ns: int | None = None) -> None:
        """End the span and hand it to the sink; the second time is counted and does nothing."""
        if end_ns is None:
            end_ns = span.start_ns + self.ticks() - span._ticks  # noqa: SLF001
        end_ns = max(end_ns, span.start_ns)
        # No call stands between the check and the assignment, so no other thread can come between them.
        if span.end_ns:
            guard.count("span ended twice")
            return
        span.end_ns = end_ns
        self.sink(span)


def account(span: Span, field: str, snapshot: Snapshot) -> None:
    """Note on the span what was cut from a snapshot of `field`, and the prompts that were seen in it."""
    cut_bytes, prompts = snapshot[4], snapshot[5]
    if cut_bytes:
        span.truncated = {**(span.truncated or {}), field: cut_bytes}
    if prompts:
        span.prompts = [*(span.prompts or ()), *prompts]
