"""Starts programs of ours beside the one that runs, with nothing of the caller's in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_SOURCE: Final = Path(__file__).parents[2]


def start_program(module: str, *arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
    """Start a module of ours as a program that records nothing; `pipes` are those of `subprocess.Popen`."""
    path = os.pathsep.join(filter(None, [str(_SOURCE), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": path, "CALLSPAN_DISABLED": "true"},
        **pipes,
    )
