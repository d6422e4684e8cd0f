"""What `callspan evaluate` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from callspan.cli.json_lines import print_json
from callspan.cli.report_tables import cost
from callspan.drawing import figures
from callspan.drawing.terminal import Piece, Terminal
from callspan.drawing.text import pad, pad_left, width_of
from callspan.evaluation.running import Evaluation

Tree = dict[str, Any]

_MOST_ROWS: Final = 20
_UNFAIR: Final = 0.8


def print_verdicts(told: Tree, evaluation: Evaluation) -> None:
    """Print the figures and every verdict as one JSON document."""
    verdicts = [
        {
            "trace_id": result.record.trace_id,
            "span_id": result.record.span_id,
            **asdict(result.score),
            "cached": result.cached,
        }
        for result in evaluation.results
    ]
    print_json(json.dumps({**told, "verdicts": verdicts}, ensure_ascii=False, default=str))


def print_summary(told: Tree, terminal: Terminal) -> None:
    """Print the figures of `callspan.evaluation.summing.sum_up`."""
    _print_rows(
        terminal, ("", "judged", "pass", "range", "mean", "errors"), [_score_row(row) for row in told["scores"]]
    )
    for row in told["scores"]:
        for reason, count in row["reasons"].items():
            terminal.print([(terminal.one_line(f"{row['name']}: {count:,} x {reason}"), "red")])
    for group in told["groups"]:
        _title(terminal, f"{group['name']} by {group['by']}")
        _print_rows(terminal, ("", "judged", "pass", "range", "to best", ""), [*_group_rows(group)])
    for row in told["agreement"]:
        _print_agreement(row, terminal)
    if told["suspects"] is not None:
        _print_suspects(told["suspects"], terminal)
    used = told["input_tokens"] + told["output_tokens"]
    asides = [f"{used:,} tokens" if used else "", cost(told["cost"])]
    asides.append(f"{figures.things(told['cached'], 'verdict')} known already" if told["cached"] else "")
    if any(asides):
        terminal.print()
        terminal.print([(", ".join(filter(None, asides)), "dim")])


def _score_row(row: Tree) -> tuple[str, ...]:
    low, high = row["interval"]
    has_rate = row["rate"] is not None
    return (
        row["name"],
        f"{row['judged']:,}",
        f"{row['rate']:.0%}" if has_rate else "",
        f"{low:.0%} to {high:.0%}" if has_rate else "",
        f"{row['mean']:.2f}" if has_rate else "",
        f"{row['errors']:,}" if row["errors"] else "",
    )


def _group_rows(group: Tree) -> Iterator[tuple[str, ...]]:
    for row in group["groups"][:_MOST_ROWS]:
        low, high = row["interval"]
        ratio = row["ratio"]
        yield (
            row["value"],
            f"{row['count']:,}",
            f"{row['rate']:.0%}",
            f"{low:.0%} to {high:.0%}",
            "" if ratio is None else f"{ratio:.2f}",
            "below 0.8" if ratio is not None and ratio < _UNFAIR else "",
        )


def _print_agreement(row: Tree, terminal: Terminal) -> None:
    kappa = "" if row["kappa"] is None else f", kappa {row['kappa']:.2f}"
    _title(terminal, f"{row['judge']} (rows) and people's {row['feedback']}: {row['observed']:.0%} agree{kappa}")
    head, *rows = [tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in line) for line in row["table"]]
    _print_rows(terminal, head, rows)


def _print_suspects(rows: Sequence[Tree], terminal: Terminal) -> None:
    _title(terminal, "At fault, most likely first" if rows else "Nothing speaks against any span of this trace")
    for rank, row in enumerate(rows[:_MOST_ROWS], 1):
        head = terminal.one_line(f"{rank}. {row['kind']} {row['name']}")
        reason = terminal.one_line(row["reason"])
        room = max(terminal.width - width_of(head) - 2, 0)
        pieces: list[Piece] = [(terminal.cut(head, terminal.width), "bold")]
        terminal.print([*pieces, ("  ", ""), (terminal.cut(reason, room), "red")])


def _title(terminal: Terminal, text: str) -> None:
    terminal.print()
    terminal.print([(terminal.cut(terminal.one_line(text), terminal.width), "bold")])


def _print_rows(terminal: Terminal, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    cleaned = [head, *([terminal.one_line(cell) for cell in row] for row in rows)]
    columns = [number for number in range(len(head)) if number == 0 or any(row[number] for row in cleaned[1:])]
    widths = {number: max(width_of(row[number]) for row in cleaned) for number in columns}
    room = terminal.width - sum(widths[number] + 2 for number in columns[1:])
    widths[0] = max(min(widths[0], room), 8)
    for line, row in enumerate(cleaned):
        style = "dim" if line == 0 else ""
        cells = [(pad(terminal.cut(row[0], widths[0]), widths[0]), style)]
        cells += [("  " + pad_left(row[number], widths[number]), style) for number in columns[1:]]
        terminal.print(cells)


def print_comparison(told: Tree, terminal: Terminal) -> None:
    """Print the figures of `callspan compare`."""
    for name in ("a", "b"):
        text = terminal.one_line(f"{name.upper()}: {told['sides'][name]}")
        terminal.print([(terminal.cut(text, terminal.width), "bold")])
    terminal.print()
    heads = ("", "pairs", "A", "B", "B - A", "range", "p", "better", "worse")
    _print_rows(terminal, heads, [_comparison_row(row) for row in told["scores"]])
    if told["answer_errors"]:
        terminal.print([(f"{figures.things(told['answer_errors'], 'answer')} failed", "red")])
    if told["tokens"]:
        terminal.print([(f"{told['tokens']:,} tokens", "dim")])


def _comparison_row(row: Tree) -> tuple[str, ...]:
    if not row["count"]:
        return (row["name"], "0", *[""] * 7)
    return (
        row["name"],
        f"{row['count']:,}",
        f"{row['a']:.2f}",
        f"{row['b']:.2f}",
        f"{row['difference']:+.2f}",
        "" if row["low"] is None else f"{row['low']:+.2f} to {row['high']:+.2f}",
        f"{row['p_value']:.3f}",
        f"{row['better']:,}",
        f"{row['worse']:,}",
    )
