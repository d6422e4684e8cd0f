"""A trace as a tree in the terminal: one line per span, or a few where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from callspan.drawing import figures
from callspan.drawing.columns import Columns, label, tokens
from callspan.drawing.shown import Shown, Totals, rows_of
from callspan.drawing.terminal import Glyphs, Piece, Terminal
from callspan.drawing.text import pad, pad_left, width_of, wrap
from callspan.reading.overview import Row
from callspan.reading.trees import Node

Contents = Callable[[Row, int], Iterable[list[Piece]]]
"""What stands below a span besides its errors: lines of at most that many columns."""

KIND_STYLES: Final[dict[str, str]] = {
    "llm": "magenta",
    "agent": "bold blue",
    "chain": "blue",
    "tool": "yellow",
    "retriever": "cyan",
    "embedding": "cyan",
    "reranker": "cyan",
    "guardrail": "green",
    "evaluator": "green",
}
ELSEWHERE: Final = "parent not in this file"
_MESSAGE_LINES: Final = 4
_MESSAGE_CHARACTERS: Final = 2_000
_MIN_BELOW: Final = 16


class TreePrinter:
    """Prints traces, all with the same columns."""

    def __init__(
        self,
        terminal: Terminal,
        columns: Columns,
        id_digits: int,
        contents: Contents | None = None,
        *,
        elsewhere: str = ELSEWHERE,
    ) -> None:
        """Print to `terminal`; of a trace's ID, so many digits; `elsewhere` says where a missing parent is."""
        self._terminal = terminal
        self._glyphs = terminal.glyphs
        self._columns = columns
        self._id_digits = id_digits
        self._contents = contents
        self._elsewhere = elsewhere
        self._place: tuple[str | None, int | None] = (None, None)

    def print(self, shown: Shown) -> None:
        """Print the heading of a trace and its tree."""
        for line in self.lines(shown):
            self._terminal.print(line)

    def lines(self, shown: Shown) -> Iterator[list[Piece]]:
        """Yield the heading of a trace and its tree."""
        yield from heading(shown, self._terminal, self._id_digits, self._elsewhere)
        self._place = _place_of(shown)
        roots = shown.among(shown.trace.roots)
        # (node, depth, what stands before its connector, is the last of its siblings)
        stack = [(root, 0, "", False) for root in reversed(roots)]
        while stack:
            node, depth, before, is_last = stack.pop()
            children = shown.among(node.children)
            head, under = self._connect(depth, before, is_last=is_last)
            yield from self._span(node.span, head, wanted=shown.wants(node.span))
            margin = under + (self._glyphs.line if children else self._glyphs.gap)
            room = max(self._terminal.width - width_of(margin), _MIN_BELOW)
            for line in self._below(node, shown, room):
                yield [(margin, "dim"), *line]
            last = len(children) - 1
            stack.extend((children[i], depth + 1, under, i == last) for i in range(last, -1, -1))

    def _connect(self, depth: int, before: str, *, is_last: bool) -> tuple[str, str]:
        """Return what stands before a span, and what stands before those below it."""
        if not depth:
            return "", ""
        if depth > self._columns.max_depth:
            return f"{before}{self._glyphs.ellipsis}{depth} ", before
        if is_last:
            return before + self._glyphs.last, before + self._glyphs.gap
        return before + self._glyphs.branch, before + self._glyphs.line

    def _span(self, row: Row, head: str, *, wanted: bool) -> Iterator[list[Piece]]:
        glyph, style = _mark(row, self._glyphs)
        room = self._terminal.width if self._columns.stacked else self._columns.left
        kind = self._terminal.cut(label(row, self._terminal), max(room - width_of(head) - 2, 0))
        name = self._terminal.cut(
            self._terminal.one_line(row.title), max(room - width_of(head) - width_of(kind) - 3, 0)
        )
        left: list[Piece] = [
            (head, "dim"),
            (glyph, style if wanted else "dim"),
            (f" {kind} ", KIND_STYLES[row.kind] if wanted else "dim"),
            (name, "bold" if wanted else "dim"),
        ]
        if self._columns.stacked:
            yield left
            return
        used = sum(width_of(text) for text, _ in left)
        yield [*left, (" " * (self._columns.left - used), ""), *self._figures(row, wanted=wanted)]

    def _figures(self, row: Row, *, wanted: bool) -> Iterator[Piece]:
        time = figures.duration(row.duration_ns)
        yield "  " + pad_left(time, self._columns.time), "" if wanted else "dim"
        told_in, told_out = tokens(row)
        if self._columns.tokens_in or self._columns.tokens_out:
            arrow = self._glyphs.arrow if told_in or told_out else " "
            yield (
                f"  {pad_left(told_in, self._columns.tokens_in)}{arrow}{pad(told_out, self._columns.tokens_out)}",
                "dim",
            )
        if self._columns.model:
            yield "  " + self._terminal.cut(self._terminal.one_line(row.model or ""), self._columns.model), "dim"

    def _below(self, node: Node[Row], shown: Shown, room: int) -> Iterator[list[Piece]]:
        row = node.span
        if self._columns.stacked:
            yield [(self._terminal.cut(self._glyphs.dot.join(self._stacked(row)), room), "dim")]
        if row.conversation_id is not None and (row.conversation_id, row.step) != self._place:
            where = f"conversation {row.conversation_id}" + ("" if row.step is None else f", step {row.step}")
            yield [(self._terminal.cut(self._terminal.one_line(where), room), "cyan")]
        if node.orphan and len(shown.trace.roots) > 1:
            yield [(self._terminal.cut(self._elsewhere, room), "dim")]
        yield from self._ending(row, room, from_below=_is_from_below(node))
        if self._contents is not None and shown.wants(row):
            yield from self._contents(row, room)

    def _stacked(self, row: Row) -> Iterator[str]:
        yield figures.duration(row.duration_ns)
        told_in, told_out = tokens(row)
        if told_in or told_out:
            yield f"{told_in}{self._glyphs.arrow}{told_out}"
        if row.model:
            yield self._terminal.one_line(row.model)

    def _ending(self, row: Row, room: int, *, from_below: bool) -> Iterator[list[Piece]]:
        """Yield how the span ended, unless it ended well; an error that only passed through is just named."""
        if row.outcome == "ok" and not row.error_type:
            return
        glyph, style = _mark(row, self._glyphs)
        words: list[str] = [] if row.outcome == "error" and row.error_type else [row.outcome]
        if row.outcome == "incomplete" and row.finish_reason:
            words.append(row.finish_reason)
        words += [word for word in (row.error_type, None if from_below else row.error_message) if word]
        lines = wrap(self._terminal.clean(": ".join(words)[:_MESSAGE_CHARACTERS]), room - 2)
        if len(lines) > _MESSAGE_LINES:
            lines = [*lines[: _MESSAGE_LINES - 1], lines[_MESSAGE_LINES - 1] + self._glyphs.ellipsis]
        for index, line in enumerate(lines):
            yield [(f"{glyph} " if index == 0 else "  ", style), (self._terminal.cut(line, room - 2), style)]


