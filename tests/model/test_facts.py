from __future__ import annotations

import pytest

from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts


def test_missing_is_nothing_but_not_none():
    assert repr(MISSING) == "MISSING"
    assert not MISSING
    assert MISSING is not None


def test_new_facts_say_nothing():
    facts = Facts()
    assert facts.input is MISSING
    assert facts.output is MISSING
    assert (facts.request, facts.extra, facts.response, facts.metadata) == ({}, {}, {}, {})
    assert (facts.prompts, facts.tags, facts.attributes, facts.truncated) == ([], [], {}, {})
    assert (facts.usage, facts.documents, facts.tool, facts.step, facts.redacted_count) == (None, None, None, None, 0)


def test_facts_share_nothing():
    one, other = Facts(), Facts()
    one.request["model"] = "m"
    one.tags.append("a")
    assert (other.request, other.tags) == ({}, [])


def test_facts_have_no_room_for_misspelled_names():
    with pytest.raises(AttributeError):
        Facts().inputs = 1  # type: ignore[attr-defined]


def test_uses_of_prompts_are_equal_by_what_they_say():
    assert PromptUse("Hi {a}", {"a": 1}) == PromptUse("Hi {a}", {"a": 1}, None, None)
    assert PromptUse("Hi {a}", {"a": 1}) != PromptUse("Hi {a}", {"a": 2})


def test_a_tool_is_a_function_unless_said_otherwise():
    assert ToolFacts("add") == ToolFacts("add", None, None, None, "function")
