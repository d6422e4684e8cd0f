"""`callspan compare`: the same inputs through two models or two templates, judged by the same evaluators."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.cli.evaluate import cache_of, limits_of
from callspan.cli.evaluate_arguments import describe_limits, describe_making
from callspan.cli.json_lines import print_json
from callspan.cli.overwriting import check_free
from callspan.cli.progress import Progress
from callspan.drawing.terminal import Terminal
from callspan.errors import CallspanError, ReadError

if TYPE_CHECKING:
    from callspan.evaluation.answering import Side
    from callspan.evaluation.running import Evaluation, Result
    from callspan.evaluation.scores import Evaluator, Score
    from callspan.evaluation.subjects import Subject
    from callspan.model.record import SpanRecord

Tree = dict[str, Any]

SUMMARY: Final = "answer the same inputs with two models or two prompts, and tell which is better, and how sure that is"
_EXAMPLES: Final = """\
examples:
  callspan compare inputs.jsonl --model-a gpt-4o-mini --model-b gpt-4o --with correctness --html compare.html
  callspan compare inputs.jsonl --model-a gpt-4o-mini --prompt-a old.txt --prompt-b new.txt --with my_app:is_polite
  callspan export traces/ --format jsonl --output inputs.jsonl && callspan compare inputs.jsonl ...

