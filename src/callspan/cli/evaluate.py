"""`callspan evaluate`: judge recorded spans, and put the verdicts where the spans are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callspan.cli.choosing import selection_of, wishes_of
from callspan.cli.evaluate_arguments import describe
from callspan.cli.progress import Progress
from callspan.cli.report import open_database
from callspan.cli.unreadable import complain
from callspan.drawing.terminal import Terminal
from callspan.errors import CallspanError
from callspan.reading.feedback import join
from callspan.reading.files import LoadReport, files_of
from callspan.reading.rows import load_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callspan.cli.evaluators import Making
    from callspan.cli.verdicts import Places, Recording
    from callspan.evaluation.limits import Budget, Limits
    from callspan.evaluation.running import Evaluation, Result
    from callspan.evaluation.targets import Plan
    from callspan.reading.overview import Row

SUMMARY: Final = "judge recorded spans, by functions or by a model, and rank the spans of a bad trace"
_EXAMPLES: Final = """\
examples:
  callspan evaluate traces.jsonl --with toxicity,answer_relevance --max-tokens 200000
  callspan evaluate traces.jsonl --with exact_match,correctness --expected golden.csv
  callspan evaluate traces/ --with ndcg,recall --k 5 --expected relevant.jsonl
  callspan evaluate traces/ --with my_app.checks:is_polite --by metadata.country
  callspan evaluate traces/ --with rubric:tone.prompt --base-url http://localhost:8000/v1 --model qwen3
  callspan evaluate traces/ --with hallucination --blame 5b8aa5a2
  callspan evaluate traces/ --with document_relevance --since 2026-11-01 --exporter otlp

Evaluators: hallucination, correctness, answer_relevance, document_relevance,
toxicity, summarisation, extraction, conversation_helpfulness (a model judges,
through the openai client: OPENAI_API_KEY, OPENAI_BASE_URL), rubric:FILE for a
question of your own; exact_match, fuzzy_match, rouge_1, rouge_2, rouge_l,
perplexity, matches:PATTERN, schema:FILE, similarity:EMBEDDER (openai:MODEL or
module:function); precision, recall, mrr, ndcg, hit_rate of searches; or
module:name: a function of a record, an evaluator or a Rubric.

