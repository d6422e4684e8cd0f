"""A trace as a tree in the terminal: one line per span, or a few where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from callspan.cli import figures
from callspan.cli.columns import Columns, label, tokens
from callspan.cli.selection import Shown, Totals, rows_of
from callspan.cli.terminal import Piece, Terminal
from callspan.cli.text import pad, pad_left, width_of, wrap
from callspan.reading.rows import Row
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
_MIN_BELOW: Final = 16


def draw_trace(shown: Shown, terminal: Terminal, columns: Columns, id_digits: int, contents: Contents | None) -> None:
    """Print the heading of a trace and its tree."""
    for line in heading(shown, terminal, id_digits):
        terminal.print(line)
    glyphs = terminal.glyphs
    place = _place_of(shown)
    roots = shown.among(shown.trace.roots)
    # (node, depth, what stands before its connector, is the last of its siblings)
    stack = [(root, 0, "", False) for root in reversed(roots)]
    while stack:
        node, depth, before, is_last = stack.pop()
        children = shown.among(node.children)
        if depth > columns.max_depth:
            head, under = f"{before}{glyphs.ellipsis}{depth} ", before
        elif depth:
            head = before + (glyphs.last if is_last else glyphs.branch)
            under = before + (glyphs.gap if is_last else glyphs.line)
        else:
            head = under = ""
        for line in _span(node.span, head, terminal, columns, wanted=shown.wants(node.span)):
            terminal.print(line)
        margin = under + (glyphs.line if children else glyphs.gap)
        room = max(terminal.width - width_of(margin), _MIN_BELOW)
        for line in _below(node, shown, place, terminal, columns, room, contents):
            terminal.print([(margin, "dim"), *line])
        last = len(children) - 1
        stack.extend((children[i], depth + 1, under, i == last) for i in range(last, -1, -1))


def heading(shown: Shown, terminal: Terminal, id_digits: int) -> Iterator[list[Piece]]:
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
        (ELSEWHERE if [root.orphan for root in trace.roots] == [True] else "", "dim"),
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
    if not totals.input_tokens and not totals.output_tokens:
        return ""
    mark = "~" if totals.estimated else ""
    return f"{mark}{totals.input_tokens:,} tokens in, {mark}{totals.output_tokens:,} out"


def _span(row: Row, head: str, terminal: Terminal, columns: Columns, *, wanted: bool) -> Iterator[list[Piece]]:
    glyph, style = _mark(row, terminal)
    room = terminal.width if columns.stacked else columns.left
    kind = terminal.cut(terminal.one_line(label(row)), max(room - width_of(head) - 2, 0))
    name = terminal.cut(terminal.one_line(row.name), max(room - width_of(head) - width_of(kind) - 3, 0))
    left: list[Piece] = [
        (head, "dim"),
        (glyph, style if wanted else "dim"),
        (f" {kind} ", KIND_STYLES[row.kind] if wanted else "dim"),
        (name, "bold" if wanted else "dim"),
    ]
    if columns.stacked:
        yield left
        return
    used = sum(width_of(text) for text, _ in left)
    yield [*left, (" " * (columns.left - used), ""), *_figures(row, terminal, columns, wanted=wanted)]


def _figures(row: Row, terminal: Terminal, columns: Columns, *, wanted: bool) -> Iterator[Piece]:
    time = figures.duration(row.duration_ns)
    yield "  " + pad_left(time, columns.time), "" if wanted else "dim"
    told_in, told_out = tokens(row)
    if columns.tokens_in or columns.tokens_out:
        arrow = terminal.glyphs.arrow if told_in or told_out else " "
        yield f"  {pad_left(told_in, columns.tokens_in)}{arrow}{pad(told_out, columns.tokens_out)}", "dim"
    if columns.model:
        yield "  " + terminal.cut(terminal.one_line(row.model or ""), columns.model), "dim"


def _below(
    node: Node[Row],
    shown: Shown,
    place: tuple[str | None, int | None],
    terminal: Terminal,
    columns: Columns,
    room: int,
    contents: Contents | None,
) -> Iterator[list[Piece]]:
    row = node.span
    if columns.stacked:
        yield [(terminal.cut(terminal.glyphs.dot.join(_stacked(row, terminal)), room), "dim")]
    if (row.conversation_id, row.step) != place and row.conversation_id is not None:
        where = f"conversation {row.conversation_id}" + ("" if row.step is None else f", step {row.step}")
        yield [(terminal.cut(terminal.one_line(where), room), "cyan")]
    if node.orphan and len(shown.trace.roots) > 1:
        yield [(terminal.cut(ELSEWHERE, room), "dim")]
    yield from _ending(row, terminal, room)
    if contents is not None and shown.wants(row):
        yield from contents(row, room)


def _stacked(row: Row, terminal: Terminal) -> Iterator[str]:
    yield figures.duration(row.duration_ns)
    told_in, told_out = tokens(row)
    if told_in or told_out:
        yield f"{told_in}{terminal.glyphs.arrow}{told_out}"
    if row.model:
        yield terminal.one_line(row.model)


def _ending(row: Row, terminal: Terminal, room: int) -> Iterator[list[Piece]]:
    """Yield how the span ended, unless it ended well."""
    if row.outcome == "ok" and not row.error_type:
        return
    glyph, style = _mark(row, terminal)
    words = [] if row.outcome == "error" and row.error_type else [row.outcome]
    words += [word for word in (row.error_type, row.error_message) if word]
    lines = wrap(terminal.clean(": ".join(words)), room - 2)
    if len(lines) > _MESSAGE_LINES:
        lines = [*lines[: _MESSAGE_LINES - 1], lines[_MESSAGE_LINES - 1] + terminal.glyphs.ellipsis]
    for index, line in enumerate(lines):
        yield [(f"{glyph} " if index == 0 else "  ", style), (terminal.cut(line, room - 2), style)]


def _mark(row: Row, terminal: Terminal) -> Piece:
    if row.outcome == "ok":
        return terminal.glyphs.ok, "green"
    return (terminal.glyphs.error, "red") if row.outcome == "error" else (terminal.glyphs.other, "yellow")


def _place_of(shown: Shown) -> tuple[str | None, int | None]:
    """Return the conversation and step of the first span that has one."""
    rows = rows_of(shown.trace)
    return next(((row.conversation_id, row.step) for row in rows if row.conversation_id is not None), (None, None))
