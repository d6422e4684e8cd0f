from __future__ import annotations

import pytest

from callspan.model.kinds import KINDS, SYNONYMS, resolve


def test_the_nine_kinds():
    assert KINDS == (
        "llm",
        "chain",
        "agent",
        "tool",
        "retriever",
        "embedding",
        "reranker",
        "guardrail",
        "evaluator",
    )
    assert [resolve(kind) for kind in KINDS] == [(kind, None) for kind in KINDS]


@pytest.mark.parametrize(
    ("word", "kind", "component"),
    [
        ("chat", "llm", None),
        ("generation", "llm", None),
        ("retrieval", "retriever", None),
        ("embeddings", "embedding", None),
        ("rerank", "reranker", None),
        ("workflow", "chain", "workflow"),
        ("task", "chain", "task"),
        ("step", "chain", "step"),
        ("span", "chain", None),
        ("prompt", "chain", "prompt"),
        ("parser", "chain", "parser"),
        ("synthesizer", "chain", "synthesizer"),
        ("moderation", "guardrail", "moderation"),
    ],
)
def test_synonyms(word, kind, component):
    assert resolve(word) == (kind, component)


def test_no_synonym_hides_a_kind():
    assert not {*SYNONYMS} & {*KINDS}


def test_unknown_words():
    with pytest.raises(KeyError):
        resolve("LLM")


def test_a_kind_is_one_object_whatever_text_named_it():
    assert resolve(b"tool".decode())[0] is KINDS[3]
