"""For every test: the client is watched, and as it was afterwards."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import callspan
from callspan.testing import capture

collect_ignore_glob = [] if find_spec("openai") else ["test_*.py"]  # the session without openai


@pytest.fixture(autouse=True)
def watched():
    handle = callspan.instrument("openai")
    yield handle
    handle.undo()


@pytest.fixture
def spans():
    with capture() as spans:
        yield spans
