from __future__ import annotations

import pytest

from callspan.reading.attributes import Attributes
from callspan.reading.contents import read_contents

HI = {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}


def contents(attributes, kind="chain"):
    held = Attributes(attributes)
    told = {name: value for name, value in read_contents(held, kind).items() if value not in (None, [])}
    return told, held.left


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ({"input.value": "[1]", "input.mime_type": "application/json"}, [1]),
        ({"input.value": "[1]", "input.mime_type": "text/plain"}, "[1]"),
        ({"input.value": "plain words"}, "plain words"),
        ({"input.value": '{"a": 1}'}, {"a": 1}),
        ({"traceloop.entity.input": '{"a": 1}'}, {"a": 1}),
        ({"gen_ai.tool.call.arguments": "sunny"}, "sunny"),
        ({"gen_ai.tool.call.arguments": {"a": 1}}, {"a": 1}),
    ],
)
def test_values(attributes, value):
    assert contents(attributes) == ({"input": value}, {})


def test_null_is_told_as_none():
    assert (
        read_contents(Attributes({"output.value": "null", "output.mime_type": "application/json"}), "chain")["output"]
        is None
    )


def test_messages_as_json_text_or_structured():
    text = '[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}, "odd"]'

    assert contents({"gen_ai.input.messages": text})[0] == {"input_messages": [HI]}
    assert contents({"gen_ai.output.messages": [HI]})[0] == {"output_messages": [HI]}
    assert contents({"gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]'})[0] == {
        "system_instructions": [{"type": "text", "content": "Be brief."}]
    }


def test_messages_of_both_dialects_are_told_once():
    told, left = contents(
        {
            "gen_ai.input.messages": [HI],
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Hi",
        }
    )

    assert (told, left) == ({"input_messages": [HI]}, {})


def test_documents_prefer_the_list_that_invents_nothing():
    told, left = contents(
        {
            "retrieval.documents.0.document.content": "Paris",
            "gen_ai.retrieval.documents": '[{"id": "0", "content": "Paris"}]',
        },
        "retriever",
    )

    assert (told, left) == ({"documents": [{"content": "Paris"}]}, {})


def test_no_documents_found_is_not_unknown():
    assert read_contents(Attributes({"gen_ai.retrieval.documents": "[]"}), "retriever")["documents"] == []


def test_a_reranker():
    told, _ = contents(
        {
            "reranker.query": "q",
            "reranker.top_k": 1,
            "reranker.input_documents.0.document.content": "a",
            "reranker.input_documents.1.document.content": "b",
            "reranker.output_documents.0.document.content": "b",
            "reranker.output_documents.0.document.score": 0.5,
        },
        "reranker",
    )

    assert told == {
        "query": "q",
        "top_k": 1,
        "input_documents": [{"content": "a"}, {"content": "b"}],
        "documents": [{"content": "b", "score": 0.5}],
    }


def test_embeddings_with_vectors_or_hashes():
    flat = {"embedding.embeddings.0.embedding.text": "socks"}

    assert contents({**flat, "embedding.embeddings.0.embedding.vector": [0.5]})[0] == {
        "embeddings": [{"text": "socks", "vector": [0.5]}]
    }
    assert contents({**flat, "callspan.embedding.vector_hashes": ["h1"]})[0] == {
        "embeddings": [{"text": "socks", "vector_hash": "h1"}]
    }
    assert contents({"callspan.embedding.vector_hashes": ["h1", ""]})[0] == {"embeddings": [{"vector_hash": "h1"}, {}]}


def test_a_tool_belongs_to_tool_spans_only():
    attributes = {
        "gen_ai.tool.name": "weather",
        "tool.description": "Tell the weather.",
        "tool.parameters": '{"type": "object"}',
        "tool_call.id": "call_1",
        "gen_ai.tool.type": "extension",
    }

    assert contents(dict(attributes), "tool")[0]["tool"] == {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {"type": "object"},
        "call_id": "call_1",
        "type": "extension",
    }
    assert contents(dict(attributes), "llm") == ({}, attributes)
    assert contents({"tool.description": "x"}, "tool") == ({}, {"tool.description": "x"})


def test_offered_tools():
    told, _ = contents({"llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "f"}}'})

    assert told == {"tool_definitions": [{"type": "function", "name": "f"}]}
    assert contents({"gen_ai.tool.definitions": '[{"type": "function", "name": "f"}]'})[0] == told


def test_prompts():
    one = {"gen_ai.prompt.name": "naming", "gen_ai.prompt.version": "2", "gen_ai.prompt.variable.product": "socks"}

    assert contents(one)[0] == {
        "prompts": [{"template": None, "name": "naming", "version": "2", "variables": {"product": "socks"}}]
    }
    assert contents({"gen_ai.prompt.variable.product": "socks"}) == ({}, {})


def test_several_prompts():
    several = (
        '[{"template": "A {x}", "variables": {"x": 1}, "name": "a"}, {"template": "B", "variables": 5, "version": 3}]'
    )

    told, left = contents({"callspan.prompts": several, "llm.prompt_template.template": "A {x}"})

    assert told == {
        "prompts": [
            {"template": "A {x}", "name": "a", "variables": {"x": 1}},
            {"template": "B", "variables": {}},
        ]
    }
    assert left == {}
