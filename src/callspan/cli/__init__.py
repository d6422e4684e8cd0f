"""The command line: `callspan COMMAND …`, also `python -m callspan COMMAND …`. Needs no extra.

A command is a module with `SUMMARY`, `add_arguments(parser)` and `run(arguments) -> exit code`, named in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from callspan.cli import clusters, compare, evaluate, export, prompts, replay, report, run, view
from callspan.errors import CallspanError, ReadError
from callspan.version import VERSION


class Command(Protocol):
    """One command. What is slow to import is imported in `run`, so that `--help` stays quick."""

    @property
    def SUMMARY(self) -> str:  # noqa: N802 - a constant of the module
        """One line for `callspan --help`."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the arguments; `parser.epilog` may hold examples."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code."""


COMMANDS: Final[dict[str, Command]] = {
    "view": view,
    "report": report,
    "evaluate": evaluate,
    "compare": compare,
    "clusters": clusters,
    "export": export,
    "prompts": prompts,
    "replay": replay,
    "run": run,
}

_FAILED: Final = 1
_INTERRUPTED: Final = 130  # as shells report Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; `argv` is without the program's name, that of the process by default. Returns the exit code.

    0 is success, 1 a failure that was explained on stderr, 2 a wrong argument.
    """
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help()
            return 0
        code = COMMANDS[arguments.command].run(arguments)
        sys.stdout.flush()
    except SystemExit as ended:  # argparse has said why
        return ended.code if isinstance(ended.code, int) else _FAILED
    except ReadError as error:
        sys.stderr.write(f"callspan {arguments.command}: {error.filename}: {error.strerror}\n")
        return _FAILED
    except CallspanError as error:
        sys.stderr.write(f"callspan {arguments.command}: {error}\n")
        return _FAILED
    except BrokenPipeError:
        _let_go_of_stdout()
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callspan",
        description="See what an LLM application did.",
        epilog="callspan COMMAND --help tells more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"callspan {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        command.add_arguments(
            commands.add_parser(
                name,
                help=command.SUMMARY,
                description=command.SUMMARY[:1].upper() + command.SUMMARY[1:] + ".",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser


def _let_go_of_stdout() -> None:
    """Point stdout at nothing: the reader has left (`| head`), and Python would complain when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
