"""Which calls a command is about: by kind, feedback, conversation, prompt, model, time and outcome."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.errors import CallspanError
from callspan.model.kinds import KINDS

if TYPE_CHECKING:
    from callspan.datasets.selecting import Selection


_TEXTS: Final = (
    "feedback",
    "conversation",
    "prompt",
    "version",
    "since",
    "until",
    "failed",
    "where",
    "cluster",
)


def add_choice(parser: argparse.ArgumentParser, kinds: str, model: str = "--model") -> None:
    """Describe the arguments; `kinds` says which kinds are meant by default, `model` is the option for the model."""
    which = parser.add_argument_group("which calls")
    which.add_argument("--kind", action="append", choices=KINDS, metavar="KIND", help=f"{kinds}; or several")
    which.add_argument("--feedback", metavar="COND", help="as in helpful, helpful>=0.5 or helpful=up (a label)")
    which.add_argument("--conversation", metavar="ID", help="of this conversation")
    which.add_argument("--prompt", metavar="NAME", help="made from this prompt template")
    which.add_argument("--version", metavar="VERSION", help="of this version")
    which.add_argument(model, dest="answered_by", metavar="MODEL", help="answered by this model")
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


def selection_of(arguments: argparse.Namespace, *kinds: str, both_opinions: bool = False) -> Selection:
    """Return the wishes; `kinds` is what is meant by default, none for every kind.

    Raises `CallspanError` for wishes that cannot be meant.
    """
    from callspan.datasets.selecting import Opinion, Selection, calls_in  # noqa: PLC0415 - an extra

    if arguments.cluster is not None and arguments.calls is None:
        raise CallspanError("--cluster needs --calls, the file in which callspan clusters --calls has put the clusters")
    return Selection(
        tuple(arguments.kind or kinds),
        Opinion.parse(arguments.feedback) if arguments.feedback else None,
        arguments.conversation,
        arguments.prompt,
        arguments.version,
        arguments.answered_by,
        arguments.since,
        arguments.until,
        arguments.failed,
        None if arguments.calls is None else calls_in(arguments.calls, arguments.cluster),
        both_opinions=both_opinions,
    )


def wishes_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the wishes that there are, by name, as plain data."""
    told = {name: getattr(arguments, name) for name in ("kind", *_TEXTS)}
    told["model"] = arguments.answered_by
    told["calls"] = str(arguments.calls) if arguments.calls else None
    return {name: value for name, value in told.items() if value is not None}
