"""`callspan replay`: deliver what is left in a spool."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan import settings
from callspan.cli.progress import Progress
from callspan.drawing import figures
from callspan.drawing.terminal import Terminal
from callspan.errors import CallspanError, ReadError

if TYPE_CHECKING:
    from callspan.exporters.contract import Exporter
    from callspan.pipeline.spool.replay import Part, Replay

SUMMARY: Final = "deliver what processes that have ended left in their spool"
_PATIENCE_S: Final = 60.0
_EXAMPLES: Final = """\
examples:
  callspan replay /var/spool/shop-bot --dry-run
  callspan replay /var/spool/shop-bot --endpoint http://localhost:4318
  callspan replay /var/spool/shop-bot --exporter file && callspan view
  CALLSPAN_EXPORTERS=otlp,http callspan replay /var/spool/shop-bot --json

A spool is the folder that an application names with configure(spool_dir=...)
or CALLSPAN_SPOOL_DIR. Applications deliver it themselves when they are started
again; this is for when they are not, or to deliver it somewhere else.

Without --exporter or --endpoint, spans go where CALLSPAN_EXPORTERS or
OTEL_EXPORTER_OTLP_ENDPOINT say. Headers, certificates and so on are taken from
the environment, as in an application. Secrets are looked for once more. Every
exporter goes on where the one of its name stopped. What is delivered, or
rejected for good, is deleted; what belongs to running processes is left to
them. The exit code is 1 when something was not delivered.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("spool", nargs="?", metavar="DIR", help="the spool (default: CALLSPAN_SPOOL_DIR)")
    parser.add_argument("--dry-run", action="store_true", help="only tell what is there, and change nothing")
    where = parser.add_argument_group("where to")
    where.add_argument(
        "--exporter", action="append", default=[], metavar="NAME", help="otlp, http, file, ..., given once or more"
    )
    where.add_argument("--endpoint", metavar="URL", help="an OTLP receiver, for --exporter otlp")
    where.add_argument(
        "--patience",
        type=_seconds,
        default=_PATIENCE_S,
        metavar="SECONDS",
        help=f"give up when nothing moved for so long (default: {_PATIENCE_S:.0f})",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the counts as JSON")
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto obeys NO_COLOR and FORCE_COLOR"
    )
    output.add_argument("--no-color", dest="color", action="store_const", const="never", help="the same as never")


def run(arguments: argparse.Namespace) -> int:
    """Deliver, or tell what is there. Returns 0, or 1 when something was not delivered."""
    given = arguments.spool or os.environ.get("CALLSPAN_SPOOL_DIR", "").strip()
    if not given:
        raise CallspanError("which spool? give its folder, or set CALLSPAN_SPOOL_DIR")
    spool_dir = Path(given).absolute()
    try:
        return _tell(spool_dir, arguments) if arguments.dry_run else _deliver(spool_dir, arguments)
    except OSError as error:
        raise ReadError(error.errno, error.strerror or str(error), str(error.filename or given)) from None


def _deliver(spool_dir: Path, arguments: argparse.Namespace) -> int:
    from callspan.pipeline.redaction.gate import Gate  # noqa: PLC0415 - not for --help, all of them
    from callspan.pipeline.spool.replay import Replay, parts_of  # noqa: PLC0415

    in_use = sum(part.in_use for part in parts_of(spool_dir))
    wanted = settings.read(exporters=arguments.exporter or None)
    gate = Gate(wanted.redact, capture_content=wanted.capture_content)
    replay = Replay(spool_dir, _exporters(wanted, arguments), gate)
    progress = Progress(arguments.color)
    is_interrupted = False
    try:
        replay.run(
            arguments.patience, lambda it: progress.show(it.settled, it.found, f"({it.trouble})" if it.trouble else "")
        )
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        progress.clear()
        trouble = replay.trouble
        replay.close()
    is_ok = _report(replay, spool_dir, in_use, trouble, arguments)
    if is_interrupted:
        raise KeyboardInterrupt
    return 0 if is_ok else 1


def _exporters(wanted: settings.Settings, arguments: argparse.Namespace) -> list[Exporter]:
    from callspan.exporters import OTLPExporter, registry  # noqa: PLC0415 - not for --help

    if wanted.is_default_exporter and not arguments.endpoint:
        raise CallspanError("where to? give --exporter or --endpoint, or set CALLSPAN_EXPORTERS")
    names: Sequence[Any] = () if wanted.is_default_exporter else wanted.exporters
    if not arguments.endpoint:
        return [registry.make(name, "--exporter") for name in names]
    others = [registry.make(name, "--exporter") for name in arguments.exporter if name.strip().lower() != "otlp"]
    return [OTLPExporter(arguments.endpoint), *others]


def _report(replay: Replay, spool_dir: Path, in_use: int, trouble: str | None, arguments: argparse.Namespace) -> bool:
    counts = replay.stats()
    is_ok = all(told["delivered"] == told["adopted"] for told in counts.values())
    if arguments.json:
        result = {"spool": str(spool_dir), "ok": is_ok, "in_use": in_use, "exporters": counts}
        sys.stdout.write(json.dumps(result) + "\n")
        return is_ok
    terminal = Terminal(sys.stdout, color=arguments.color)
    for name, told in counts.items():
        lost, dot = told["rejected"] + sum(told["dropped"].values()), terminal.glyphs.dot
        facts = [
            (terminal.one_line(f"{name}: "), "bold"),
            (f"{told['delivered']:,} of {figures.things(told['adopted'], 'span')} delivered", ""),
            (
                f"{terminal.glyphs.dot}{lost:,} lost ({_reasons(told['dropped'], told['rejected'])})" if lost else "",
                "red",
            ),
            (f"{dot}{told['spooled']:,} left in the spool" if told["spooled"] else "", "yellow"),
            (f" ({terminal.one_line(trouble)})" if told["spooled"] and trouble else "", "yellow"),
        ]
        terminal.print(facts)
    if in_use:
        terminal.print([(f"{figures.things(in_use, 'part')} of running processes left to them", "dim")])
    return is_ok


def _reasons(dropped: dict[str, int], rejected: int) -> str:
    told = {**dropped, **({"rejected": rejected} if rejected else {})}
    return ", ".join(f"{count:,} {reason}" for reason, count in told.items())


def _tell(spool_dir: Path, arguments: argparse.Namespace) -> int:
    from callspan.pipeline.spool.replay import parts_of  # noqa: PLC0415 - not for --help

    parts = parts_of(spool_dir)
    if arguments.json:
        told = [{name: getattr(part, name) for name in part.__slots__} for part in parts]
        sys.stdout.write(json.dumps({"spool": str(spool_dir), "parts": told}) + "\n")
        return 0
    terminal = Terminal(sys.stdout, color=arguments.color)
    for part in parts:
        terminal.print([(part.name, "bold"), *_facts(part, terminal)])
    spans = sum(part.spans for part in parts)
    left = sum(not part.in_use for part in parts)
    terminal.print([(f"{figures.things(spans, 'span')} to deliver, left by {left} processes", "bold")])
    return 0


def _facts(part: Part, terminal: Terminal) -> list[tuple[str, str]]:
    if part.in_use:
        return [("  in use by a running process, which delivers it", "dim")]
    dot = terminal.glyphs.dot
    odd = f"{dot}{figures.things(part.unreadable, 'file')} that cannot be read" if part.unreadable else ""
    since = f"{dot}{figures.moment(round(part.newest_s * 1e9))}" if part.spans else ""
    return [(f"  {figures.things(part.spans, 'span')}{dot}{part.size / 1_048_576:.1f} MiB{since}", ""), (odd, "red")]


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
