"""What was raised in a call: from the exception event, `error.type` and the status message of its span."""

from __future__ import annotations

import re
from typing import Any, Final

from callspan.model.span import ErrorFacts, Event
from callspan.reading.otlp import RawSpan, read_attributes, read_int

Tree = dict[str, Any]
_OTHER: Final = "_OTHER"  # GenAI's error.type where nobody knows the type
_WE_WRITE: Final = frozenset({"exception.type", "exception.message", "exception.stacktrace"})
# As we write a frame, and as Python prints one.
_FRAME: Final = re.compile(
    r"(?P<file>.+):(?P<line>\d{1,9}) in (?P<function>.+)"
    r'|\s*File "(?P<file2>.+)", line (?P<line2>\d{1,9}), in (?P<function2>.+)'
)


def read_events(trees: list[Any]) -> list[Event]:
    """Read the events of a span, in their order."""
    return [_event(tree) for tree in trees if isinstance(tree, dict)]


def take_error(raw: RawSpan, kind: str | None, outcome: str, events: list[Event]) -> ErrorFacts | None:
    """Read what was raised; `kind` is the span's `error.type`.

    The event that our encoding makes of an error, at the very end of its span, is taken out of `events`; any other one
    stays, since somebody recorded it.
    """
    raised = [event for event in events if event.name == "exception"]
    last = raised[-1] if raised else None
    made = last is not None and last.time_ns == raw.end_ns and last.attributes.keys() <= _WE_WRITE
    if last is not None and (made or outcome == "error"):
        if made:
            events.remove(last)
        return _error(last.attributes, kind)
    if outcome == "error" and kind is not None and kind != _OTHER:
        return ErrorFacts(kind, raw.status_message or "", [])
    return None


def own_message(message: str | None, error: ErrorFacts | None) -> str | None:
    """Return the status message, unless it only repeats the error."""
    if error is not None and message in (f"{error.type}: {error.message}", error.type, error.message):
        return None
    return message


def _event(tree: Tree) -> Event:
    name = tree.get("name")
    time_ns = read_int(tree.get("timeUnixNano", tree.get("time_unix_nano"))) or 0
    return Event(name if isinstance(name, str) else "", time_ns, read_attributes(tree.get("attributes")))


def _error(attributes: Tree, kind: str | None) -> ErrorFacts:
    stack = attributes.get("exception.stacktrace")
    lines = stack.splitlines() if isinstance(stack, str) else []
    return ErrorFacts(
        str(attributes.get("exception.type") or kind or _OTHER),
        str(attributes.get("exception.message") or ""),
        [frame for line in lines if (frame := _frame(line)) is not None],
    )


def _frame(text: str) -> tuple[str, int, str] | None:
    match = _FRAME.fullmatch(text)
    if match is None:
        return None
    if match["line"]:
        return match["file"], int(match["line"]), match["function"]
    return match["file2"], int(match["line2"]), match["function2"]
