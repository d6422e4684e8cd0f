"""`callspan view`: the traces of a file as trees."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callspan.cli.json_lines import print_json
from callspan.cli.selection import Filter, pick
from callspan.cli.unreadable import complain
from callspan.drawing import figures
from callspan.drawing.columns import measure
from callspan.drawing.contents import contents
from callspan.drawing.shown import Shown, Totals, TraceOfRows
from callspan.drawing.terminal import Piece, Terminal
from callspan.drawing.tree import Contents, TreePrinter, flow, tokens_in_words
from callspan.errors import ReadError
from callspan.model.kinds import KINDS, Kind, resolve
from callspan.reading.files import LoadReport, files_of
from callspan.reading.otlp import RawSpan
from callspan.reading.overview import Row
from callspan.reading.rows import load_rows, records_of
from callspan.reading.searching import search_for
from callspan.reading.trees import build_traces

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

SUMMARY: Final = "show traces as trees: who called whom, how long, how many tokens, what failed"
_DEFAULT_PATH: Final = ".callspan"
_DEFAULT_LIMIT: Final = 20
_EXAMPLES: Final = """\
examples:
  callspan view                           the 20 newest traces, the newest last
  callspan view traces.jsonl --io         with what went in and came out
  callspan view traces.jsonl --errors     only those in which something failed
  callspan view traces.jsonl --slowest --limit 5
  callspan view traces.jsonl --conversation c-42 --io
  callspan view traces.jsonl --trace 5b8aa5a2 --io --full
  callspan view traces.jsonl --search "blue socks" --io
  callspan view --follow                  new traces as they end
  callspan view traces/ --kind llm --kind tool
  callspan view traces.jsonl --kind llm --json | jq .usage
  ssh server cat traces.jsonl.gz | callspan view -

A trace is shown when one of its spans meets every filter; --kind also leaves
out the other spans, except the way to those of the kind. In a tree, ~ marks
estimated tokens.

Files are OTLP JSON Lines, as callspan and the OpenTelemetry Collector write
them, plain or gzip. In a folder, *.jsonl and *.json are read, rotated ones
(*.jsonl.1) and packed ones (*.gz) too. Lines that cannot be read are counted
on stderr, the rest is shown. The exit code is 1 when nothing could be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "paths",
        nargs="*",
        default=[_DEFAULT_PATH],
        metavar="FILE_OR_DIR",
        help=f"files or folders of spans, - for stdin (default: {_DEFAULT_PATH}, where callspan writes by default)",
    )
    parser.add_argument("--io", action="store_true", help="show inputs and outputs: messages, documents, arguments")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on with what is written from now on, until Ctrl-C; --limit first shows some",
    )
    parser.add_argument("--full", action="store_true", help="with --io, do not cut long texts")
    which = parser.add_argument_group("which traces")
    which.add_argument("--trace", type=_prefix, metavar="ID", help="whose ID starts like this")
    which.add_argument(
        "--search", metavar="TEXT", help="with a span that has this in its name, inputs, outputs or other attributes"
    )
    which.add_argument("--conversation", metavar="ID", help="with a span of this conversation")
    which.add_argument(
        "--kind",
        type=_kind,
        action="append",
        default=[],
        metavar="KIND",
        help=f"with a span of this kind, given once or more: {', '.join(KINDS)}",
    )
    which.add_argument("--errors", action="store_true", help="with a span that failed")
    which.add_argument("--slowest", action="store_true", help="slowest first, instead of the newest last")
    which.add_argument(
        "--limit",
        type=_limit,
        metavar="N",
        help=f"at most so many traces, 0 for all (default: {_DEFAULT_LIMIT}, with --json all)",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object per span instead of trees")
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto obeys NO_COLOR and FORCE_COLOR"
    )
    output.add_argument("--no-color", dest="color", action="store_const", const="never", help="the same as never")


def run(arguments: argparse.Namespace) -> int:
    """Read, choose and print. Returns 0, or 1 when nothing could be read. Raises `ReadError` for a missing path."""
    with tempfile.TemporaryDirectory(prefix="callspan-view-") as folder, _no_collector():
        if arguments.follow:
            return _follow(arguments)
        files = [file for path in arguments.paths for file in files_of(_from_stdin(folder) if path == "-" else path)]
        return _view(files, arguments)


def _follow(arguments: argparse.Namespace) -> int:
    """Show the traces that end from now on; `--limit` shows some of those that are there, first."""
    from callspan.cli.follow import follow  # noqa: PLC0415 - few ask for it

    wanted = _filter(arguments)
    if arguments.limit is not None:
        with contextlib.suppress(ReadError):
            _view([file for path in arguments.paths for file in files_of(path)], arguments)

    def show(traces: list[TraceOfRows]) -> None:
        chosen = [Shown.of(trace, wanted.kinds) for trace in traces if wanted.finds(trace)]
        if arguments.json:
            _print_json(chosen)
        else:
            _print_trees(chosen, arguments)

    follow(arguments.paths, show, arguments.trace or "", _search(arguments))
    return 0


