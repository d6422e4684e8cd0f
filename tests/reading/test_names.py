from __future__ import annotations

import pytest

from callspan.reading.attributes import Attributes
from callspan.reading.names import read_call, read_kind, read_outcome, read_place, read_usage


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"openinference.span.kind": "RETRIEVER"}, ("retriever", None)),
        ({"openinference.span.kind": "PROMPT"}, ("chain", "prompt")),
        ({"openinference.span.kind": "DECISION"}, ("chain", "decision")),
        ({"openinference.span.kind": "UNKNOWN", "gen_ai.operation.name": "chat"}, ("llm", None)),
        ({"gen_ai.operation.name": "execute_tool"}, ("tool", None)),
        ({"gen_ai.operation.name": "invoke_workflow"}, ("chain", "workflow")),
        ({"gen_ai.operation.name": "something new"}, ("chain", None)),
        ({"gen_ai.operation.name": ["odd"]}, ("chain", None)),
        ({"traceloop.span.kind": "workflow"}, ("chain", "workflow")),
        ({"openinference.span.kind": "CHAIN", "callspan.component": "parser"}, ("chain", "parser")),
        ({"http.request.method": "GET"}, ("chain", None)),
    ],
)
def test_kinds(attributes, expected):
    assert read_kind(Attributes(attributes)) == expected


def test_outcomes():
    assert read_outcome(Attributes({"callspan.outcome": "abandoned"}), "unset") == "abandoned"
    assert read_outcome(Attributes({"callspan.outcome": "splendid"}), "error") == "error"
    assert read_outcome(Attributes({"callspan.outcome": 5}), "ok") == "ok"


def test_a_model_call_of_another_genai_tool():
    attributes = Attributes(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude",
            "gen_ai.request.max_tokens": 100,
            "gen_ai.response.model": "claude-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "server.address": "api.anthropic.com",
            "server.port": 443,
            "gen_ai.unknown": 1,
        }
    )

    call = read_call(attributes)

    assert (call["operation"], call["provider"]) == ("chat", "anthropic")
    assert call["request"] == {"model": "claude", "max_tokens": 100}
    assert call["response"] == {"model": "claude-1", "finish_reasons": ["stop"]}
    assert (call["server_address"], call["server_port"]) == ("api.anthropic.com", 443)
    assert attributes.left == {"gen_ai.unknown": 1}


@pytest.mark.parametrize(
    ("attributes", "provider"),
    [
        ({"llm.provider": "azure", "llm.system": "openai"}, "azure.ai.openai"),
        ({"llm.provider": "azure"}, "azure.ai.inference"),
        ({"llm.provider": "google", "llm.system": "vertexai"}, "gcp.gemini"),
        ({"llm.system": "openai"}, "openai"),
        ({"llm.provider": "own"}, "own"),
        ({"gen_ai.provider.name": "openai", "llm.provider": "azure"}, "openai"),
        ({}, None),
    ],
)
def test_providers(attributes, provider):
    assert read_call(Attributes(attributes))["provider"] == provider


@pytest.mark.parametrize(
    ("attributes", "asked", "answered"),
    [
        ({"llm.model_name": "gpt-4o"}, "gpt-4o", None),
        ({"llm.model_name": "gpt-4o-1", "llm.invocation_parameters": '{"model": "gpt-4o"}'}, "gpt-4o", "gpt-4o-1"),
        ({"llm.request.model_name": "a", "llm.response.model_name": "b", "llm.model_name": "b"}, "a", "b"),
        ({"embedding.model_name": "e", "embedding.invocation_parameters": '{"model": 5}'}, "e", None),
        ({"gen_ai.request.model": "a", "gen_ai.response.model": "b", "llm.model_name": "b"}, "a", "b"),
    ],
)
def test_models(attributes, asked, answered):
    call = read_call(Attributes(attributes))

    assert (call["request"].get("model"), call["response"].get("model")) == (asked, answered)


@pytest.mark.parametrize(
    ("attributes", "field", "count"),
    [
        ({"gen_ai.usage.input_tokens": 5}, "input_tokens", 5),
        ({"gen_ai.usage.prompt_tokens": 5}, "input_tokens", 5),
        ({"llm.token_count.completion": 7}, "output_tokens", 7),
        ({"gen_ai.usage.cache_creation.input_tokens": 3}, "cache_write_tokens", 3),
        ({"gen_ai.usage.cache_write.input_tokens": 3}, "cache_write_tokens", 3),
        ({"llm.token_count.prompt_details.cache_read": 0}, "cache_read_tokens", 0),
        ({"llm.token_count.completion_details.reasoning": 2}, "reasoning_tokens", 2),
    ],
)
def test_usage(attributes, field, count):
    assert read_usage(Attributes(attributes)) == {field: count, "source": "reported", "tokenizer": None}


def test_estimated_usage():
    attributes = {
        "gen_ai.usage.output_tokens": 4,
        "callspan.usage.source": "estimated",
        "callspan.usage.tokenizer": "o200k_base",
    }

    assert read_usage(Attributes(attributes)) == {
        "output_tokens": 4,
        "source": "estimated",
        "tokenizer": "o200k_base",
    }
    assert read_usage(Attributes({"callspan.usage.source": "reported"})) is None


def test_the_place_of_a_call():
    attributes = Attributes(
        {
            "session.id": "s-1",
            "callspan.conversation.step": 3,
            "enduser.id": "u",
            "tag.tags": ["a"],
            "metadata": '{"k": [1]}',
            "agent.name": "helper",
            "callspan.truncated": '{"input": 70000}',
            "callspan.redacted": 2,
        }
    )

    assert read_place(attributes) == {
        "conversation_id": "s-1",
        "step": 3,
        "user_id": "u",
        "tags": ["a"],
        "metadata": {"k": [1]},
        "agent_name": "helper",
        "truncated": {"input": 70_000},
        "redacted_count": 2,
    }
    assert attributes.left == {}


def test_odd_sizes_stay_in_the_attributes():
    attributes = Attributes({"callspan.truncated": '{"input": "much"}'})

    assert read_place(attributes)["truncated"] == {}
    assert attributes.left == {"callspan.truncated": '{"input": "much"}'}
