from __future__ import annotations

import pytest

from callspan.dialects.own import add_own, error_type
from callspan.model.facts import PromptUse
from callspan.model.feedback import Feedback
from callspan.model.kinds import KINDS
from callspan.model.span import ErrorFacts
from callspan.model.usage import Usage
from spans import finished


def own(kind="chain", **facts):
    told = {}
    add_own(told, finished(kind, **facts))
    return told


@pytest.mark.parametrize("kind", KINDS)
def test_every_span_has_a_kind_and_an_outcome(kind):
    assert own(kind) == {"openinference.span.kind": kind.upper(), "callspan.outcome": "ok"}


def test_without_facts_kind_and_outcome_stay():
    span = finished("llm", outcome="abandoned")
    span.facts = None
    told = {}
    add_own(told, span)

    assert told == {"openinference.span.kind": "LLM", "callspan.outcome": "abandoned"}


def test_all_own_names():
    told = own(
        component="parser",
        server_address="host",
        server_port=8080,
        step=3,
        usage=Usage(
            1, source="estimated", tokenizer="o200k_base", accepted_prediction_tokens=4, rejected_prediction_tokens=0
        ),
        chunk_count=0,
        retries=2,
        response={"request_id": "req_1"},
        embeddings=[{"vector_hash": "ab"}, {"text": "t"}],
        truncated={"input": 9},
        redacted_count=1,
    )

    assert told == {
        "openinference.span.kind": "CHAIN",
        "callspan.outcome": "ok",
        "callspan.component": "parser",
        "server.address": "host",
        "server.port": 8080,
        "callspan.conversation.step": 3,
        "callspan.usage.source": "estimated",
        "callspan.usage.tokenizer": "o200k_base",
        "callspan.usage.accepted_prediction_tokens": 4,
        "callspan.usage.rejected_prediction_tokens": 0,
        "callspan.stream.chunks": 0,
        "callspan.retries": 2,
        "callspan.response.request_id": "req_1",
        "callspan.embedding.vector_hashes": ["ab", ""],
        "callspan.truncated": '{"input":9}',
        "callspan.redacted": 1,
    }


def test_a_port_without_an_address_says_nothing():
    assert "server.port" not in own(server_port=1)
    assert "server.port" not in own(server_address="host")


def test_usage_of_a_child_has_no_source_here():
    assert "callspan.usage.source" not in own(usage=Usage(1), usage_below=True)


def test_several_prompts_are_all_told_and_one_is_not():
    first = PromptUse("Hi {a}", {"a": 1}, "greet", "1")
    second = PromptUse("Bye", {})

    assert "callspan.prompts" not in own(prompts=[first])
    assert own(prompts=[first, second])["callspan.prompts"] == (
        '[{"name":"greet","version":"1","template":"Hi {a}","variables":{"a":1}},{"template":"Bye"}]'
    )


@pytest.mark.parametrize(
    ("error", "status", "outcome", "told"),
    [
        (ErrorFacts("ValueError", "no", []), 2, "error", "ValueError"),
        (ErrorFacts("openai.LengthError", "long", []), 0, "incomplete", "openai.LengthError"),
        (None, 2, "error", "_OTHER"),
        (ErrorFacts("asyncio.CancelledError", "", []), 0, "cancelled", None),
        (ErrorFacts("GeneratorExit", "", []), 0, "abandoned", None),
        (None, 0, "ok", None),
    ],
)
def test_the_type_of_an_error(error, status, outcome, told):
    span = finished(error=error, status=status, outcome=outcome)

    assert error_type(span) == told
    assert own(error=error, status=status, outcome=outcome).get("error.type") == told


def test_feedback_has_the_names_of_an_evaluation():
    given = Feedback("helpful", "key", 1, "up", "Yes.", "ann", "f-1", "order=17")
    told = own("evaluator", feedback=given)
    assert {name: value for name, value in told.items() if "evaluation" in name or "feedback" in name} == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 1.0,
        "gen_ai.evaluation.score.label": "up",
        "gen_ai.evaluation.explanation": "Yes.",
        "callspan.feedback.target": "key",
        "callspan.feedback.annotator": "ann",
        "callspan.feedback.id": "f-1",
        "callspan.feedback.key": "order=17",
    }
