"""For every test: faults of ours are raised instead of noted, and afterwards everything is off again."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

import callspan
from callspan.guard import guard
from callspan.recording.scope import steps

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