Verdicts are written beside the spans as feedback, so callspan report, view,
export and clusters know them; what judges did is traced into judges/ there. What
models said is kept in --cache: the same command goes on where one was stopped or
killed. A record that cannot be judged ends with an error, never with a score;
then the exit code is 1, but for records without a right answer. Needs:
python -m pip install "callspan[analysis]"; judges need openai.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    describe(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge, record and print. Returns 1 when something could not be judged or delivered, or nothing was there."""
    from callspan.cli.evaluators import Making, kinds_for  # noqa: PLC0415 - imports pydantic
    from callspan.cli.verdicts import Places, Recording  # noqa: PLC0415
    from callspan.evaluation.summing import check_column  # noqa: PLC0415
    from callspan.evaluation.targets import Plan, Wish  # noqa: PLC0415

    making = Making.of(arguments)
    evaluators = [making.named(name) for name in dict.fromkeys(arguments.evaluators)]
    check_column(arguments.by)
    limits_of(arguments)  # what is wrong is said before anything is read
    is_any_kind = bool(arguments.kind or arguments.blame)
    wishes = [Wish(one, None if is_any_kind else kinds_for(one)) for one in evaluators]
    is_to_file = not arguments.dry_run and bool(arguments.output or not arguments.exporter)
    places = Places.beside(Path(arguments.paths[0]), arguments.output) if is_to_file else None
    rows = _read(arguments, places)
    plan = Plan(rows, wishes, _choice(arguments, rows), only_roots=arguments.roots)
    if not plan.total:
        sys.stderr.write("callspan evaluate: there is nothing to judge; --kind and --roots choose the spans\n")
        return 1
    levels = [one.name for one in evaluators if one.level == "conversation"]
    recording = Recording(levels, join(rows).given if is_to_file else ())
    with _recorded(arguments, places) as lost:
        is_costly = any(getattr(one, "is_costly", False) for one in evaluators)
        evaluation = _judge(arguments, plan, recording, making, cache_of(arguments) if is_costly else None)
    _tell(evaluation, rows, arguments)
    if not arguments.dry_run:
        _say(recording, places, lost)
    return 1 if lost or _has_failed(evaluation, is_blame=arguments.blame is not None) else 0


def _read(arguments: argparse.Namespace, places: Places | None) -> list[Row]:
    """Read the overview of all spans, and of the verdicts that are there already."""
    files = [file for path in arguments.paths for file in files_of(path)]
    known = {file.resolve() for file in files}
    if places is not None and places.verdicts.exists() and places.verdicts.resolve() not in known:
        files += files_of(places.verdicts)
    report = LoadReport()
    rows = [*load_rows(files, report)]
    complain(arguments.command, report)
    return rows


def _choice(arguments: argparse.Namespace, rows: Sequence[Row]) -> Callable[[Row], bool]:
    """Return what tells whether a span is chosen. What judges did themselves never is."""
    from callspan.cli.verdicts import SERVICE  # noqa: PLC0415

    kinds, trace = frozenset(arguments.kind or ()), _trace_of(arguments.blame, rows)
    ids = _asked_for(arguments) if wishes_of(arguments).keys() - {"kind"} else None

    def is_chosen(row: Row) -> bool:
        return (
            row.service != SERVICE
            and (not kinds or row.kind in kinds)
            and (ids is None or (row.trace_id, row.span_id) in ids)
            and (trace is None or row.trace_id == trace)
        )

    return is_chosen


def _trace_of(beginning: str | None, rows: Sequence[Row]) -> str | None:
    """Return the one trace that is meant; raises `CallspanError` where none or several begin like that."""
    if beginning is None:
        return None
    found = sorted({row.trace_id for row in rows if row.trace_id.startswith(beginning.lower())})
    if len(found) != 1:
        raise CallspanError(f"--blame {beginning}: {len(found) or 'no'} traces begin like that; give the ID of one")
    return found[0]


def _asked_for(arguments: argparse.Namespace) -> set[tuple[str, str]]:
    database = open_database(arguments, LoadReport())
    if database is None:
        return set()
    with database:
        question, given = selection_of(arguments).question()
        database.count(question, given)  # it complains of values that cannot be compared
        return {(row["trace_id"], row["span_id"]) for row in database.rows(question, **given)}


@contextmanager
def _recorded(arguments: argparse.Namespace, places: Places | None) -> Iterator[list[str]]:
    """Record verdicts and what judges do; yields a list that says at the end what was not delivered."""
    import callspan  # noqa: PLC0415
    from callspan.cli.verdicts import start_recording, stop_recording  # noqa: PLC0415

    lost: list[str] = []
    if arguments.dry_run:
        yield lost
        return
    start_recording(places, arguments.exporter)
    watched = callspan.instrument("openai") if "openai" in sys.modules else None
    try:
        yield lost
    finally:
        if watched is not None:
            watched.undo()
        lost += stop_recording()


def _judge(
    arguments: argparse.Namespace, plan: Plan, recording: Recording, making: Making, cache: Path | None
) -> Evaluation:
    """Judge, and record each verdict as it comes, so that nothing is lost where it ends early."""
    import asyncio  # noqa: PLC0415 - not for --help, all of them
    import sqlite3  # noqa: PLC0415

    from callspan.evaluation.running import evaluate_pairs_async  # noqa: PLC0415

    limits, budget = limits_of(arguments)
    progress, done = Progress(arguments.color, unit="verdict"), [0, 0]

    def take(result: Result) -> None:
        done[0] += 1
        done[1] += result.score.error is not None
        recording.take(result)
        progress.show(done[0], plan.total, f"({done[1]:,} errors)" if done[1] else "")

    async def judged() -> Evaluation:
        try:
            return await evaluate_pairs_async(plan.pairs(), limits=limits, budget=budget, cache=cache, on_result=take)
        finally:
            await making.close()

    try:
        return asyncio.run(judged())
    except (sqlite3.Error, OSError) as error:
        if cache is None or isinstance(error, CallspanError):  # a file of spans that cannot be read
            raise
        raise CallspanError(f"{cache}: {error}; --cache FILE names another place") from None
    finally:
        progress.clear()


def limits_of(arguments: argparse.Namespace) -> tuple[Limits, Budget]:
    """Return how fast and how much may be asked."""
    from callspan.evaluation.limits import Budget, Limits  # noqa: PLC0415

    if arguments.max_cost is not None and not (arguments.input_price or arguments.output_price):
        raise CallspanError("--max-cost needs --input-price and --output-price, per million tokens")
    limits = Limits(arguments.concurrency, arguments.per_minute, arguments.attempts, arguments.timeout)
    budget = Budget(arguments.max_tokens, arguments.max_cost, arguments.input_price, arguments.output_price)
    return limits, budget


def cache_of(arguments: argparse.Namespace) -> Path:
    """Return where verdicts of models are kept: beside the first file."""
    return arguments.cache or Path(f"{arguments.paths[0].rstrip('/')}.verdicts")


def _tell(evaluation: Evaluation, rows: Sequence[Row], arguments: argparse.Namespace) -> None:
    from callspan.cli.evaluate_report import print_summary, print_verdicts  # noqa: PLC0415
    from callspan.evaluation.summing import sum_up  # noqa: PLC0415

    told = sum_up(evaluation, rows, arguments.by, has_suspects=arguments.blame is not None)
    if arguments.json:
        print_verdicts(told, evaluation)
    else:
        print_summary(told, Terminal(sys.stdout, color=arguments.color))


def _has_failed(evaluation: Evaluation, *, is_blame: bool) -> bool:
    """Return whether something could not be judged that was meant to be.

    Not every call has a right answer, nor every span of a trace what a judge looks at.
    """
    from callspan.evaluation.retrieval import NOT_KNOWN  # noqa: PLC0415
    from callspan.evaluation.texts import NO_ANSWER  # noqa: PLC0415

    failed = [one for one in evaluation.errors if one.score.error not in (NO_ANSWER, NOT_KNOWN)]
    return len(evaluation.errors) == len(evaluation.results) or bool(failed and not is_blame)


def _say(recording: Recording, places: Places | None, lost: Sequence[str]) -> None:
    told = [f"{recording.written:,} verdicts recorded"] if recording.written else []
    told += [f"{recording.already:,} were there already"] if recording.already else []
    where = f" in {places.verdicts}" if places is not None and told else ""
    text = ", ".join(told) + where or "no verdict to record"
    sys.stderr.write(f"callspan evaluate: {'; '.join([text, *lost])}\n")
