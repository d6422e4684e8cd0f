"""`callspan clusters`: groups of calls that mean alike, the worst first."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.cli.json_lines import print_json
from callspan.cli.overwriting import check_free
from callspan.cli.progress import Progress
from callspan.cli.unreadable import complain
from callspan.drawing.terminal import Terminal
from callspan.errors import CallspanError
from callspan.model.kinds import KINDS
from callspan.reading.load import LoadReport, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from callspan.analysis.points import Recorded
    from callspan.analysis.problems import Findings
    from callspan.model.record import SpanRecord

    Matrix = NDArray[np.float32]

SUMMARY: Final = "group calls by what they mean, and rank the groups by how often they go wrong"
_DEFAULT_PATH: Final = ".callspan"
_EXAMPLES: Final = """\
examples:
  callspan clusters traces.jsonl --embedder openai:text-embedding-3-small
  callspan clusters this-week.jsonl --baseline last-week.jsonl --html clusters.html
  callspan clusters traces/ --embedder my_app.vectors:embed --on prompt --json
  callspan clusters traces/ --calls calls.jsonl
  callspan export traces/ --calls calls.jsonl --cluster problems --format jsonl --output fix.jsonl

A call is bad when feedback on it or an evaluation says so (a score below 0.5, or
a label such as "down"), or when it failed. Lift is how many times as often that
happens in the cluster as everywhere else, with the range in which it lies with
95 % certainty; clusters are ranked by the lower end of that range.

Vectors are kept in FILE.vectors and computed once. Without --embedder, those
that the application recorded itself are used. The page holds texts of calls:
treat it as you treat the file. Needs: python -m pip install "callspan[analysis]"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "paths",
        nargs="*",
        default=[_DEFAULT_PATH],
        metavar="FILE_OR_DIR",
        help=f"files, folders or globs of spans (default: {_DEFAULT_PATH}, where callspan writes by default)",
    )
    parser.add_argument(
        "--baseline", action="append", default=[], metavar="FILE_OR_DIR", help="earlier spans to compare with"
    )
    parser.add_argument("--kind", choices=KINDS, default="llm", help="kind of the spans to look at (default: llm)")
    parser.add_argument("--min-size", type=int, metavar="N", help="calls that make a cluster (default: their root)")
    vectors = parser.add_argument_group("vectors")
    vectors.add_argument("--embedder", metavar="NAME", help="openai:MODEL, or module:function")
    vectors.add_argument("--vectors", metavar="DIR", help="where vectors are kept (default: beside the first file)")
    vectors.add_argument(
        "--on", choices=("prompt", "response", "both"), default="both", help="what is compared (default: both)"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--limit", type=int, default=20, metavar="N", help="clusters to show (default: 20)")
    output.add_argument("--html", type=Path, metavar="OUT", help="write a page with a map to select from")
    output.add_argument(
        "--calls", type=Path, metavar="OUT", help="write the cluster of every call, for callspan export --calls"
    )
    output.add_argument("--json", action="store_true", help="print everything as JSON, for machines")
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto obeys NO_COLOR and FORCE_COLOR"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read, embed, group, print. Returns 1 when there was no call to look at."""
    try:
        import sklearn  # noqa: F401, PLC0415 - an extra: said at once, not after reading everything
    except ImportError:
        raise CallspanError('this needs scikit-learn: python -m pip install "callspan[analysis]"') from None
    from callspan.analysis.points import recorded  # noqa: PLC0415

    check_free("--html", arguments.html, *arguments.paths, *arguments.baseline)
    check_free("--calls", arguments.calls, *arguments.paths, *arguments.baseline)

    report = LoadReport()
    found = recorded(_load(arguments.paths, report), kind=arguments.kind)
    before = recorded(_load(arguments.baseline, report), kind=arguments.kind)
    complain(arguments.command, report)
    if not found.points:
        sys.stderr.write(f"callspan clusters: no {arguments.kind} span with a question was found\n")
        return 1
    findings, vectors = _find(arguments, found, before)
    _show(arguments, found, findings)
    if arguments.html:
        from callspan.analysis.page import clusters_page  # noqa: PLC0415

        _write(arguments.html, clusters_page(found.points, findings, vectors))
    if arguments.calls:
        lines = (json.dumps(call) for call in _calls(found, findings))
        _write(arguments.calls, "".join(f"{line}\n" for line in lines))
    return 0


def _load(paths: Sequence[str], report: LoadReport) -> Iterator[SpanRecord]:
    return chain.from_iterable(load(path, report=report) for path in paths)


def _find(arguments: argparse.Namespace, found: Recorded, before: Recorded) -> tuple[Findings, Matrix]:
    from callspan.analysis.embedding import embedder_named, model_of, no_embedder, vectors_of  # noqa: PLC0415
    from callspan.analysis.problems import find_problems  # noqa: PLC0415
    from callspan.analysis.vectors import Vectors  # noqa: PLC0415
    from callspan.cli.cleaning import cleaned  # noqa: PLC0415 - imports the gate

    ask = embedder_named(arguments.embedder) if arguments.embedder else no_embedder
    model = model_of(arguments.embedder, found.vectors)
    kept = Vectors(arguments.vectors or f"{arguments.paths[0].rstrip('/')}.vectors", model)
    for one in (found, before):
        kept.add(one.vectors.get(model, {}))
    progress = Progress(arguments.color, unit="text")

    def embed(texts: list[str]) -> Sequence[Sequence[float]]:
        return ask(cleaned(texts))

    try:
        vectors = vectors_of(found.points, kept, embed, arguments.on, progress.show)
        earlier = vectors_of(before.points, kept, embed, arguments.on, progress.show) if before.points else None
    finally:
        progress.clear()
    return find_problems(found.points, vectors, before.points, earlier, min_size=arguments.min_size), vectors


def _show(arguments: argparse.Namespace, found: Recorded, findings: Findings) -> None:
    if arguments.json:
        from callspan.analysis.page import cluster_row  # noqa: PLC0415

        drift = findings.drift
        told = {
            "clusters": [cluster_row(cluster) for cluster in findings.clusters],
            "drift": None if drift is None else {"distance": drift.distance, "p_value": drift.p_value},
            "calls": [*_calls(found, findings)],
        }
        print_json(json.dumps(told, ensure_ascii=False))
        return
    from callspan.cli.cluster_table import print_clusters  # noqa: PLC0415

    print_clusters(Terminal(sys.stdout, color=arguments.color), found.points, findings, arguments.limit)


def _calls(found: Recorded, findings: Findings) -> Iterator[dict[str, Any]]:
    problems = {cluster.number for cluster in findings.clusters if cluster.lift.is_problem}
    for point, label in zip(found.points, findings.labels, strict=True):
        yield {
            "trace_id": point.trace_id,
            "span_id": point.span_id,
            "cluster": label,
            "is_problem": label in problems,
            "is_bad": point.is_bad,
        }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    sys.stderr.write(f"callspan clusters: wrote {path}\n")
