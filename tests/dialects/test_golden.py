"""The rich example of every kind in both dialects, compared with files that were checked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callspan.dialects.merge import attributes
from callspan.dialects.registry import resolve
from spans import FIXED

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("dialect", ["genai", "openinference"])
def test_every_kind_reads_as_it_was_checked(kind, dialect):
    expected = json.loads((GOLDEN / f"{kind}.json").read_text(encoding="utf-8"))[dialect]

    told = attributes(FIXED[kind], resolve(dialect))

    assert told == expected
    assert {key: type(value) for key, value in told.items()} == {key: type(value) for key, value in expected.items()}


@pytest.mark.parametrize("kind", FIXED)
def test_the_released_conventions_differ_where_names_changed_since(kind):
    newest = json.loads((GOLDEN / f"{kind}.json").read_text(encoding="utf-8"))["genai"]
    change = json.loads((GOLDEN / "genai-1.41.json").read_text(encoding="utf-8"))[kind]
    expected = {**{key: value for key, value in newest.items() if key not in change["without"]}, **change["with"]}

    told = attributes(FIXED[kind], resolve("genai-1.41"))

    assert told == expected
    assert {key: type(value) for key, value in told.items()} == {key: type(value) for key, value in expected.items()}


@pytest.mark.parametrize("kind", FIXED)
def test_both_dialects_together_say_what_each_says_alone(kind):
    expected = json.loads((GOLDEN / f"{kind}.json").read_text(encoding="utf-8"))

    assert attributes(FIXED[kind], resolve("genai,openinference")) == {**expected["genai"], **expected["openinference"]}


def test_no_dialect_changes_the_span():
    for kind in FIXED:
        span = FIXED[kind]
        attributes(span, resolve("genai, genai-1.41, openinference"))
        assert span.facts == FIXED[kind].facts