def _filter(arguments: argparse.Namespace) -> Filter:
    return Filter(arguments.conversation, frozenset(arguments.kind), arguments.errors)


def _search(arguments: argparse.Namespace) -> Callable[[RawSpan], bool] | None:
    return search_for(arguments.search) if arguments.search else None


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Switch the garbage collector off: there are no rings to find, only rows, which it would walk again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _view(files: list[Path], arguments: argparse.Namespace) -> int:
    report = LoadReport()
    wanted = _filter(arguments)
    traces = build_traces(load_rows(files, report, arguments.trace or "", _search(arguments)))
    found = [trace for trace in traces if wanted.finds(trace)]
    complain("view", report)
    if not report.read:
        why = "" if files else ": no *.jsonl or *.json there"
        sys.stderr.write(f"callspan view: no spans in {', '.join(arguments.paths)}{why}\n")
        return 1
    limit = arguments.limit
    if limit is None:
        limit = 0 if arguments.json else _DEFAULT_LIMIT
    chosen = [Shown.of(trace, wanted.kinds) for trace in pick(found, limit, slowest=arguments.slowest)]
    if arguments.json:
        _print_json(chosen)
    else:
        terminal = _print_trees(chosen, arguments)
        for line in flow(_summary(chosen, found, arguments), terminal):
            terminal.print(line)
    return 0


def _print_json(chosen: Iterable[Shown]) -> None:
    for record in records_of(_rows(chosen)):
        if record is not None:
            print_json(record.to_json())


def _print_trees(chosen: list[Shown], arguments: argparse.Namespace) -> Terminal:
    terminal = Terminal(sys.stdout, color=arguments.color)
    columns = measure(chosen, terminal)
    digits = _digits(part.trace.trace_id for part in chosen)
    below = _contents_of(chosen, terminal, full=arguments.full) if arguments.io else None
    printer = TreePrinter(terminal, columns, digits, below)
    for part in chosen:
        printer.print(part)
        terminal.print()
    return terminal


def _contents_of(chosen: Iterable[Shown], terminal: Terminal, *, full: bool) -> Contents:
    # Trees are drawn in the order in which the records are read, so neither waits for more than a batch of the other.
    records = records_of(_rows(chosen))
    first: SpanRecord | None = None

    def below(_: Row, width: int) -> Iterable[list[Piece]]:
        nonlocal first
        record = next(records)
        if record is None:
            return ()
        if first is None or first.trace_id != record.trace_id:
            first = record
        return contents(record, terminal, width, full=full, first=None if first is record else first)

    return below


def _rows(chosen: Iterable[Shown]) -> Iterator[Row]:
    return (node.span for part in chosen for node, _ in part.walk() if part.wants(node.span))


def _summary(chosen: list[Shown], found: list[TraceOfRows], arguments: argparse.Namespace) -> list[Piece]:
    """Return the facts of the last line: over all traces that were found, also those beyond the limit."""
    if not found:
        return [("no trace matches", "bold")]
    totals = Totals()
    for trace in found:
        totals.add(trace)
    facts = [
        (figures.things(totals.traces, "trace"), "bold"),
        (figures.things(totals.spans, "span"), ""),
        (figures.things(totals.errors, "error"), "red" if totals.errors else ""),
        (tokens_in_words(totals), ""),
    ]
    if len(chosen) < len(found):
        order = "slowest" if arguments.slowest else "newest"
        facts.append((f"showing the {order} {len(chosen)}, --limit 0 for all", "dim"))
    return facts


def _digits(trace_ids: Iterable[str]) -> int:
    """Return how many digits tell the traces apart: 8, unless somebody counts from 1."""
    ids = set(trace_ids)
    return next((digits for digits in (8, 16) if len({one[:digits] for one in ids}) == len(ids)), 32)


def _from_stdin(folder: str) -> Path:
    """Put stdin into a file, since the view goes back to the lines it shows."""
    if sys.stdin is None:
        raise ReadError(errno.EBADF, os.strerror(errno.EBADF), "-")
    file = Path(folder) / "stdin"
    with file.open("wb") as stream:
        shutil.copyfileobj(sys.stdin.buffer, stream)
    return file


def _prefix(text: str) -> str:
    digits = text.strip().lower()
    if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the beginning of a trace ID, which has hexadecimal digits")
    return digits


def _kind(text: str) -> Kind:
    try:
        return resolve(text.strip().lower())[0]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(KINDS)}") from None


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number; 0 is all")
    return int(text)
