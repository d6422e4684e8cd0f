"""One span: slots, open while the call runs, sealed afterwards.

The class has every method of an `opentelemetry.trace.Span`, so OpenTelemetry code can use it as its current span;
`callspan.recording.otel` registers it there. The hot fields are set by the recorder; everything a dialect or an
exporter reads stands in `facts`, which the worker fills after the span is sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from callspan.model.events import ErrorFacts, Event, Link
from callspan.model.given import MOST_ITEMS, ids_of, pairs_of, status_of, text_of, time_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from callspan.model.facts import Facts
    from callspan.model.kinds import Kind

__all__ = [
    "NO_SPAN",
    "STATUS_ERROR",
    "STATUS_OK",
    "STATUS_UNSET",
    "ErrorFacts",
    "Event",
    "InertSpan",
    "Link",
    "Outcome",
    "Recording",
    "Snapshot",
    "Span",
]

Outcome = Literal["ok", "error", "cancelled", "abandoned", "incomplete"]
Snapshot = tuple[list[Any], "tuple[str, ...] | None", "list[Any] | None", int, int, "list[Any] | None"]
"""Private copies of values: roots, names, copies, size, cut bytes, prompts. A bare tuple: two are made for every span.

`names` are those of the last roots where they were keyword arguments, None where the one root is the value itself.
`size` is roughly the bytes held, `cut bytes` the original size where something had to be left out, else 0. `prompts`
are the rendered prompts that were seen. Made and opened by `recording.snapshot`.
"""

STATUS_UNSET: Final = 0
STATUS_OK: Final = 1
STATUS_ERROR: Final = 2


class Recording(Protocol):
    """What a live span needs of the recorder that opened it."""

    def freeze(self, span: Span, field: str, value: object) -> Snapshot | None:
        """Take a private copy of `value`; never raises."""

    def seal(self, span: Span, end_ns: int | None = None) -> None:
        """End the span and hand it on; harmless the second time."""

    def now_ns(self) -> int:
        """Return the wall clock in nanoseconds since 1970."""

    def describe_error(self, span: Span, error: BaseException) -> ErrorFacts:
        """Copy what may be told of an exception; never raises."""

    def open_facts(self, span: Span) -> Facts:
        """Open the span's snapshots and fill its facts; called once, by the worker."""


def _unbound_context(*_: Any) -> Any:
    message = "callspan.recording.otel has not been imported"
    raise RuntimeError(message)


