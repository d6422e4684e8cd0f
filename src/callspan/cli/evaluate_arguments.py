"""What `callspan evaluate` and `callspan compare` are asked with."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from callspan.cli.choosing import add_choice
from callspan.cli.report import add_input


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `callspan evaluate`."""
    add_input(parser)
    describe_making(parser)
    describe_limits(parser)
    add_choice(parser, "what each evaluator is for by default: llm, or retriever and reranker", "--answered-by")
    parser.add_argument("--roots", action="store_true", help="judge the root of each trace, whatever its kind")
    parser.add_argument(
        "--blame", metavar="TRACE", help="judge all spans of this trace, by the beginning of its ID, and rank them"
    )
    parser.add_argument(
        "--by", metavar="COLUMN", help="rates by group: model, prompt, user, kind, name, or metadata.NAME"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--output", type=Path, metavar="OUT", help="the file for verdicts (default: beside the spans)")
    output.add_argument(
        "--exporter", action="append", default=[], metavar="NAME", help="send verdicts there instead: otlp, http, ..."
    )
    output.add_argument("--dry-run", action="store_true", help="judge and print, but record nothing")
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
        type=_names,
        action="extend",
        required=True,
        metavar="NAME[,NAME]",
        help="evaluators; may be given several times",
    )
    which.add_argument("--model", default="gpt-4o-mini", help="the model that judges (default: %(default)s)")
    which.add_argument(
        "--no-structured",
        action="store_true",
        help="for servers that know no response_format (answers are checked anyway)",
    )
    which.add_argument("--base-url", metavar="URL", help="an OpenAI-compatible server (default: OPENAI_BASE_URL)")
    which.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="into each request to the judge, as in temperature=0 or seed=7",
    )
    which.add_argument(
        "--expected",
        type=Path,
        metavar="FILE",
        help="right answers or relevant documents: a dataset (.jsonl, .csv), or one JSON object by question, span ID "
        "or trace ID",
    )
    which.add_argument("--k", type=_whole, default=10, metavar="N", help="documents that count (default: 10)")


def describe_limits(parser: argparse.ArgumentParser) -> None:
    """Describe how fast and how much may be asked."""
    limits = parser.add_argument_group("limits")
    limits.add_argument("--concurrency", type=_whole, default=8, metavar="N", help="requests at a time (default: 8)")
    limits.add_argument("--per-minute", type=_positive, metavar="N", help="requests a minute")
    limits.add_argument("--attempts", type=_whole, default=4, metavar="N", help="for one request (default: 4)")
    limits.add_argument(
        "--timeout", type=_positive, default=60.0, metavar="SECONDS", help="for one request (default: 60)"
    )
    limits.add_argument("--max-tokens", type=_whole, metavar="N", help="budget: tokens that judges may use in all")
    limits.add_argument("--max-cost", type=_positive, metavar="X", help="budget: money, by the prices below")
    limits.add_argument("--input-price", type=float, default=0.0, metavar="X", help="of a million tokens")
    limits.add_argument("--output-price", type=float, default=0.0, metavar="X", help="of a million tokens")
    limits.add_argument(
        "--cache", type=Path, metavar="FILE", help="verdicts of models (default: beside the first file)"
    )


def _names(text: str) -> list[str]:
    """Take names apart; what has a colon, such as a pattern, may have commas of its own and stands alone."""
    if ":" in text:
        return [text]
    return [name.strip() for name in text.split(",") if name.strip()]


def _option(text: str) -> tuple[str, Any]:
    name, sign, told = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as in temperature=0")
    try:
        return name, json.loads(told)
    except ValueError:
        return name, told


def _whole(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number
