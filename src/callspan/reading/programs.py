"""Starts programs of ours beside the one that runs, with nothing of the caller's in them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_SOURCE: Final = Path(__file__).parents[2]


def start_program(module: str, *arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
    """Start a module of ours as a program that records nothing; `pipes` are those of `subprocess.Popen`.

    Ctrl-C does not reach it, from its first moment on: whoever started it ends it.
    """
    path = os.pathsep.join(filter(None, [str(_SOURCE), os.environ.get("PYTHONPATH")]))
    with _held_back():
        return subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": path, "CALLSPAN_DISABLED": "true"},
            **pipes,
        )


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Hold SIGINT back in this thread; what is started then holds it back for good."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