Inputs are JSON Lines: `question`, or the variables of the template, and where
there are some `context` and `expected`, the right answer. A template is a file
with variables in braces. Evaluators are those of callspan evaluate, whose judge
is --model. Answers and verdicts are kept in --cache, and both come out of the
same budget. Needs: python -m pip install "callspan[analysis]" openai
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("paths", nargs=1, metavar="INPUTS", help="JSON Lines, as callspan export --format jsonl writes")
    sides = parser.add_argument_group("what answers")
    sides.add_argument("--model-a", required=True, metavar="MODEL")
    sides.add_argument("--model-b", metavar="MODEL", help="default: the same")
    sides.add_argument("--prompt-a", type=Path, metavar="FILE", help="a template; by default the question is asked")
    sides.add_argument("--prompt-b", type=Path, metavar="FILE", help="default: the same")
    sides.add_argument("--max-answer", type=int, default=1024, metavar="N", help="tokens of an answer (default: 1024)")
    describe_making(parser)
    describe_limits(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--html", type=Path, metavar="OUT", help="write a page with both answers side by side")
    output.add_argument("--json", action="store_true", help="print everything as JSON, for machines")
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto obeys NO_COLOR and FORCE_COLOR"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer, judge, compare. Returns 1 when no pair of scores came out."""
    from callspan.cli.evaluators import Making, openai_client  # noqa: PLC0415 - imports pydantic
    from callspan.evaluation.answering import Answering, asked, expected_in  # noqa: PLC0415

    check_free("--html", arguments.html, arguments.paths[0], arguments.prompt_a, arguments.prompt_b)
    rows = _rows_in(arguments.paths[0])
    sides = _sides(arguments)
    records = [asked(side, rows) for side in sides]
    making = Making.of(arguments)
    right = {key: value for one in records for key, value in expected_in(one, rows).items()}
    making.expected = {**(making.expected or {}), **right} or None
    evaluators = [making.named(name) for name in arguments.evaluators]
    runs = _Runs(arguments)
    client = openai_client(arguments.base_url)
    answering = [Answering(side, client, arguments.max_answer) for side in sides]
    answers = runs.over(
        [(one, way) for way, those in zip(answering, records, strict=True) for one in those], client.close, "answer"
    )
    verdicts = runs.over(_to_judge(records, answers, rows, evaluators), making.close, "verdict")
    told = _told(sides, rows, records, answers, verdicts)
    _show(told, arguments)
    return 0 if any(score["count"] for score in told["scores"]) else 1


class _Runs:
    """Runs evaluators one after the other within one budget."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._limits, self._budget = limits_of(arguments)

    def over(self, pairs: Sequence[tuple[Any, Any]], close: Callable[[], Awaitable[object]], unit: str) -> Evaluation:
        import asyncio  # noqa: PLC0415 - not for --help
        from dataclasses import replace  # noqa: PLC0415

        from callspan.evaluation.running import evaluate_pairs_async  # noqa: PLC0415
        from callspan.evaluation.subjects import subject_of  # noqa: PLC0415

        progress = Progress(self._arguments.color, unit=unit)

        async def judged() -> Evaluation:
            try:
                return await evaluate_pairs_async(
                    [(subject_of(one), evaluator) for one, evaluator in pairs],
                    limits=self._limits,
                    budget=self._budget,
                    cache=cache_of(self._arguments),
                    on_result=_counting(progress, len(pairs)),
                )
            finally:  # connections are closed in the loop that they belong to
                await close()

        try:
            found = asyncio.run(judged())
        finally:
            progress.clear()
        tokens, cost = self._budget.tokens, self._budget.cost
        self._budget = replace(
            self._budget,
            tokens=None if tokens is None else tokens - found.spent_tokens,
            cost=None if cost is None else cost - found.spent_cost,
        )
        return found


def _counting(progress: Progress, total: int) -> Callable[[Result], None]:
    done = 0

    def show(_: Result) -> None:
        nonlocal done
        done += 1
        progress.show(done, total)

    return show


def _sides(arguments: argparse.Namespace) -> list[Side]:
    from callspan.evaluation.answering import Side  # noqa: PLC0415
    from callspan.model.prompt import PromptTemplate  # noqa: PLC0415

    found = []
    for name, model, path in (
        ("A", arguments.model_a, arguments.prompt_a),
        ("B", arguments.model_b or arguments.model_a, arguments.prompt_b or arguments.prompt_a),
    ):
        template = None if path is None else PromptTemplate(_text_of(path).rstrip("\n"), name=path.stem)
        found.append(Side(name, model, template))
    if (found[0].model, found[0].title) == (found[1].model, found[1].title):
        raise CallspanError("A and B are the same; give --model-b or --prompt-b")
    return found


def _rows_in(path: str) -> list[Tree]:
    rows = []
    for number, line in enumerate(_text_of(Path(path)).splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise CallspanError(f"{path}, line {number}: no JSON object")
        rows.append(row)
    if not rows:
        raise CallspanError(f"{path} is empty: give one JSON object a line")
    return rows


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ReadError(error.errno, error.strerror or str(error), str(path)) from None
    except UnicodeDecodeError:
        raise CallspanError(f"{path} is no text in UTF-8") from None


def _to_judge(
    records: Sequence[Sequence[SpanRecord]], answers: Evaluation, rows: Sequence[Tree], evaluators: Sequence[Evaluator]
) -> list[tuple[Subject, Evaluator]]:
    from callspan.evaluation.answering import answered  # noqa: PLC0415

    flat = [record for those in records for record in those]
    scores = [result.score for result in answers.results]
    return [
        (answered(record, score, row), evaluator)
        for record, score, row in zip(flat, scores, [*rows, *rows], strict=True)
        if score.error is None
        for evaluator in evaluators
    ]


def _told(
    sides: Sequence[Side],
    rows: Sequence[Tree],
    records: Sequence[Sequence[SpanRecord]],
    answers: Evaluation,
    verdicts: Evaluation,
) -> Tree:
    """Return everything as plain data."""
    from callspan.evaluation.subjects import question_of  # noqa: PLC0415

    judged: dict[str, dict[str, Score]] = {}
    for result in verdicts.results:
        judged.setdefault(result.record.span_id, {})[result.score.name] = result.score
    given = {result.record.span_id: result.score for result in answers.results}
    shown = [
        {
            "input": str(row.get("question") or question_of(first)),
            "a": _side(given[first.span_id], judged.get(first.span_id, {})),
            "b": _side(given[second.span_id], judged.get(second.span_id, {})),
        }
        for row, first, second in zip(rows, *records, strict=True)
    ]
    names = list(dict.fromkeys(result.score.name for result in verdicts.results))
    return {
        "sides": {"a": sides[0].title, "b": sides[1].title},
        "scores": [_score(name, shown) for name in names],
        "rows": shown,
        "answer_errors": len(answers.errors),
        "tokens": sum(one.input_tokens + one.output_tokens for one in (answers, verdicts)),
    }


def _side(answer: Score, scores: dict[str, Score]) -> Tree:
    told = {
        name: {"score": one.score, "label": one.label, "explanation": one.explanation, "error": one.error}
        for name, one in scores.items()
    }
    return {"answer": answer.explanation or "", "error": answer.error, "scores": told}


def _score(name: str, rows: Sequence[Tree]) -> Tree:
    from callspan.evaluation.differences import difference  # noqa: PLC0415

    both = [[row[side]["scores"].get(name, {}).get("score") for side in "ab"] for row in rows]
    pairs = [(first, second) for first, second in both if first is not None and second is not None]
    found = difference([first for first, _ in pairs], [second for _, second in pairs])
    numbers = {
        "a": found.first,
        "b": found.second,
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
    }
    return {
        "name": name,
        "count": found.count,
        **{key: value if math.isfinite(value) else None for key, value in numbers.items()},
        "is_significant": found.is_significant,
        "better": found.better,
        "worse": found.worse,
    }


def _show(told: Tree, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(json.dumps(told, ensure_ascii=False))
    else:
        from callspan.cli.evaluate_report import print_comparison  # noqa: PLC0415

        print_comparison(told, Terminal(sys.stdout, color=arguments.color))
    if arguments.html:
        from callspan.evaluation.compare_page import compare_page  # noqa: PLC0415

        arguments.html.write_text(compare_page(told), encoding="utf-8", newline="\n")
        sys.stderr.write(f"callspan compare: wrote {arguments.html}\n")
