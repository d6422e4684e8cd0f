"""A report in the terminal: a heading, and a table for everything that tells calls apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from callspan.drawing import figures
from callspan.drawing.terminal import Piece, Terminal
from callspan.drawing.text import pad, pad_left, width_of
from callspan.drawing.tree import flow

Tree = dict[str, Any]

_ROWS: Final = 10
_MOST_KEY: Final = 44
_TITLES: Final = {
    "model": "By model",
    "kind": "By kind",
    "name": "By name",
    "prompt": "By prompt template and version",
    "user": "By user",
    "conversation": "By conversation",
}
_LEFT_OUT: Final = (6, 5, 3, 8, 7, 10, 9)
_HEADS: Final = ("", "requests", "errors", "p50", "p95", "p99", "first chunk", "tokens in", "out", "cost", "feedback")


def print_report(told: Tree, terminal: Terminal) -> None:
    """Print the figures of `callspan.reports.report.make_figures`."""
    for line in flow(_heading(told["totals"]), terminal):
        terminal.print(line)
    for name, title in _TITLES.items():
        rows = told["by"][name]
        if rows:
            _print_table(title, rows, terminal)
    _print_time(told["over_time"], terminal)
    _print_errors(told["errors"], terminal)
    _print_feedback(told, terminal)


def _heading(totals: Tree) -> list[Piece]:
    latency = totals["latency_ms"]
    told = [
        (figures.things(totals["traces"], "trace"), "bold"),
        (figures.things(totals["spans"], "span"), "bold"),
        (figures.things(totals["errors"], "failed root"), "red" if totals["errors"] else ""),
        (f"p50 {_ms(latency['p50'])}, p95 {_ms(latency['p95'])}, p99 {_ms(latency['p99'])}" if latency else "", ""),
        (f"{totals['input_tokens'] or 0:,} tokens in, {totals['output_tokens'] or 0:,} out", ""),
        (cost(totals["cost"]), ""),
        (figures.things(totals["conversations"], "conversation"), "dim"),
        (figures.things(totals["users"], "user"), "dim"),
        (f"{totals['first'][:19]} to {totals['last'][:19]} UTC" if totals["first"] else "", "dim"),
    ]
    return [(text, style) for text, style in told if text]


def cost(dollars: float | None) -> str:
    """Write a cost in dollars; empty where it is not known.

    >>> cost(12.3456), cost(0.000123), cost(None)
    ('$12.35', '$0.00012', '')
    """
    if dollars is None:
        return ""
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.2g}"


def _print_table(title: str, rows: Sequence[Tree], terminal: Terminal) -> None:
    cells = [_HEADS, *(_cells(row, terminal) for row in rows[:_ROWS])]
    columns = [column for column in range(len(_HEADS)) if column == 0 or any(row[column] for row in cells[1:])]
    terminal.print()
    terminal.print([(title, "bold")])
    widths = {column: max(width_of(row[column]) for row in cells) for column in columns}
    for column in _LEFT_OUT:  # the narrower the terminal, the fewer figures
        if column in widths and sum(widths.values()) + 2 * (len(widths) - 1) > terminal.width:
            del widths[column]
    columns = [*widths]
    for number, row in enumerate(cells):
        terminal.print(
            [
                (
                    pad(row[column], widths[column]) if column == 0 else "  " + pad_left(row[column], widths[column]),
                    "dim" if number == 0 else "red" if column == 2 else "",
                )
                for column in columns
            ]
        )
    if len(rows) > _ROWS:
        terminal.print([(f"{terminal.glyphs.ellipsis} and {len(rows) - _ROWS} more (--json has up to 50)", "dim")])


def _cells(row: Tree, terminal: Terminal) -> tuple[str, ...]:
    latency, first = row["latency_ms"] or {}, row["first_chunk_ms"] or {}
    mark = "~" if row["is_estimated"] else ""
    scores = ", ".join(
        f"{name} {one['mean']:.2f} ({one['count']})"
        for name, one in row.get("feedback", {}).items()
        if one["mean"] is not None
    )
    return (
        terminal.cut(terminal.one_line(str(row["key"])), _MOST_KEY),
        f"{row['requests']:,}",
        f"{row['errors']:,}" if row["errors"] else "",
        _ms(latency.get("p50")),
        _ms(latency.get("p95")),
        _ms(latency.get("p99")),
        _ms(first.get("p50")),
        "" if row["input_tokens"] is None else mark + figures.count(row["input_tokens"]),
        "" if row["output_tokens"] is None else mark + figures.count(row["output_tokens"]),
        cost(row["cost"]),
        terminal.one_line(scores),
    )


def _print_time(told: Tree, terminal: Terminal) -> None:
    """Print one bar a bucket, of the newest ones."""
    buckets = told["buckets"][-_ROWS:]
    if len(told["buckets"]) < 2:
        return
    most = max(bucket["requests"] for bucket in buckets) or 1
    full = "█" if terminal.glyphs.branch.startswith("├") else "#"
    terminal.print()
    terminal.print([(f"By {told['unit']}, UTC", "bold")])
    for bucket in buckets:
        latency = bucket["latency_ms"] or {}
        terminal.print(
            [
                (f"{bucket['key'][:16]}  ", "dim"),
                (pad(full * max(round(20 * bucket["requests"] / most), 1), 20), "cyan"),
                (f"  {bucket['requests']:>7,}", ""),
                (f"  {bucket['errors']:,} failed" if bucket["errors"] else "", "red"),
                (f"  p95 {_ms(latency.get('p95'))}" if latency else "", "dim"),
            ]
        )


def _print_errors(rows: Sequence[Tree], terminal: Terminal) -> None:
    if not rows:
        return
    terminal.print()
    terminal.print([("Errors, where they began", "bold")])
    for row in rows[:_ROWS]:
        head = f"{row['count']:>7,}  {row['error_type'] or 'error'}"
        rest = f" in {row['key']}, last in trace {row['trace_id'][:8]}"
        message = f": {row['message']}" if row["message"] else ""
        terminal.print([(terminal.cut(terminal.one_line(head + rest + message), terminal.width), "red")])


def _print_feedback(told: Tree, terminal: Terminal) -> None:
    if not told["feedback"]:
        return
    terminal.print()
    terminal.print([("Feedback", "bold")])
    for row in told["feedback"]:
        labels = ", ".join(f"{label} {count:,}" for label, count in row["labels"].items())
        mean = "" if row["mean"] is None else f"mean {row['mean']:.2f}"
        facts = [figures.things(row["count"], "time"), mean, labels]
        line = f"{row['key']}: " + ", ".join(fact for fact in facts if fact)
        terminal.print([(terminal.cut(terminal.one_line(line), terminal.width), "")])
    asides = list(_asides(told["totals"]))
    if asides:
        terminal.print([(", ".join(asides), "dim")])


def _asides(totals: Tree) -> Iterator[str]:
    if totals["feedback_unknown"]:
        yield f"{totals['feedback_unknown']:,} about spans that are not in these files"
    if totals["feedback_repeated"]:
        yield f"{totals['feedback_repeated']:,} given again and counted once"


def _ms(milliseconds: float | None) -> str:
    return "" if milliseconds is None else figures.duration(round(milliseconds * 1e6))
