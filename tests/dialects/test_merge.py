from __future__ import annotations

from callspan.dialects.merge import attributes
from callspan.dialects.registry import resolve
from spans import finished


def test_the_users_attributes_win_over_a_dialects_and_ours_over_the_users():
    span = finished(
        request={"model": "asked"},
        attributes={"gen_ai.request.model": "by hand", "callspan.outcome": "great", "nested": {"a": [1]}, "gone": None},
    )

    assert attributes(span, resolve("genai")) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "by hand",
        "nested": {"a": [1]},
        "openinference.span.kind": "LLM",
        "callspan.outcome": "ok",
    }


def test_without_a_dialect_our_names_and_the_users_stay():
    assert attributes(finished("tool", attributes={"k": 1}), ()) == {
        "k": 1,
        "openinference.span.kind": "TOOL",
        "callspan.outcome": "ok",
    }


def test_a_span_that_was_never_opened_still_has_its_kind():
    span = finished("llm")
    span.facts = None

    assert attributes(span, resolve("openinference")) == {"openinference.span.kind": "LLM", "callspan.outcome": "ok"}


def test_two_generations_of_one_convention_can_be_sent_together():
    span = finished(request={"top_k": 4}, attributes={})

    assert attributes(span, resolve("genai-1.41,genai"))["gen_ai.request.top_k"] == 4
