"""`callspan report`: what the spans of files say in figures, in the terminal, as JSON, or as one page of HTML."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.cli.json_lines import print_json
from callspan.cli.overwriting import check_free
from callspan.cli.progress import Progress
from callspan.cli.unreadable import complain
from callspan.drawing import figures
from callspan.drawing.terminal import Terminal
from callspan.reading.files import LoadReport, files_of

if TYPE_CHECKING:
    import pyarrow as pa

    from callspan.reading.tables import Beside
    from callspan.reports.database import Database

SUMMARY: Final = (
    "sum up files of spans: latencies, errors, tokens, cost and feedback, by model, prompt version and more"
)
_DEFAULT_PATH: Final = ".callspan"
_EXAMPLES: Final = """\
examples:
  callspan report                                  figures in the terminal
  callspan report traces/ --html report.html       one page for the browser, which needs no network
  callspan report traces/ --json | jq .totals      data for machines
  callspan report traces.jsonl --where "model = 'gpt-4o' and start_time > '2026-11-01'"
  callspan report traces.jsonl --html r.html --trace 5b8aa5a2

--where is a condition in SQL on the columns of the table of spans (docs/tables.md).
The page holds texts of calls, cut to 4,000 characters each: treat it as you treat
the file. Needs: python -m pip install "callspan[reading]"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    add_input(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the figures as one JSON document")
    output.add_argument("--html", type=Path, metavar="OUT", help="write a page with figures, calls, traces and chats")
    output.add_argument(
        "--trace",
        action="append",
        default=[],
        metavar="ID",
        help="with --html, show this trace too, by the beginning of its ID; may be given several times",
    )
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto obeys NO_COLOR and FORCE_COLOR"
    )


def add_input(parser: argparse.ArgumentParser) -> None:
    """Describe what is read; `open_database` reads it."""
    parser.add_argument(
        "paths",
        nargs="*",
        default=[_DEFAULT_PATH],
        metavar="FILE_OR_DIR",
        help=f"files, folders or globs of spans (default: {_DEFAULT_PATH}, where callspan writes by default)",
    )
    parser.add_argument("--where", metavar="SQL", help="only spans for which this condition holds")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="read with so many (default: all)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read, sum up and print. Returns 1 when nothing could be read."""
    check_free("--html", arguments.html, *arguments.paths)
    report = LoadReport()
    database = open_database(arguments, report)
    if database is None:
        return 1
    from callspan.reports.report import make_figures, make_samples  # noqa: PLC0415 - an extra

    with database:
        if database.repeated:
            counted = figures.things(database.repeated, "span")
            sys.stderr.write(f"callspan report: {counted} there several times and counted once\n")
        told = make_figures(database, report)
        if arguments.html is not None:
            _write_page({**told, **make_samples(database, arguments.trace)}, arguments)
        if arguments.json:
            _print_json(told)
        elif arguments.html is None:
            from callspan.cli.report_tables import print_report  # noqa: PLC0415

            print_report(told, Terminal(sys.stdout, color=arguments.color))
    return 0


def open_database(arguments: argparse.Namespace, report: LoadReport) -> Database | None:
    """Read the files that were asked for; None, once it was said why, when there are no spans in them."""
    table = read_table(arguments, report)
    if table is None:
        return None
    from callspan.reports.database import Database  # noqa: PLC0415 - an extra

    return Database(table, arguments.where, is_once=True)


def read_table(
    arguments: argparse.Namespace,
    report: LoadReport,
    columns: Collection[str] | None = None,
    beside: Beside | None = None,
) -> pa.Table | None:
    """Read the files that were asked for into a table, as `to_arrow` does; None as `open_database`."""
    from callspan.reading.tables import to_arrow  # noqa: PLC0415

    files = [file for path in arguments.paths for file in files_of(path)]
    progress = Progress(unit="MB")
    try:
        table = to_arrow(
            files,
            report=report,
            processes=max(arguments.processes, 1),
            on_progress=lambda done, total: progress.show(done // 1_000_000, total // 1_000_000),
            columns=columns,
            beside=beside,
        )
    finally:
        progress.clear()
    complain(arguments.command, report)
    if not report.read:
        sys.stderr.write(f"callspan {arguments.command}: no spans in {', '.join(arguments.paths)}\n")
        return None
    return table


def _write_page(told: dict[str, Any], arguments: argparse.Namespace) -> None:
    from callspan.reports.page import page_of  # noqa: PLC0415

    title = ", ".join(Path(path).name or path for path in arguments.paths)
    arguments.html.write_text(page_of(told, title), encoding="utf-8", newline="\n")
    sys.stderr.write(f"callspan report: wrote {arguments.html}\n")


def _print_json(told: dict[str, Any]) -> None:
    import json  # noqa: PLC0415

    print_json(json.dumps(told, ensure_ascii=False, indent=2))
