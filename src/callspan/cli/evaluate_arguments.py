"""What `callspan evaluate` and `callspan compare` are asked with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_DEFAULT_PATH: Final = ".callspan"


def describe(parser: argparse.ArgumentParser, kinds: Sequence[str]) -> None:
    """Describe the arguments of `callspan evaluate`."""
    parser.add_argument(
        "paths",
        nargs="*",
        default=[_DEFAULT_PATH],
        metavar="FILE_OR_DIR",
        help=f"files, folders or globs of spans (default: {_DEFAULT_PATH}, where callspan writes by default)",
    )
    parser.add_argument("--kind", action="append", choices=kinds, metavar="KIND", help="llm by default; or several")
    parser.add_argument("--blame", metavar="TRACE", help="judge all spans of this trace and rank which is at fault")
    parser.add_argument(
        "--by", metavar="COLUMN", help="rates by group: model, prompt, user, kind, name, or metadata.NAME"
    )
    describe_making(parser)
    describe_limits(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--output", type=Path, metavar="OUT", help="the file for verdicts (default: beside the spans)")
    output.add_argument(
        "--exporter", action="append", default=[], metavar="NAME", help="send verdicts there instead: otlp, http, ..."
    )
    output.add_argument("--dry-run", action="store_true", help="judge and print, but write no verdicts")
    output.add_argument("--json", action="store_true", help="print everything as JSON, for machines")
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto obeys NO_COLOR and FORCE_COLOR"
    )


def describe_making(parser: argparse.ArgumentParser) -> None:
    """Describe which evaluators there are, and how they are made."""
    which = parser.add_argument_group("evaluators")
    which.add_argument(
        "--with",
        dest="evaluators",
        action="append",
        required=True,
        metavar="NAME",
        help="an evaluator; may be given several times",
    )
    which.add_argument("--model", default="gpt-4o-mini", help="the model that judges (default: %(default)s)")
    which.add_argument(
        "--no-structured",
        action="store_true",
        help="for servers that know no response_format (answers are checked anyway)",
    )
    which.add_argument(
        "--expected", type=Path, metavar="FILE", help="right answers: a JSON object by question, span ID or trace ID"
    )


def describe_limits(parser: argparse.ArgumentParser) -> None:
    """Describe how fast and how much may be asked."""
    limits = parser.add_argument_group("limits")
    limits.add_argument("--concurrency", type=int, default=8, metavar="N", help="requests at a time (default: 8)")
    limits.add_argument("--per-minute", type=float, metavar="N", help="requests a minute")
    limits.add_argument("--attempts", type=int, default=4, metavar="N", help="for one request (default: 4)")
    limits.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for one request (default: 60)")
    limits.add_argument("--max-tokens", type=int, metavar="N", help="budget: tokens that judges may use in all")
    limits.add_argument("--max-cost", type=float, metavar="X", help="budget: money, by the prices below")
    limits.add_argument("--input-price", type=float, default=0.0, metavar="X", help="of a million tokens")
    limits.add_argument("--output-price", type=float, default=0.0, metavar="X", help="of a million tokens")
    limits.add_argument(
        "--cache", type=Path, metavar="FILE", help="verdicts of models (default: beside the first file)"
    )
