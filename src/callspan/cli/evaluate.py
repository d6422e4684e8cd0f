"""`callspan evaluate`: judge recorded spans, and put the verdicts where the spans are."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.cli.evaluate_arguments import describe
from callspan.cli.progress import Progress
from callspan.cli.unreadable import complain
from callspan.drawing.terminal import Terminal
from callspan.errors import CallspanError
from callspan.model.kinds import KINDS
from callspan.reading.load import LoadReport, load

if TYPE_CHECKING:
    from callspan.evaluation.limits import Budget, Limits
    from callspan.evaluation.running import Evaluation
    from callspan.evaluation.scores import Evaluator
    from callspan.evaluation.subjects import Subject
    from callspan.exporters.contract import Exporter
    from callspan.model.record import SpanRecord
    from callspan.model.span import Span

SUMMARY: Final = "judge recorded spans, by functions or by a model, and rank the spans of a bad trace"
_SERVICE: Final = "callspan-evaluate"
_AT_ONCE: Final = 200
_ATTEMPTS: Final = 5
_EXAMPLES: Final = """\
examples:
  callspan evaluate traces.jsonl --with toxicity --with answer_relevance
  callspan evaluate traces.jsonl --with correctness --expected answers.json --max-tokens 200000
  callspan evaluate traces/ --with my_app.checks:is_polite --by metadata.country
  callspan evaluate traces/ --with hallucination --blame 5b8aa5a2
  callspan evaluate traces/ --with document_relevance --kind retriever --exporter otlp

Evaluators: hallucination, correctness, answer_relevance, document_relevance,
toxicity, summarisation, extraction, conversation_helpfulness (a model judges,
through the openai client: OPENAI_API_KEY, OPENAI_BASE_URL); exact_match,
fuzzy_match, rouge_1, rouge_2, rouge_l, perplexity, matches:PATTERN, schema:FILE;
or module:name of yours: a function of a record, an evaluator or a Rubric.

Verdicts are written beside the spans as feedback, so callspan report, view,
export and clusters know them. What models said is kept in --cache: the same
command goes on where an interrupted one stopped. A record that cannot be judged
ends with an error, never with a score. Needs: python -m pip install
"callspan[analysis]"; judges need openai.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    describe(parser, KINDS)


def run(arguments: argparse.Namespace) -> int:
    """Judge, print and write. Returns 1 when nothing was judged, or every verdict is an error."""
    from callspan.cli.evaluators import Making  # noqa: PLC0415 - imports pydantic
    from callspan.evaluation.summing import check_column  # noqa: PLC0415
    from callspan.evaluation.targets import Targets  # noqa: PLC0415

    making = Making.of(arguments)
    evaluators = [making.named(name) for name in arguments.evaluators]
    check_column(arguments.by)
    report = LoadReport()
    records = list(chain.from_iterable(load(path, report=report) for path in arguments.paths))
    complain(arguments.command, report)
    targets = Targets(records)
    kinds = () if arguments.blame else tuple(arguments.kind or ("llm",))
    work = [(one, targets.at(one.level, kinds, arguments.blame or "")) for one in evaluators]
    if not any(subjects for _, subjects in work):
        sys.stderr.write("callspan evaluate: there is nothing to judge; --kind chooses the spans (llm by default)\n")
        return 1
    evaluation = _judge(work, making.client, arguments)
    _tell(evaluation, records, arguments)
    if not arguments.dry_run:
        _send(evaluation, arguments)
    return 0 if len(evaluation.errors) < len(evaluation.results) else 1


def _judge(
    work: Sequence[tuple[Evaluator, Sequence[Subject]]], client: Any, arguments: argparse.Namespace
) -> Evaluation:
    from callspan.evaluation.running import Result, evaluate_pairs  # noqa: PLC0415

    limits, budget = limits_of(arguments)
    total = sum(len(subjects) for _, subjects in work)
    progress, done = Progress(arguments.color, unit="verdict"), [0, 0]

    def show(result: Result) -> None:
        done[0] += 1
        done[1] += result.score.error is not None
        progress.show(done[0], total, f"({done[1]:,} errors)" if done[1] else "")

    pairs = ((subject, evaluator) for evaluator, subjects in work for subject in subjects)
    try:
        found: Evaluation = evaluate_pairs(
            pairs, limits=limits, budget=budget, cache=cache_of(arguments), on_result=show, client=client
        )
    finally:
        progress.clear()
    return found


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


def _tell(evaluation: Evaluation, records: Sequence[SpanRecord], arguments: argparse.Namespace) -> None:
    from callspan.cli.evaluate_report import print_json, print_summary  # noqa: PLC0415
    from callspan.evaluation.summing import sum_up  # noqa: PLC0415

    told = sum_up(evaluation, records, arguments.by, arguments.blame)
    if arguments.json:
        print_json(told, evaluation)
    else:
        print_summary(told, Terminal(sys.stdout, color=arguments.color))


def _send(evaluation: Evaluation, arguments: argparse.Namespace) -> None:
    """Deliver the verdicts, redacted, to the file beside the spans or to the exporters that were named."""
    from callspan.evaluation.outgoing import spans_of  # noqa: PLC0415
    from callspan.exporters import FileExporter, registry  # noqa: PLC0415
    from callspan.pipeline.gate import Gate  # noqa: PLC0415

    spans = [*spans_of(evaluation.results)]
    gate = Gate()
    for span in spans:
        gate.clean(span)
    exporters: list[Exporter] = [registry.make(name, "--exporter") for name in arguments.exporter]
    if not exporters:
        exporters = [FileExporter(arguments.output or _beside(Path(arguments.paths[0])))]
    for exporter in exporters:
        delivered = _deliver(exporter, spans)
        where = getattr(exporter, "path", exporter.name)
        sys.stderr.write(f"callspan evaluate: {delivered:,} of {len(spans):,} verdicts to {where}\n")
        exporter.close()


def _beside(path: Path) -> Path:
    return path / "evaluations.jsonl" if path.is_dir() else path.with_name(f"{path.stem}.evaluations.jsonl")


def _deliver(exporter: Exporter, spans: Sequence[Span]) -> int:
    from callspan.exporters.contract import Batch  # noqa: PLC0415
    from callspan.model.resource import describe  # noqa: PLC0415

    delivered, resource = 0, describe(_SERVICE)
    for start in range(0, len(spans), _AT_ONCE):
        left: Sequence[Span] = spans[start : start + _AT_ONCE]
        for attempt in range(_ATTEMPTS):
            result = exporter.export(Batch(left, resource))
            delivered += result.delivered
            left = result.retry
            if not left:
                break
            time.sleep(min(result.retry_after_s or 2.0**attempt, 30.0))
    return delivered