def heading(shown: Shown, terminal: Terminal, id_digits: int, elsewhere: str = ELSEWHERE) -> Iterator[list[Piece]]:
    """Yield the lines above a tree: when, which trace and service, whose turn of which conversation, tokens."""
    trace = shown.trace
    totals = Totals()
    totals.add(trace)
    service = next((row.service for row in rows_of(trace) if row.service), None)
    conversation, step = _place_of(shown)
    facts = [
        (figures.moment(trace.start_ns), "bold"),
        (f"trace {trace.trace_id[:id_digits]}", "dim"),
        (terminal.one_line(service or ""), ""),
        (terminal.one_line(f"conversation {conversation}") if conversation else "", "cyan"),
        (f"step {step}" if step is not None else "", "cyan"),
        (figures.things(totals.spans, "span"), "dim"),
        (tokens_in_words(totals), "dim"),
        (elsewhere if [root.orphan for root in trace.roots] == [True] else "", "dim"),
    ]
    yield from flow(facts, terminal)


def flow(facts: list[Piece], terminal: Terminal) -> Iterator[list[Piece]]:
    """Yield facts side by side, as many to a line as fit."""
    line: list[Piece] = []
    used = 0
    dot = terminal.glyphs.dot
    for text, style in facts:
        if not text:
            continue
        short = terminal.cut(text, terminal.width)
        width = width_of(short)
        if line and used + len(dot) + width > terminal.width:
            yield line
            line, used = [], 0
        if line:
            line.append((dot, "dim"))
            used += len(dot)
        line.append((short, style))
        used += width
    yield line


def tokens_in_words(totals: Totals) -> str:
    """Return the sums of tokens, empty when nobody counted."""
    mark = "~" if totals.estimated else ""
    told_in, told_out = f"{mark}{totals.input_tokens:,}", f"{mark}{totals.output_tokens:,}"
    if totals.input_tokens and totals.output_tokens:
        return f"{told_in} tokens in, {told_out} out"
    return f"{told_in} tokens in" if totals.input_tokens else f"{told_out} tokens out" if totals.output_tokens else ""


def _is_from_below(node: Node[Row]) -> bool:
    told = (node.span.error_type, node.span.error_message)
    return any((child.span.error_type, child.span.error_message) == told for child in node.children)


def _mark(row: Row, glyphs: Glyphs) -> Piece:
    if row.outcome == "ok":
        return glyphs.ok, "green"
    return (glyphs.error, "red") if row.outcome == "error" else (glyphs.other, "yellow")


def _place_of(shown: Shown) -> tuple[str | None, int | None]:
    """Return the conversation and step of the first span that has one."""
    rows = rows_of(shown.trace)
    return next(((row.conversation_id, row.step) for row in rows if row.conversation_id is not None), (None, None))
