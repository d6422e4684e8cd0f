"""Spans to the terminal, while the program runs: each root as a tree when it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, get_args

from callspan.dialects.contract import Dialect
from callspan.dialects.json_text import to_json
from callspan.dialects.merge import attributes
from callspan.dialects.registry import resolve
from callspan.drawing.columns import measure
from callspan.drawing.contents import contents
from callspan.drawing.shown import Shown
from callspan.drawing.terminal import Color, Piece, Terminal
from callspan.drawing.tree import TreePrinter
from callspan.errors import ConfigurationError
from callspan.exporters.console_rows import row_of
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.pending import PendingTraces
from callspan.forks import forks
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.policy import content_level
from callspan.reading.overview import Row
from callspan.reading.trees import build_traces

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

_MAX_BYTES: Final = 16 * 1_048_576
_ROW_BYTES: Final = 512
_ELSEWHERE: Final = "parent shown before"
_ID_DIGITS: Final = 8
_VALUE_CHARACTERS: Final = 2_000


@dataclass(slots=True)
class _Waiting:
    """A span until its root has ended: its line, and what is to stand below it."""

    row: Row
    record: SpanRecord | None
    told: dict[str, Any] | None


class ConsoleExporter:
    """Prints each root with all that is below it, when it ends; needs no extra.

    stream: where to; what `sys.stderr` is at the time, by default, so that the program's own output stays what it is.
    color: "auto" obeys the terminal, `NO_COLOR` and `FORCE_COLOR`; or "always", or "never".
    io: True to show inputs and outputs too: messages, documents, arguments; long ones are cut.
    dialects: "genai", "genai-1.41", "openinference", or several: print the attributes of each span as a backend would
        get them. None, the default, prints none.
    capture_content: False for spans without content, "metadata" for types and sizes instead of values.
    max_spans: how many spans may wait for their root; beyond, those that wait longest are printed without it.

    Control characters are printed as escapes. A stream that cannot be written is no error: its spans are counted as
    rejected. Raises `ConfigurationError` for an argument that cannot be meant.
    """

    local: Final = False  # a pipe that nobody reads, or a stopped terminal, would hold up the other exporters
    durable: Final = False

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        color: Color = "auto",
        io: bool = False,
        dialects: str | Dialect | Iterable[str | Dialect] | None = None,
        max_spans: int = 10_000,
        capture_content: bool | Literal["metadata"] = True,
        name: str = "console",
    ) -> None:
        """Check the arguments; nothing is printed yet."""
        if stream is not None and not callable(getattr(stream, "write", None)):
            raise ConfigurationError("stream", stream, "give a text stream, such as sys.stdout")
        if color not in get_args(Color):
            raise ConfigurationError("color", color, f"give one of: {', '.join(get_args(Color))}")
        if not isinstance(io, bool):
            raise ConfigurationError("io", io, "give True or False")
        if type(max_spans) is not int or max_spans < 1:
            raise ConfigurationError("max_spans", max_spans, "give a whole number from 1")
        if type(name) is not str or not name:
            raise ConfigurationError("name", name, "give a string that is not empty")
        self.name = name
        self.capture_content = content_level("capture_content", capture_content)
        self._stream = stream
        self._color: Color = color
        self._io = io
        self._dialects = None if dialects is None else resolve(dialects)
        self._pending: PendingTraces[_Waiting] = PendingTraces(max_spans, _MAX_BYTES)

    def export(self, batch: Batch) -> ExportResult:
        """Print the roots that have ended; what is below others waits, and counts as delivered."""
        result = ExportResult()
        for span in batch.spans:
            try:
                self._take(span, batch.resource)
                result.delivered += 1
            except Exception as error:  # noqa: BLE001 - one odd span, or a stream that breaks, must not cost the others
                result.rejected += 1
                result.reason = f"the terminal cannot be written ({type(error).__name__})"
        return result

    def close(self) -> None:
        """Print what still waits for its root."""
        for waiting in self._pending.rest():
            try:
                self._print(waiting)
            except Exception as error:  # noqa: BLE001 - the stream may be closed by now
                guard.warn(f"exporter {self.name}", f"the last trees could not be printed ({type(error).__name__})")
                return

    def _take(self, span: Span, resource: Resource) -> None:
        one = self._waiting(span, resource)
        is_top = span.parent_id is None or span.is_entry
        if is_top or self._pending.is_late(span.parent_id):
            self._print([*self._pending.close(span.trace_id, span.span_id), one])
            return
        size = _ROW_BYTES if one.record is None and one.told is None else span.size + _ROW_BYTES
        self._pending.add(span.trace_id, span.span_id, span.parent_id, one, size)
        for waiting in self._pending.overflow():
            self._print(waiting)

    def _waiting(self, span: Span, resource: Resource) -> _Waiting:
        record = None
        if self._io:
            with forks.kept_off():
                from callspan.model.record import SpanRecord  # noqa: PLC0415 - pydantic, and only where it is shown

            record = SpanRecord.from_span(span, resource)
        told = None if self._dialects is None else attributes(span, self._dialects)
        return _Waiting(row_of(span, resource), record, told)

    def _print(self, waiting: Sequence[_Waiting]) -> None:
        """Print one tree in one piece, so that what others print meanwhile does not come in between."""
        stream = self._stream if self._stream is not None else sys.stderr
        if stream is None:  # a program without a console
            raise OSError("there is no stderr")
        terminal = Terminal(stream, color=self._color)
        by_id = {one.row.span_id: one for one in waiting}
        text = []
        for trace in build_traces([one.row for one in waiting]):
            shown = Shown.of(trace, frozenset())
            below = _Below(by_id, terminal) if self._io or self._dialects is not None else None
            printer = TreePrinter(terminal, measure([shown], terminal), _ID_DIGITS, below, elsewhere=_ELSEWHERE)
            text += [terminal.line(line) for line in printer.lines(shown)]
            text.append("\n")
        stream.write("".join(text))
        flush = getattr(stream, "flush", None)
        if flush is not None:
            flush()


class _Below:
    """Tells what stands below a span: contents, attributes, or both."""

    def __init__(self, by_id: dict[str, _Waiting], terminal: Terminal) -> None:
        self._by_id = by_id
        self._terminal = terminal
        self._first: SpanRecord | None = None

    def __call__(self, row: Row, width: int) -> Iterator[list[Piece]]:
        one = self._by_id[row.span_id]
        if one.record is not None:
            first, self._first = self._first, self._first or one.record
            yield from contents(one.record, self._terminal, width, full=False, first=first)
        for name, value in (one.told or {}).items():
            text = value if isinstance(value, str) else to_json(value)
            told = self._terminal.one_line(f"{name} = {text[:_VALUE_CHARACTERS]}")
            yield [(self._terminal.cut(told, width), "dim")]
