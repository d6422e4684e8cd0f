"""`callspan export`: datasets from files of spans."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.cli.progress import Progress
from callspan.cli.report import add_input, open_database
from callspan.drawing import figures
from callspan.errors import CallspanError
from callspan.model.kinds import KINDS, kind_of
from callspan.reading.files import LoadReport

if TYPE_CHECKING:
    from callspan.datasets.examples import Example
    from callspan.datasets.writing import Card

SUMMARY: Final = "make datasets of calls: for fine-tuning, preferences and evaluation"
_FORMATS: Final = ("openai-chat", "preference", "csv", "jsonl", "parquet")
_CONTENTS: Final = (
    *("input", "output", "system_instructions", "input_messages", "output_messages"),
    *("tool_definitions", "query", "documents"),
)
_EXAMPLES: Final = """\
examples:
  callspan export traces/ --format openai-chat --feedback "helpful>=1" --output train.jsonl
  callspan export traces/ --format openai-chat --split 0.1 --output train.jsonl
  callspan export traces/ --format preference --feedback "helpful>=1" --output pairs.jsonl
  callspan export traces/ --format csv --kind retriever --output searches.csv
  callspan export traces/ --format jsonl --calls calls.jsonl --cluster problems --output fix.jsonl
  callspan export traces/ --format parquet --prompt naming --where "duration_ms > 2000" --output slow.parquet

Feedback on a root is about all calls below it; of several pieces the newest counts.
Each content stands once in a dataset. With --split, whole conversations go into a
second file, so that none is in both. A card with counts, and what was refused and
why, is written beside: OUT.card.json. Needs: pip install "callspan[reading]"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    add_input(parser)
    parser.add_argument("--format", choices=_FORMATS, required=True, help="openai-chat and preference are JSON Lines")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT", help="the file to write")
    parser.add_argument(
        "--split", type=_share, default=0.0, metavar="SHARE", help="of conversations, into OUT's validation file"
    )
    which = parser.add_argument_group("which calls")
    which.add_argument("--kind", action="append", choices=KINDS, metavar="KIND", help="llm by default; or several")
    which.add_argument("--feedback", metavar="COND", help="as in helpful, helpful>=0.5 or helpful=up (a label)")
    which.add_argument("--conversation", metavar="ID", help="of this conversation")
    which.add_argument("--prompt", metavar="NAME", help="made from this prompt template")
    which.add_argument("--version", metavar="VERSION", help="of this version")
    which.add_argument("--model", metavar="MODEL", help="answered by this model")
    which.add_argument(
        "--since", metavar="TIME", help="began then or later, as in 2026-11-01 or '2026-11-01 12:00', UTC"
    )
    which.add_argument("--until", metavar="TIME", help="began earlier")
    which.add_argument(
        "--calls", type=Path, metavar="FILE", help="these, as callspan clusters --calls or its page has written them"
    )
    which.add_argument(
        "--cluster", metavar="NUMBER", help='with --calls, those of this cluster, or "problems" for all that go wrong'
    )
    failed = which.add_mutually_exclusive_group()
    failed.add_argument("--errors", dest="failed", action="store_true", default=None, help="only those that failed")
    failed.add_argument("--no-errors", dest="failed", action="store_false", help="only those that did not")


def run(arguments: argparse.Namespace) -> int:
    """Choose, write and say what was written. Returns 1 when nothing was."""
    from callspan.reading.tables import import_arrow  # noqa: PLC0415

    import_arrow()
    from callspan.datasets.selecting import Opinion, Selection, calls_in, examples  # noqa: PLC0415 - an extra
    from callspan.datasets.writing import write_dataset  # noqa: PLC0415

    opinion = Opinion.parse(arguments.feedback) if arguments.feedback else None
    if arguments.format == "preference" and (opinion is None or opinion.sign is None):
        raise CallspanError('--format preference needs --feedback with a condition, as in --feedback "helpful>=1"')
    if arguments.cluster is not None and arguments.calls is None:
        raise CallspanError("--cluster needs --calls, the file in which callspan clusters --calls has put the clusters")
    selection = Selection(
        tuple(arguments.kind or ("llm",)),
        opinion,
        arguments.conversation,
        arguments.prompt,
        arguments.version,
        arguments.model,
        arguments.since,
        arguments.until,
        arguments.failed,
        None if arguments.calls is None else calls_in(arguments.calls, arguments.cluster),
        both_opinions=arguments.format == "preference",
    )
    report = LoadReport()
    database = open_database(arguments, report)
    if database is None:
        return 1
    with database:
        total = database.count(*selection.question())
        found = _watched(examples(database, selection), total)
        card = write_dataset(found, arguments.format, arguments.output, split=arguments.split, clean=_cleaner())
    told = {"format": arguments.format, "made_of": arguments.paths, "chosen_by": _wishes(arguments), "calls": total}
    Path(f"{arguments.output}.card.json").write_text(card.as_json(told), encoding="utf-8", errors="replace")
    _say(card)
    return 0 if card.examples else 1


def _watched(examples: Iterable[Example], total: int) -> Iterator[Example]:
    progress = Progress()
    try:
        for done, example in enumerate(examples):
            progress.show(done, total)
            yield example
    finally:
        progress.clear()


def _cleaner() -> Callable[[Example], int]:
    """Return what passes contents through the gate, since files of other tools may never have met it."""
    from callspan.model.facts import MISSING, Facts  # noqa: PLC0415
    from callspan.model.finished import finished_span  # noqa: PLC0415
    from callspan.pipeline.gate import Gate  # noqa: PLC0415

    gate = Gate(capture_content=True)

    def clean(example: Example) -> int:
        facts = Facts()
        span = finished_span(kind_of(example.kind, None)[0], "", facts)
        for field in _CONTENTS:
            value = getattr(example, field)
            setattr(facts, field, MISSING if value is None and field in ("input", "output") else value)
        gate.clean(span)
        for field in _CONTENTS:
            value = getattr(facts, field)
            setattr(example, field, None if value is MISSING else value)
        return int(facts.redacted_count)

    return clean


def _wishes(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("kind", "feedback", "conversation", "prompt", "version", "model", "since", "until", "failed", "where")
    told = {name: getattr(arguments, name) for name in (*names, "cluster")}
    told["calls"] = str(arguments.calls) if arguments.calls else None
    return {name: value for name, value in told.items() if value is not None}


def _say(card: Card) -> None:
    files = ", ".join(f"{figures.things(count, 'example')} in {name}" for name, count in card.examples.items())
    asides = [f"{card.duplicates:,} more of the same"] if card.duplicates else []
    asides += [f"{count:,} refused: {reason}" for reason, count in card.refused.most_common(5)]
    sys.stderr.write(f"callspan export: {files or 'no examples'}{''.join(f'; {one}' for one in asides)}\n")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to 1, as in 0.1")
    return share
