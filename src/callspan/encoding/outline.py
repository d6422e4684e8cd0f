"""What both encodings of OTLP need to know of a span beyond its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from callspan.dialects.contract import Dialect
from callspan.dialects.json_text import to_json
from callspan.dialects.own import evaluation
from callspan.model.kinds import Kind
from callspan.model.span import STATUS_ERROR, ErrorFacts, Span

SCOPE_NAME: Final = "callspan"
SAMPLED: Final = 1  # the flag of W3C trace context; what was not sampled never comes here
MAX_DEPTH: Final = 16
"""Nested attributes below this depth are written as JSON texts: receivers refuse a whole request when its messages are
nested deeper than 100, and a level of a dictionary takes three messages."""

NESTED: Final = (dict, list, tuple)

_INTERNAL: Final = 1
_CLIENT: Final = 3
_CLIENTS: Final[tuple[Kind, ...]] = ("llm", "embedding", "retriever")

OutlinedEvent = tuple[int, str, dict[str, Any]]
"""Nanoseconds since 1970, name, attributes."""


def span_kind(span: Span) -> int:
    """Return OTLP's kind: what another tracer said, else a client for what goes to a model or a store."""
    if span.facts is not None and span.facts.span_kind is not None:
        return span.facts.span_kind
    return _CLIENT if span.kind in _CLIENTS else _INTERNAL


def status_message(span: Span) -> str:
    """Return what the status says; nothing unless it is an error, as OpenTelemetry wants it."""
    if span.status != STATUS_ERROR:
        return ""
    if span.status_message:
        return span.status_message
    error = span.error
    if error is None:
        return ""
    return f"{error.type}: {error.message}" if error.message else error.type


def events(span: Span) -> list[OutlinedEvent]:
    """Return the events in the order they were added, the exception that ended the span last.

    An exception that was also recorded by hand stays one event: at its own time, with the stack and what was added.
    Feedback is told as GenAI's event, too: other tools look for that, whatever span it is on.
    """
    told = [(event.time_ns, event.name, event.attributes or {}) for event in span.events or ()]
    if span.facts is not None and span.facts.feedback is not None:
        told.append((span.start_ns, "gen_ai.evaluation.result", evaluation(span.facts.feedback)))
    error = span.error
    if error is None:
        return told
    raised = _exception(error)
    for index, (time_ns, name, attributes) in enumerate(told):
        if name == "exception" and _same(attributes, error):
            told[index] = (time_ns, name, {**raised, **attributes})
            return told
    told.append((span.end_ns, "exception", raised))
    return told


def trace_state(span: Span) -> str:
    """Return the W3C trace state as a header writes it."""
    state = span.trace_state
    if state is None or isinstance(state, str):
        return state or ""
    return str(state.to_header())


def schema_url(dialects: Sequence[Dialect]) -> str:
    """Return the schema of the attributes; nothing where several dialects are mixed, since no one schema holds them."""
    return (dialects[0].schema_url or "") if len(dialects) == 1 else ""


def text_keys(tree: dict[Any, Any]) -> dict[str, Any]:
    """Return a nested dictionary with texts for keys, which is what OTLP has; trees we opened ourselves have them."""
    return {key if isinstance(key, str) else str(key): value for key, value in tree.items()}


def too_deep(value: object) -> str:
    """Return what stands for a value that is nested too deeply."""
    return to_json(value)


def _exception(error: ErrorFacts) -> dict[str, Any]:
    told = {"exception.type": error.type, "exception.message": error.message}
    if error.frames:
        told["exception.stacktrace"] = "\n".join(f"{file}:{line} in {name}" for file, line, name in error.frames)
    return told


def _same(attributes: dict[str, Any], error: ErrorFacts) -> bool:
    return attributes.get("exception.type") == error.type and attributes.get("exception.message") == error.message
