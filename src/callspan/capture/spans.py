"""Spans without a function: `with callspan.span(...)`, and the span that is current."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from callspan.capture.checks import check_metadata, check_tags, plain
from callspan.capture.switch import switch
from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.model.kinds import KINDS, resolve
from callspan.model.span import NO_SPAN, InertSpan, Span
from callspan.recording.sites import Site

if TYPE_CHECKING:
    from callspan.capture.call import Call


def _make_context(*of: Any) -> Any:
    """Make a context of OpenTelemetry's where nothing of that was needed so far, since callspan is off."""
    from callspan.recording import otel  # noqa: F401, PLC0415 - puts its own in the place of this one

    return Span.make_context(*of)


if "callspan.recording.otel" not in sys.modules:
    Span.make_context = staticmethod(_make_context)


class span:  # noqa: N801 - used like a function: with callspan.span("plan") as s
    """Record a stretch of code as a span: `with callspan.span("plan", kind="chain") as s:`, or `async with`.

    `s` has `set_input`, `set_output`, `set_attribute`, `add_event` and the rest of an OpenTelemetry span; without
    `configure()` it takes them all and does nothing. An exception in the block is recorded and goes on. Each `with`
    makes a new span. Raises `ConfigurationError` for a kind that does not exist.
    """

    __slots__ = ("_calls", "_given", "_site")

    def __init__(
        self,
        name: str,
        kind: str = "chain",
        *,
        input: Any = None,  # noqa: A002 - the natural word
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the span; `input` is recorded when it opens, unless it is None."""
        try:
            resolved, component = resolve(kind)
        except (KeyError, TypeError):
            raise ConfigurationError("kind", kind, f"choose one of {', '.join(KINDS)}") from None
        if not isinstance(name, str):
            raise ConfigurationError("name", name, "give a string")
        self._site = Site(
            plain(name),
            resolved,
            component=component,
            tags=check_tags(tags),
            metadata=check_metadata(metadata),
            open_objects=resolved in ("llm", "retriever", "embedding", "reranker"),
        )
        self._given = input
        self._calls: list[Call | None] = []  # one block may be entered by several tasks and threads

    def __enter__(self) -> Span | InertSpan:
        """Open the span and make it current."""
        open_block = switch.open_block
        if open_block is None:
            self._calls.append(None)
            return NO_SPAN
        call: Call | None = open_block(self._site, self._given)
        self._calls.append(call)
        return NO_SPAN if call is None else call.span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the span; an exception is recorded and goes on."""
        try:
            call = self._pop()
            if call is not None:
                call.close(error)
        except RecursionError:
            pass

    def _pop(self) -> Call | None:
        """Take the call that belongs to where we are: of several, the one that is current, else the latest."""
        calls = self._calls
        if len(calls) > 1 and calls[-1] is not None:
            current = current_span()
            for index in range(len(calls) - 1, -1, -1):
                call = calls[index]
                if call is not None and call.span is current:
                    return calls.pop(index)
        return calls.pop() if calls else None

    async def __aenter__(self) -> Span | InertSpan:
        """Open the span, as in a plain `with`."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the span, as in a plain `with`."""
        self.__exit__(kind, error, trace)


def current_span() -> Span | InertSpan:
    """Return the callspan span that is current here; a harmless one that records nothing where there is none."""
    if switch.recorder is None:
        return NO_SPAN
    try:
        from callspan.recording.otel import SPAN_KEY, get_context  # noqa: PLC0415 - loaded, since the switch is on

        found = get_context().get(SPAN_KEY)
    except Exception as error:  # noqa: BLE001
        guard.note("finding the current span", error)
        return NO_SPAN
    return found if isinstance(found, Span | InertSpan) else NO_SPAN
