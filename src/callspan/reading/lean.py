"""Lines as file exporters write them to rows, read only as far as rows need: texts that no row shows are never made.

By msgspec, which `callspan[reading]` brings; without it, all of each line is read. A line that is unusual in any way is
left to the reader that takes everything, so what is understood, and what is counted as unreadable, is the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache, lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

from callspan.reading.files import Line
from callspan.reading.load import Place
from callspan.reading.otlp import LeanSpan, Wants, read_id, read_value
from callspan.reading.overview import FACTS, Read, Row, make_row, service_in, way
from callspan.reading.shapes import list_of, shape

Lean = Callable[[Line], "list[Row] | None"]
"""Returns the rows of a line, or None where it has to be read in full."""

_RESOURCES_KEPT: Final = 256
_NUMBERS_KEPT: Final = 10_000
_LONGEST_NUMBER: Final = 100  # bytes
_IDS_KEPT: Final = 1_000
_PLANS_KEPT: Final = 4_096  # most spans of a program have one of a few sets of attributes
_LARGEST_NS: Final = 2**63  # what a table can hold
_ERROR: Final = 2  # the code of a status


class Keep(NamedTuple):
    """Which rows keep their span, by kind, and which of its attributes."""

    kinds: frozenset[str]
    wants: Wants

    def is_for(self, row: Row) -> bool:
        """Return whether a row keeps its span; feedback is no call."""
        return row.kind in self.kinds and row.component != "feedback"


def lean_reader(facts: frozenset[str] | None = None, keep: Keep | None = None) -> Lean | None:
    """Return a lean reader of lines, for rows as `load_rows` makes them; None where msgspec is not installed."""
    reader = _reader(facts, keep)
    return None if reader is None else reader.read


def lean_spans(text: bytes, wants: Wants) -> list[LeanSpan] | None:
    """Return the spans of a line with the attributes that are wanted; None where all has to be read."""
    reader = _reader(frozenset(), Keep(frozenset(), wants))
    return None if reader is None else reader.spans(text)


class _Plan(NamedTuple):
    """Which of the attributes of a span are read, by their numbers, for which facts and names.

    The best name of a fact comes first.
    """

    words: list[tuple[str, int]]
    others: list[tuple[str, int, Read]]
    kept: list[tuple[str, int]]


@cache
def _reader(facts: frozenset[str] | None, keep: Keep | None) -> _Reader | None:
    with contextlib.suppress(ImportError):
        return _Reader(facts, keep)
    return None


class _Reader:
    """Reads lines, with what msgspec has made of their shapes."""

    def __init__(self, facts: frozenset[str] | None, keep: Keep | None) -> None:
        from msgspec import MsgspecError  # noqa: PLC0415 - an extra
        from msgspec.json import Decoder  # noqa: PLC0415

        self._errors = (MsgspecError, ValueError, RecursionError)
        request, value, word, text = _shapes()
        self._request, self._value = Decoder(request).decode, Decoder(value).decode
        self._word, self._text = Decoder(word).decode, Decoder(text).decode
        self._anything = Decoder().decode
        self._facts = facts
        self._wants_service = facts is None or "service" in facts
        self._keep = keep
        self._plan_for = lru_cache(_PLANS_KEPT)(self._make_plan)
        self._service_of = lru_cache(_RESOURCES_KEPT)(self._read_service)
        self._shared_id = lru_cache(_IDS_KEPT)(read_id)
        self._numbers: dict[tuple[Read, bytes], int | str] = {}

    def read(self, line: Line) -> list[Row] | None:
        """Read one line, if it is as usual."""
        file, _, offset, text = line
        wants_service = self._wants_service
        try:
            if not text.isascii():
                text.decode()  # what is skipped is not looked at otherwise
            found: list[Row] = []
            for entry in self._request(text).resourceSpans:
                service = self._service_of(bytes(entry.resource)) if wants_service and entry.resource else None
                for scope in entry.scopeSpans:
                    for span in scope.spans:
                        found.append(self._row(Place(file, offset, len(found)), span, service))
        except self._errors:
            return None
        return found

    def spans(self, text: bytes) -> list[LeanSpan] | None:
        """Read what is to be kept of the spans of one line, if it is as usual."""
        try:
            return [
                self._span(span)
                for entry in self._request(text).resourceSpans
                for scope in entry.scopeSpans
                for span in scope.spans
            ]
        except self._errors:
            return None

    def _span(self, span: Any) -> LeanSpan:
        trace_id, span_id = self._shared_id(span.traceId, 32), read_id(span.spanId, 16)
        if trace_id is None or span_id is None or (span.events and any(map(_may_judge, span.events))):
            raise ValueError("there is more to tell")
        return self._kept(trace_id, span_id, span, self._plan_for(tuple([one.key for one in span.attributes])))

    def _kept(self, trace_id: str, span_id: str, span: Any, plan: _Plan) -> LeanSpan:
        attributes, told = span.attributes, {}
        for key, index in plan.kept:
            value = attributes[index].value
            text = self._text(value).stringValue
            told[key] = read_value(self._anything(value)) if text is None else text
        return LeanSpan(trace_id, span_id, span.name, told)

    def _read_service(self, resource: bytes) -> str | None:
        told = self._anything(resource)
        return service_in(told.get("attributes")) if isinstance(told, dict) else None

    def _row(self, place: Place, span: Any, service: str | None) -> Row:
        if span.events or (span.status is not None and span.status.code == _ERROR):
            raise ValueError("there is more to tell")
        trace_id, span_id = self._shared_id(span.traceId, 32), read_id(span.spanId, 16)
        plan = self._plan_for(tuple([one.key for one in span.attributes]))
        told = self._told(span.attributes, plan)
        if trace_id is None or span_id is None or "error_type" in told or told.get("outcome", "ok") != "ok":
            raise ValueError("there is more to tell")
        parent_id = self._shared_id(span.parentSpanId, 16) if span.parentSpanId else None
        start_ns, end_ns = int(span.startTimeUnixNano), int(span.endTimeUnixNano)
        if not 0 <= start_ns <= end_ns < _LARGEST_NS:
            raise ValueError("that may be no time")
        row = make_row(place, trace_id, span_id, parent_id, span.name, start_ns, end_ns, told, service)
        if self._keep is not None and self._keep.is_for(row):
            row.span = self._kept(trace_id, span_id, span, plan)
        return row

    def _told(self, attributes: list[Any], plan: _Plan) -> dict[str, Any]:
        told: dict[str, Any] = {}
        read_word = self._word  # to remember what was read would take twice as long
        for fact, index in plan.words:
            if fact not in told:
                word = read_word(attributes[index].value).stringValue
                if word:
                    told[fact] = intern(word)
        for fact, index, read in plan.others:
            if fact in told:
                continue
            value = bytes(attributes[index].value)
            found = self._numbers.get((read, value))
            if found is None:
                found = self._read(value, read)
            if found is not None:
                told[fact] = found
        return told

    def _read(self, value: bytes, read: Read) -> Any:
        """Read what is no text, and remember it where others may say the same: counts, and why a model ended."""
        found = read(_plain(self._value(value)))
        if type(found) in (int, str) and len(value) <= _LONGEST_NUMBER:
            if len(self._numbers) >= _NUMBERS_KEPT:
                self._numbers.clear()
            self._numbers[read, value] = found
        return found

    def _make_plan(self, keys: tuple[str, ...]) -> _Plan:
        numbers = {key: number for number, key in enumerate(keys)}
        words, others = way(tuple([key for key in numbers if key in FACTS]), self._facts)
        wants = None if self._keep is None else self._keep.wants
        return _Plan(
            [(fact, numbers[name]) for fact, name in reversed(words)],
            [(fact, numbers[name], read) for fact, name, read in reversed(others)],
            [] if wants is None else [(key, number) for number, key in enumerate(keys) if wants(key)],
        )


def _may_judge(event: Any) -> bool:
    """Return whether an event may be an evaluation, which is a span of its own when it is read in full."""
    text = bytes(event)
    return b"evaluation" in text or b"\\u" in text


def _plain(value: Any) -> Any:
    """Return what an `AnyValue` holds."""
    if value.stringValue is not None:
        return value.stringValue
    if value.intValue is not None:
        return int(value.intValue)
    if value.doubleValue is not None:
        return value.doubleValue
    if value.arrayValue is not None:
        return [one.stringValue for one in value.arrayValue.values]
    raise ValueError


def _shapes() -> tuple[Any, Any, Any, Any]:
    """Return the shapes of a request, of an `AnyValue`, of one that is a text, and of one that may be a text.

    Names are in camelCase, lists are there and are lists, names and IDs are texts: anything else is not read here.
    """
    from msgspec import Raw  # noqa: PLC0415 - an extra

    word = shape("Word", stringValue=(str,))
    words = shape("Words", values=(list_of(word), []))
    text = shape("Text", stringValue=(str | None, None))
    several = {"stringValue": str, "intValue": str | int, "doubleValue": float, "arrayValue": words}
    optional: dict[str, Any] = {name: (kind | None, None) for name, kind in several.items()}
    value = shape("Value", **optional)
    status = shape("Status", code=(int, 0))
    attribute = shape("Attribute", key=(str,), value=(Raw,))
    span = shape(
        "Span",
        traceId=(str,),
        spanId=(str,),
        startTimeUnixNano=(str | int,),
        endTimeUnixNano=(str | int,),
        parentSpanId=(str, ""),
        name=(str, ""),
        attributes=(list_of(attribute), []),
        status=(status | None, None),
        events=(list_of(Raw), []),
    )
    scope = shape("Scope", spans=(list_of(span),))
    entry = shape("Entry", scopeSpans=(list_of(scope),), resource=(Raw, Raw()))
    return shape("Request", resourceSpans=(list_of(entry),)), value, word, text
