"""For every test: faults of ours are raised instead of noted, and afterwards everything is off again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

import callspan
from callspan.guard import guard
from callspan.recording.scope import steps

# Pieces of tests that need a library: pytest looks into every file here for examples, and would stop at their imports.
_NEEDED = {"langchain_chains.py": "langchain_core", "llama_models.py": "llama_index", "openai_cases.py": "openai"}
collect_ignore = [file for file, library in _NEEDED.items() if find_spec(library) is None]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell: programs would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    guard.counts.clear()
    guard.strict = True
    yield
    guard.strict = False  # so that nothing a test left behind is raised here
    callspan.shutdown(timeout_s=1)
    steps.forget()
