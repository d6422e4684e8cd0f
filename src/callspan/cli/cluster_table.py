"""What `callspan clusters` prints: a table of the clusters, and more on those that stand out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from callspan.analysis.page import summary_of
from callspan.analysis.points import NO_TEMPLATE, UNKNOWN_MODEL, Point
from callspan.analysis.problems import Cluster, Findings
from callspan.cli.report_tables import cost
from callspan.drawing import figures
from callspan.drawing.terminal import Terminal
from callspan.drawing.text import pad, pad_left, width_of

_HEADS: Final = ("", "calls", "bad", "range", "lift", "range", "before", "p50", "p95", "tokens", "cost", "")
_LEFT_OUT: Final = (8, 10, 9, 7, 3, 6)  # columns that go first where the terminal is narrow
_LEAST_TERMS: Final = 24
_MOST_TERMS: Final = 70


def print_clusters(terminal: Terminal, points: Sequence[Point], findings: Findings, limit: int) -> None:
    """Print the worst clusters, up to `limit`; details of those that are problems or have changed."""
    terminal.print([(terminal.cut(summary_of(points, findings, len(points)), terminal.width), "bold")])
    shown = findings.clusters[:limit]
    if shown:
        _print_table(terminal, shown)
    alone = findings.labels.count(-1)
    asides = [f"{alone:,} calls belong to no cluster"] if alone else []
    if len(findings.clusters) > limit:
        asides.append(f"{len(findings.clusters) - limit:,} more clusters; --limit shows them")
    if asides:
        terminal.print([(terminal.cut("; ".join(asides), terminal.width), "dim")])
    for rank, cluster in enumerate(shown, 1):
        if cluster.lift.is_problem or _tag(cluster):
            _print_details(terminal, points, rank, cluster)


def _print_table(terminal: Terminal, shown: Sequence[Cluster]) -> None:
    rows = [_HEADS, *(_cells(rank, cluster, terminal) for rank, cluster in enumerate(shown, 1))]
    columns = [column for column in range(len(_HEADS)) if column == 0 or any(row[column] for row in rows[1:])]
    widths = {column: max(width_of(row[column]) for row in rows) for column in columns[1:]}
    for column in _LEFT_OUT:
        if column in widths and terminal.width - sum(width + 2 for width in widths.values()) < _LEAST_TERMS:
            del widths[column]
    room = max(terminal.width - sum(width + 2 for width in widths.values()), _LEAST_TERMS)
    room = min(room, max(width_of(row[0]) for row in rows))
    terminal.print()
    for number, row in enumerate(rows):
        style = "dim" if number == 0 else "bold" if row[-1] else ""
        cells = [(pad(terminal.cut(row[0], room), room), style)]
        for column, width in widths.items():
            is_tag = column == len(_HEADS) - 1
            text = pad(row[column], width) if is_tag else pad_left(row[column], width)
            cells.append((f"  {text}", "red" if is_tag else "dim" if number == 0 else ""))
        terminal.print(cells)


def _cells(rank: int, cluster: Cluster, terminal: Terminal) -> tuple[str, ...]:
    bad, lift = cluster.bad, cluster.lift
    terms = terminal.cut(terminal.one_line(", ".join(cluster.terms)) or "(no words)", _MOST_TERMS)
    (low, high), is_judged = bad.interval, bool(bad.count)
    tags = [*(["problem"] if lift.is_problem else []), *filter(None, [_tag(cluster)])]
    return (
        f"{rank:>2} {terms}",
        f"{cluster.size:,}",
        f"{bad.value:.0%}" if is_judged else "",
        f"{low:.0%} to {high:.0%}" if is_judged else "",
        _times(lift.value) if is_judged else "",
        f"{_times(lift.low)} to {_times(lift.high)}" if is_judged else "",
        "" if cluster.change is None else f"{cluster.change.before:,}",
        figures.duration(round(cluster.p50_ms * 1e6)) if cluster.size else "",
        figures.duration(round(cluster.p95_ms * 1e6)) if cluster.size else "",
        figures.count(round(cluster.mean_tokens)) if cluster.mean_tokens else "",
        cost(cluster.cost),
        ", ".join(tags),
    )


def _tag(cluster: Cluster) -> str:
    return "" if cluster.change is None or cluster.change.change == "same" else cluster.change.change


def _times(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "any"


def _print_details(terminal: Terminal, points: Sequence[Point], rank: int, cluster: Cluster) -> None:
    terminal.print()
    terms = terminal.one_line(", ".join(cluster.terms)) or "(no words)"
    terminal.print([(f"{rank}. ", "dim"), (terminal.cut(terms, terminal.width - len(f"{rank}. ")), "bold")])
    for fact in _facts(cluster):
        terminal.print([("   ", ""), (terminal.cut(terminal.one_line(fact), terminal.width - 3), "")])
    for index in cluster.examples:
        text = terminal.one_line(points[index].prompt)
        terminal.print([("   ", ""), (terminal.cut(f'"{text}"', terminal.width - 3), "dim")])


def _facts(cluster: Cluster) -> Iterator[str]:
    if cluster.verdicts:
        yield "bad by " + ", ".join(f"{name} ({count:,})" for name, count in cluster.verdicts.most_common(4))
    change = cluster.change
    if change is not None and change.change != "same":
        yield f"{change.change}: {change.now:,} calls, {change.before:,} in the baseline (p = {change.p_value:.2g})"
    told = [f"{name} ({count:,})" for name, count in cluster.models.most_common(3) if name != UNKNOWN_MODEL]
    told += [f"{name} ({count:,})" for name, count in cluster.prompt_versions.most_common(3) if name != NO_TEMPLATE]
    if told:
        yield "made by " + ", ".join(told)
