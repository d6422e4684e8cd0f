"""For every test: the client is watched, and as it was afterwards; what is recorded follows the conventions."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import callspan
from callspan import testing
from callspan.dialects.genai import GENAI
from callspan.dialects.merge import attributes
from callspan.testing import capture
from dialects.conformance import NEWEST, misfits, schema_errors

collect_ignore_glob = [] if find_spec("openai") else ["test_*.py"]  # the session without openai
SCHEMAS = {
    "gen_ai.input.messages": "genai-input-messages.strict",
    "gen_ai.output.messages": "genai-output-messages.strict",
    "gen_ai.system_instructions": "genai-system-instructions",
    "gen_ai.tool.definitions": "genai-tool-definitions",
}


@pytest.fixture(autouse=True)
def watched():
    handle = callspan.instrument("openai")
    yield handle
    handle.undo()


@pytest.fixture
def spans(monkeypatch):
    finished, limit = [], testing.limit

    def keep(span):
        limit(span)
        finished.append(span)

    monkeypatch.setattr(testing, "limit", keep)
    with capture() as spans:
        yield spans
    for span in finished:
        assert_conforming(span)


def assert_conforming(span):
    """Every attribute has a name and a type of the GenAI conventions, and every message their form."""
    told = attributes(span, [GENAI])
    assert misfits(told, NEWEST) == []
    for name, schema in SCHEMAS.items():
        if name in told:
            assert schema_errors(told, name, schema) == []
