"""`callspan run`: start a program and record it, without a line of code in it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from callspan.errors import CallspanError

SUMMARY: Final = "start a program and record its model calls, without a change to it"
_SITE: Final = Path(__file__).parent.parent / "autostart" / "site"
_EXAMPLES: Final = """\
examples:
  callspan run -- python app.py
  callspan run --exporter otlp --service-name shop -- gunicorn shop:app
  callspan run -- python -m shop.worker --queue orders
  callspan run -- pytest tests/test_answers.py

Any command that ends up in a Python with callspan works: uvicorn, gunicorn,
celery, pytest and so on; so do the Python programs that it starts itself. A
file that ends with .py, or -m MODULE, is given to this Python.

Supported libraries are recorded as by callspan.instrument(); decorators are
switched on. Spans go where --exporter, CALLSPAN_EXPORTERS or
OTEL_EXPORTER_OTLP_ENDPOINT say, else to .callspan/spans.jsonl; all other
settings come from the environment. Programs that run Python with -E, -I or -S
see none of this.
"""


class RunError(CallspanError):
    """The program could not be started."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "--exporter", action="append", default=[], metavar="NAME", help="otlp, file, console, ..., given once or more"
    )
    parser.add_argument("--service-name", metavar="NAME", help="the name of the program in traces")
    # Else argparse takes it for an option of its own, unless -- stands before it.
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="a module to start, with its arguments")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="what to start")


def run(arguments: argparse.Namespace) -> int:
    """Become the program; where a process cannot, start it and return its exit code."""
    module = arguments.module
    command = command_of(arguments.program if module is None else ["-m", *module, *arguments.program])
    environment = environment_of(os.environ, arguments.exporter, arguments.service_name)
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        message = f"there is no program {command[0]!r}; give what you would type without callspan, after --"
        raise RunError(message)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":  # there, exec leaves the shell before the program has ended
        os.execve(path, command, environment)  # noqa: S606 - that is what it is for
    return subprocess.run([path, *command[1:]], env=environment, check=False).returncode  # noqa: S603


def command_of(program: list[str]) -> list[str]:
    """Return the command that was given, completed where it starts with a Python file or `-m`."""
    command = program[1:] if program[:1] == ["--"] else program
    if not command:
        message = "there is nothing to run; give a command after --, as in: callspan run -- python app.py"
        raise RunError(message)
    if command[0] == "-m" or command[0].endswith(".py"):
        return [sys.executable, *command]
    return command


def environment_of(around: Mapping[str, str], exporters: list[str], service_name: str | None) -> dict[str, str]:
    """Return the environment in which every Python records."""
    environment = dict(around)
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{_SITE}{os.pathsep}{before}" if before else str(_SITE)
    if exporters:
        environment["CALLSPAN_EXPORTERS"] = ",".join(exporters)
    if service_name is not None:
        environment["CALLSPAN_SERVICE_NAME"] = service_name
    return environment
