"""The command line: `callspan COMMAND …`, also `python -m callspan COMMAND …`. Needs no extra.

A command is a module with `SUMMARY`, `add_arguments(parser)` and `run(arguments) -> exit code`, named in `COMMANDS`. It
is imported when it is asked for: programs that commands start import this package, too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

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


COMMANDS: Final[dict[str, Command | None]] = dict.fromkeys(
    ("view", "report", "evaluate", "compare", "clusters", "export", "prompts", "replay", "run")
)
"""Commands by name; None is the module of that name."""

_FAILED: Final = 1
_INTERRUPTED: Final = 130  # as shells report Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; `argv` is without the program's name, that of the process by default. Returns the exit code.

    0 is success, 1 a failure that was explained on stderr, 2 a wrong argument.
    """
    with _with_streams():
        return _run(sys.argv[1:] if argv is None else argv)


def _run(argv: Sequence[str]) -> int:
    parser = _parser([argv[0]] if argv and argv[0] in COMMANDS else [*COMMANDS])
    try:
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help()
            return 0
        code = _command(arguments.command).run(arguments)
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
    except OSError as error:  # what is written does not fit, or may not be
        named = f"{error.filename}: " if error.filename is not None else ""
        sys.stderr.write(f"callspan {arguments.command}: {named}{error.strerror or error}\n")
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _command(name: str) -> Command:
    return COMMANDS[name] or cast("Command", import_module(f"callspan.cli.{name}"))


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callspan",
        description="See what an LLM application did.",
        epilog="callspan COMMAND --help tells more, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"callspan {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in names:
        command = _command(name)
        command.add_arguments(
            commands.add_parser(
                name,
                help=command.SUMMARY,
                description=command.SUMMARY[:1].upper() + command.SUMMARY[1:] + ".",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser


@contextlib.contextmanager
def _with_streams() -> Iterator[None]:
    """Take nothing for a stream that is not there (`>&-`, or a program without a console): the rest is still done."""
    with contextlib.ExitStack() as stack:
        for stream, redirect in ((sys.stdout, contextlib.redirect_stdout), (sys.stderr, contextlib.redirect_stderr)):
            if stream is None:
                nothing = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(redirect(nothing))
        yield


def _let_go_of_stdout() -> None:
    """Point stdout at nothing: the reader has left (`| head`), and Python would complain when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