class Span:
    """A recorded span. Users meet it in `with callspan.span(...) as s` and as `callspan.current_span()`."""

    __slots__ = (
        "__weakref__",
        "_recording",
        "_ticks",
        "attributes",
        "component",
        "end_ns",
        "error",
        "events",
        "facts",
        "input",
        "is_entry",
        "kind",
        "links",
        "name",
        "outcome",
        "output",
        "parent_id",
        "prompts",
        "provider_call",
        "reader",
        "scope",
        "site",
        "size",
        "span_id",
        "start_ns",
        "status",
        "status_message",
        "stored",
        "stream",
        "trace_id",
        "trace_state",
        "truncated",
        "usage_below",
    )

    # Set once by recording.otel; keeps OpenTelemetry out of this module.
    make_context: Callable[[int, int, bool, Any], Any] = staticmethod(_unbound_context)

    _recording: Recording
    _ticks: int
    name: str
    kind: Kind
    component: str | None
    trace_id: int
    span_id: int
    parent_id: int | None
    is_entry: bool  # its parent, if any, is no span of ours: the first one in this process
    trace_state: Any
    start_ns: int
    end_ns: int  # 0 while the span is open
    site: Any  # what is known of the place in the code: recording.sites.Site
    scope: Any  # conversation, user, tags: recording.scope.Scope, or None
    input: Snapshot | None
    output: Snapshot | None
    prompts: list[Any] | None  # rendered prompts that were seen while freezing
    reader: Callable[[Span, Facts], None] | None  # turns input and output into finer facts, in the worker
    stream: tuple[int, int | None] | None  # chunks, nanoseconds from start to the first one
    usage_below: bool  # another span reports the usage of the same model call
    provider_call: Any  # of a framework's span: AWAITED, then that of its provider's call; see recording.claims
    status: int
    status_message: str | None
    outcome: Outcome
    error: ErrorFacts | None
    attributes: dict[str, Any] | None
    events: list[Event] | None
    links: list[Link] | None
    truncated: dict[str, int] | None  # field -> original size in bytes
    size: int  # bytes this span holds in the queue, roughly
    facts: Facts | None
    stored: Any  # where it stands in the spool, or None; set where there is a spool, and nowhere else

    # -- for users -------------------------------------------------------------------------------------------------

    def set_input(self, value: object) -> Self:
        """Record `value` as what went into the call, as it is now."""
        if not self.end_ns:
            self.input = self._recording.freeze(self, "input", value)
        return self

    def set_output(self, value: object) -> Self:
        """Record `value` as what came out, as it is now; wins over the return value of a decorated function."""
        if not self.end_ns:
            self.output = self._recording.freeze(self, "output", value)
        return self

    # -- the OpenTelemetry interface -------------------------------------------------------------------------------

    def get_span_context(self) -> Any:
        """Return the IDs as an `opentelemetry.trace.SpanContext`."""
        return self.make_context(self.trace_id, self.span_id, True, self.trace_state)  # noqa: FBT003 - positional, hot

    def is_recording(self) -> bool:
        """Return True until the span has ended."""
        return not self.end_ns

    def set_attribute(self, key: str, value: object) -> None:
        """Set one attribute; any plain value, nested ones included. After the end it does nothing.

        A key that is no string is recorded as its class in angle brackets.
        """
        if self.end_ns:
            return
        name = text_of(key)
        if self.attributes is None:
            self.attributes = {}
        if name in self.attributes or self._has_room("attributes", self.attributes):
            kind = type(value)
            if kind is str:
                self.size += len(value)  # type: ignore[arg-type]
            plain = kind is str or kind is int or kind is float or kind is bool or value is None
            self.attributes[name] = value if plain else self._recording.freeze(self, "attributes", value)

    def set_attributes(self, attributes: Mapping[str, object]) -> None:
        """Set several attributes."""
        for key, value in pairs_of(attributes).items():
            self.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, object] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event; `timestamp` in nanoseconds since 1970, now by default."""
        if self.events is None:
            self.events = []
        if not self.end_ns and self._has_room("events", self.events):
            frozen = self._recording.freeze(self, "events", pairs_of(attributes)) if attributes is not None else None
            time_ns = time_of(timestamp) or self._recording.now_ns()
            self.events.append(Event(text_of(name), time_ns, frozen))

    def add_link(self, context: Any, attributes: Mapping[str, object] | None = None) -> None:
        """Refer to another span by its `SpanContext`; None and one without IDs refer to nothing."""
        ids = ids_of(context)
        if self.links is None:
            self.links = []
        if ids is not None and not self.end_ns and self._has_room("links", self.links):
            frozen = self._recording.freeze(self, "links", pairs_of(attributes)) if attributes is not None else None
            self.links.append(Link(*ids, frozen))

    def _has_room(self, field: str, kept: Sized) -> bool:
        self.size += 64
        if len(kept) < MOST_ITEMS:
            return True
        told = self.truncated or {}
        self.truncated = {**told, field: told.get(field, 0) + 64}
        return False

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if not self.end_ns:
            self.name = text_of(name)

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Set the status: an `opentelemetry.trace.Status` or `StatusCode`. OK is final, UNSET changes nothing."""
        code, described = status_of(status)
        if self.end_ns or self.status == STATUS_OK or code not in (STATUS_OK, STATUS_ERROR):
            return
        self.status, self.status_message = code, None
        if code == STATUS_OK:
            self.outcome = "ok" if self.outcome == "error" else self.outcome
        else:
            self.outcome = "error"
            told = described if description is None else description
            self.status_message = None if told is None else text_of(told)
            self.size += len(self.status_message or "")

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, object] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: ARG002, FBT001, FBT002 - the interface's
    ) -> None:
        """Add the exception as an event; does not set the status."""
        if not self.end_ns:
            facts = self._recording.describe_error(self, exception)
            told = {"exception.type": facts.type, "exception.message": facts.message, **pairs_of(attributes)}
            self.add_event("exception", told, timestamp)

    def open_facts(self) -> Facts:
        """Return the facts of a sealed span, opening its snapshots the first time; for the worker."""
        return self.facts if self.facts is not None else self._recording.open_facts(self)

    def end(self, end_time: int | None = None) -> None:
        """End the span; `end_time` in nanoseconds since 1970, now by default. Harmless the second time."""
        self._recording.seal(self, time_of(end_time))

    def __enter__(self) -> Self:
        """Return the span; it was current before."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span, with the exception if there was one."""
        if error is not None and not self.end_ns:
            self.error = self._recording.describe_error(self, error)
            self.status, self.outcome = STATUS_ERROR, "error"
        self.end()

    def __repr__(self) -> str:
        """Name the span, never its contents."""
        return f"<callspan.Span {self.kind} {self.name!r} {self.trace_id:032x}/{self.span_id:016x}>"


class InertSpan:
    """A span that records nothing: the answer of `current_span()` where there is none, and an unsampled root."""

    __slots__ = ("__weakref__", "span_id", "trace_id")

    kind: Final = "chain"
    name: Final = ""

    def __init__(self, trace_id: int = 0, span_id: int = 0) -> None:
        """Carry the IDs of an unsampled trace, or none."""
        self.trace_id = trace_id
        self.span_id = span_id

    def set_input(self, value: object) -> Self:  # noqa: ARG002 - the interface's
        """Do nothing."""
        return self

    def set_output(self, value: object) -> Self:  # noqa: ARG002
        """Do nothing."""
        return self

    def get_span_context(self) -> Any:
        """Return the IDs, marked as not sampled."""
        return Span.make_context(self.trace_id, self.span_id, False, None)  # noqa: FBT003

    def is_recording(self) -> bool:
        """Return False."""
        return False

    def set_attribute(self, key: str, value: object) -> None:
        """Do nothing."""

    def set_attributes(self, attributes: Mapping[str, object]) -> None:
        """Do nothing."""

    def add_event(
        self, name: str, attributes: Mapping[str, object] | None = None, timestamp: int | None = None
    ) -> None:
        """Do nothing."""

    def add_link(self, context: Any, attributes: Mapping[str, object] | None = None) -> None:
        """Do nothing."""

    def update_name(self, name: str) -> None:
        """Do nothing."""

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Do nothing."""

    def record_exception(self, exception: BaseException, *_: object, **__: object) -> None:
        """Do nothing."""

    def end(self, end_time: int | None = None) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        """Say what it is."""
        return "<callspan.InertSpan>"


NO_SPAN: Final = InertSpan()
