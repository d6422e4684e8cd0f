"""For tests of instrumented code: the spans that a block made, right there, without thread, file or waiting.

>>> import callspan
>>> from callspan.testing import capture
>>> with capture() as spans:
...     with callspan.span("plan"):
...         pass
>>> print(spans.tree())
chain plan
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from callspan.capture import openers
from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.model.record import SpanRecord
from callspan.model.resource import describe
from callspan.model.span import Span
from callspan.pipeline.limits import limit
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.repeats import Repeats
from callspan.policy import Redaction, Replace, redaction
from callspan.recording.clock import Clock
from callspan.recording.ids import IdSource
from callspan.recording.recorder import Recorder
from callspan.recording.scope import steps

_TICK_NS = 1_000_000
_EPOCH_NS = 1_700_000_000_000_000_000


class CapturedSpans(list[SpanRecord]):
    """The spans of a block in the order in which they ended: children before their parents."""

    def one(self, name: str) -> SpanRecord:
        """Return the only span of that name. Raises `LookupError` when there is none, or more than one."""
        found = [span for span in self if span.name == name]
        if len(found) != 1:
            names = ", ".join(span.name for span in self) or "no spans"
            message = f"{len(found)} spans are named {name!r}; there are: {names}"
            raise LookupError(message)
        return found[0]

    def roots(self) -> list[SpanRecord]:
        """Return the spans whose parent was not captured, by start."""
        ids = {span.span_id for span in self}
        return sorted((span for span in self if span.parent_id not in ids), key=lambda span: span.start_time_unix_ns)

    def children(self, parent: SpanRecord) -> list[SpanRecord]:
        """Return the spans below `parent`, by start."""
        found = [span for span in self if span.parent_id == parent.span_id]
        return sorted(found, key=lambda span: span.start_time_unix_ns)

    def tree(self) -> str:
        """Return kinds and names as an indented text, one span a line; what is not ok says so."""
        return "\n".join(line for root in self.roots() for line in self._lines(root, 0))

    def _lines(self, span: SpanRecord, depth: int) -> Iterator[str]:
        outcome = "" if span.outcome == "ok" else f" [{span.outcome}]"
        yield f"{'  ' * depth}{span.kind} {span.name}{outcome}"
        for child in self.children(span):
            yield from self._lines(child, depth + 1)


@contextmanager
def capture(
    *, deterministic: bool = False, redact: Redaction | Replace | bool | None = None, capture_content: Any = True
) -> Iterator[CapturedSpans]:
    """Record into a list while the block runs, instead of where `configure()` sends spans; blocks nest.

    Where the tested code calls `configure()` or `shutdown()` itself, that counts from the end of the block on.

    A span is in the list as soon as it has ended, redacted as an exporter would see it; `redact` and `capture_content`
    are those of `configure()`. With `deterministic`, IDs are the same in every run, turns are numbered from 1 anew, and
    each reading of the clock is one millisecond later.
    """
    spans = CapturedSpans()
    resource = describe("test")
    repeats = Repeats()
    gate = Gate(redaction(redact), capture_content=capture_content)

    def keep(span: Span) -> None:
        try:
            span.open_facts()
            repeats.check(span)
            gate.clean(span)
            limit(span)
            spans.append(SpanRecord.from_span(span, resource))
        except Exception as error:  # noqa: BLE001 - as in the worker: never the caller's
            guard.note("capturing a span", error)

    if deterministic:
        steps.forget()
    recorder = Recorder(keep, clock=_tick_clock(), id_source=IdSource(seed=0)) if deterministic else Recorder(keep)
    with openers.captured_by(recorder):
        yield spans


@contextmanager
def assert_never_leaves(
    *canaries: str, redact: Redaction | Replace | bool | None = None, capture_content: Any = True
) -> Iterator[CapturedSpans]:
    """Run a block and fail if one of the canaries is in what would leave: spans in every spelling, and log lines.

    Plant a secret where your program handles one, give it here, and run that part of the program. `redact` and
    `capture_content` are those of your `configure()`. Raises `AssertionError` that names the span and where it stands.

    >>> import callspan
    >>> @callspan.tool
    ... def order(api_key): ...
    >>> with assert_never_leaves("canary-1"):
    ...     order("canary-1")
    """
    given: tuple[Any, ...] = canaries
    if not given or not all(isinstance(canary, str) and canary for canary in given):
        raise ConfigurationError("canaries", canaries, "give texts that are not empty")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("callspan")
    logger.addHandler(handler)
    try:
        with capture(redact=redact, capture_content=capture_content) as spans:
            yield spans
            guard.log()
    finally:
        logger.removeHandler(handler)
    for canary in canaries:
        for span in spans:
            for place, text in _places(span.model_dump(mode="json"), ""):
                if canary in text:
                    message = f"{canary!r} would leave in {place} of the span {span.kind} {span.name!r}"
                    raise AssertionError(message)
        if any(canary in line for line in lines):
            message = f"{canary!r} would leave in a log line"
            raise AssertionError(message)


def _places(tree: Any, place: str) -> Iterator[tuple[str, str]]:
    """Go through all texts of a tree, names included."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield f"a name in {place or 'the record'}", str(key)
            yield from _places(value, f"{place}.{key}".lstrip("."))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _places(value, f"{place}.{index}")
    else:
        yield place, str(tree)


def _tick_clock() -> Clock:
    now = 0

    def ticks() -> int:
        nonlocal now
        now += _TICK_NS
        return now

    return Clock(ticks, lambda: _EPOCH_NS)
