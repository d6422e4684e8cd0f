"""`callspan export`: datasets from files of spans."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callspan.cli.choosing import add_choice, selection_of, wishes_of
from callspan.cli.overwriting import check_free
from callspan.cli.progress import Progress
from callspan.cli.report import add_input, read_table
from callspan.drawing import figures
from callspan.errors import CallspanError, ReadError
from callspan.reading.files import LoadReport

if TYPE_CHECKING:
    from callspan.cli.export_at_once import AtOnce
    from callspan.datasets.making import Calls, Made
    from callspan.datasets.selecting import Selection
    from callspan.datasets.writing import Card

SUMMARY: Final = "make datasets of calls: for fine-tuning, preferences and evaluation"
_FETCHED: Final = 5_000  # calls that the database is asked for at once
_FORMATS: Final = ("openai-chat", "preference", "csv", "jsonl", "parquet")
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
    add_choice(parser, "llm by default")


def run(arguments: argparse.Namespace) -> int:
    """Choose, write and say what was written. Returns 1 when nothing was."""
    from callspan.datasets.writing import TOLD, files_for, write_dataset  # noqa: PLC0415 - extras, all that follow
    from callspan.reading.tables import check_arrow  # noqa: PLC0415

    check_arrow()
    for out in files_for(arguments.output, arguments.split):
        check_free("--output", out, *arguments.paths, arguments.calls)
    is_preference = arguments.format == "preference"
    selection = selection_of(arguments, "llm", both_opinions=is_preference)
    if is_preference and (selection.opinion is None or selection.opinion.sign is None):
        raise CallspanError('--format preference needs --feedback with a condition, as in --feedback "helpful>=1"')
    from callspan.datasets.selecting import LOOKED_AT  # noqa: PLC0415

    with ExitStack() as stack:
        at_once = _at_once(arguments, selection, stack)
        columns = None if arguments.where else LOOKED_AT
        table = read_table(arguments, LoadReport(), columns, at_once)
        if table is None:
            return 1
        from callspan.cli.export_workers import Makers  # noqa: PLC0415 - an extra
        from callspan.datasets.making import columns_for  # noqa: PLC0415
        from callspan.reports.database import Database  # noqa: PLC0415

        makers = stack.enter_context(Makers(arguments.format, arguments.processes))
        if at_once is None and not (selection.is_narrow or arguments.where):
            makers.start(table.num_rows)  # they import what they need while calls are chosen
        database = stack.enter_context(Database(table, arguments.where))
        question, given = selection.question(())
        total = database.count(question, given)
        if at_once is None:
            makers.start(total)
            question, given = selection.question({*columns_for(arguments.format), *TOLD})
            made = makers.make_all(database.columns(question, repeat(_FETCHED), **given))
        else:
            question, given = selection.labels()
            made = at_once.made(total, database.rows(question, **given))
        card = write_dataset(_watched(made, total), arguments.format, arguments.output, split=arguments.split)
    told = {"format": arguments.format, "made_of": arguments.paths, "chosen_by": wishes_of(arguments), "calls": total}
    Path(f"{arguments.output}.card.json").write_text(card.as_json(told), encoding="utf-8", errors="replace")
    _say(card)
    return 0 if card.examples else 1


def _at_once(arguments: argparse.Namespace, selection: Selection, stack: ExitStack) -> AtOnce | None:
    """Return what makes the calls while the table is read; None where only the table says which calls are wanted."""
    from callspan.cli.export_at_once import FORM, AtOnce  # noqa: PLC0415 - an extra

    if arguments.format != FORM or arguments.where or not selection.is_of_kinds:
        return None
    return AtOnce(stack.enter_context(_folder_beside(arguments.output)), selection.kinds)


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """Make an empty folder where there has to be room for it all anyway; one that a killed export left there goes."""
    folder = out.with_name(f".{out.name}.made")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise ReadError(error.errno, error.strerror or type(error).__name__, str(out)) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watched(made: Iterable[tuple[Calls, Made]], total: int) -> Iterator[tuple[Calls, Made]]:
    progress, done = Progress(), 0
    try:
        for calls, told in made:
            progress.show(done, total)
            yield calls, told
            done += len(told.contents)
    finally:
        progress.clear()


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
