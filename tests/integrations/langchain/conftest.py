"""For every test: LangChain is watched, no fault of ours was noted, no run is left open, and LangChain is as before."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import callspan
from callspan.guard import guard
from callspan.model.prompt import recent_texts
from callspan.testing import capture

collect_ignore_glob = [] if find_spec("langchain_core") else ["test_*.py"]  # the sessions without LangChain


@pytest.fixture(autouse=True)
def watched():
    from callspan.integrations.langchain.attach import LANGCHAIN

    handle = callspan.instrument("langchain")
    yield LANGCHAIN
    handle.undo()
    recent_texts.forget()
    left = len(LANGCHAIN.runs)
    LANGCHAIN.runs.by_number.clear()  # so that one test does not spoil the next
    assert guard.counts == {}  # LangChain catches what a handler raises
    assert left == 0


@pytest.fixture
def spans():
    with capture() as spans:
        yield spans
