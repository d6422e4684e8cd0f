from __future__ import annotations

import pytest

from callspan.dialects.openinference import OPENINFERENCE
from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.usage import Usage
from spans import finished, text


def say(kind="llm", name="chat", **facts):
    return OPENINFERENCE.attributes(finished(kind, name, **facts))


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("openai", {"llm.provider": "openai", "llm.system": "openai"}),
        ("azure.ai.openai", {"llm.provider": "azure", "llm.system": "openai"}),
        ("aws.bedrock", {"llm.provider": "aws"}),
        ("gcp.vertex_ai", {"llm.provider": "google", "llm.system": "vertexai"}),
        ("mistral_ai", {"llm.provider": "mistralai", "llm.system": "mistralai"}),
        ("my-own", {"llm.provider": "my-own"}),
    ],
)
def test_providers_have_openinferences_names(provider, told):
    assert say(provider=provider) == told


def test_the_model_is_the_one_that_answered_and_both_are_named_where_they_differ():
    same = say(request={"model": "a"}, response={"model": "a"})
    different = say(request={"model": "a"}, response={"model": "b"})

    assert same == {"llm.model_name": "a", "llm.invocation_parameters": '{"model":"a"}'}
    assert different == {
        "llm.model_name": "b",
        "llm.request.model_name": "a",
        "llm.response.model_name": "b",
        "llm.invocation_parameters": '{"model":"a"}',
    }


def test_parameters_are_one_json_text_without_the_interface_that_was_called():
    told = say(request={"temperature": float("nan"), "api_type": "responses"}, extra={"user": None})

    assert told == {"llm.invocation_parameters": '{"temperature":"NaN","user":null}'}


def test_an_embedding_has_names_of_its_own_and_none_of_an_llm():
    told = say("embedding", provider="openai", request={"model": "e"}, response={"finish_reasons": ["stop"]})

    assert told == {
        "embedding.model_name": "e",
        "embedding.invocation_parameters": '{"model":"e"}',
        "gen_ai.provider.name": "openai",
    }


def test_system_instructions_are_the_first_message():
    told = say(system_instructions=[{"type": "text", "content": "Be brief."}], input_messages=[text("user", "Hi")])

    assert told == {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Be brief.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "Hi",
    }


def test_messages_are_not_sent_a_second_time():
    told = say(input_messages=[text("user", "Hi")], output_messages=[text("assistant", "Ho")])

    assert not [name for name in told if name.startswith(("input.", "output."))]


def test_what_is_neither_message_nor_document_is_a_value_with_its_type():
    told = say("chain", input={"a": [1, 2.5, None]}, output="done")

    assert told == {
        "input.value": '{"a":[1,2.5,null]}',
        "input.mime_type": "application/json",
        "output.value": "done",
        "output.mime_type": "text/plain",
    }


def test_none_is_a_value_and_a_missing_one_is_not():
    assert say("chain", output=None) == {"output.value": "null", "output.mime_type": "application/json"}


def test_a_query_is_the_input_of_a_retriever_unless_more_is_known():
    assert say("retriever", query="q") == {"input.value": "q", "input.mime_type": "text/plain"}
    assert say("retriever", query="q", input={"k": 2})["input.value"] == '{"k":2}'


def test_every_token_count_has_its_name():
    told = say(usage=Usage(10, 5, 15, 1, 2, 3, 4, 6))

    assert told == {
        "llm.token_count.prompt": 10,
        "llm.token_count.completion": 5,
        "llm.token_count.total": 15,
        "llm.token_count.prompt_details.cache_read": 1,
        "llm.token_count.prompt_details.cache_write": 2,
        "llm.token_count.prompt_details.audio": 4,
        "llm.token_count.completion_details.reasoning": 3,
        "llm.token_count.completion_details.audio": 6,
    }


def test_usage_that_a_child_reported_is_left_out():
    assert say(usage=Usage(1, 2), usage_below=True) == {}


def test_a_tool_span_names_its_tool_and_the_call():
    told = say("tool", "t", tool=ToolFacts("add", "Adds.", {"type": "object"}, "call_1"), input={"a": 1})

    assert told == {
        "tool.name": "add",
        "tool.description": "Adds.",
        "tool.parameters": '{"type":"object"}',
        "tool.id": "call_1",
        "input.value": '{"a":1}',
        "input.mime_type": "application/json",
    }
    assert say("tool", "t") == {"tool.name": "t"}


def test_offered_tools_are_told_in_the_form_readers_know():
    flat = {"type": "function", "name": "f", "parameters": {}}
    nested = {"type": "function", "function": {"name": "g"}}

    told = say(tool_definitions=[flat, nested, {"type": "web_search"}])

    assert told == {
        "llm.tools.0.tool.json_schema": '{"type":"function","function":{"name":"f","parameters":{}}}',
        "llm.tools.1.tool.json_schema": '{"type":"function","function":{"name":"g"}}',
        "llm.tools.2.tool.json_schema": '{"type":"web_search"}',
    }


def test_session_user_tags_and_metadata():
    told = say("chain", conversation_id="c", user_id="u", tags=["a"], metadata={"k": 1}, agent_name="planner")

    assert told == {
        "session.id": "c",
        "user.id": "u",
        "tag.tags": ["a"],
        "metadata": '{"k":1}',
        "agent.name": "planner",
    }


def test_what_openinference_cannot_say_keeps_its_genai_name():
    told = say(
        "retriever",
        response={"id": "r", "finish_reasons": ["stop", "length"]},
        time_to_first_chunk_s=2,
        prompts=[PromptUse("Hi", {}, "greeting")],
        top_k=3,
        dimensions=8,
    )

    assert told == {
        "llm.finish_reason": "stop",
        "llm.prompt_template.template": "Hi",
        "llm.prompt_template.variables": "{}",
        "gen_ai.response.id": "r",
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "gen_ai.response.time_to_first_chunk": 2.0,
        "gen_ai.prompt.name": "greeting",
        "gen_ai.retrieval.top_k": 3,
        "gen_ai.embeddings.dimension.count": 8,
    }


@pytest.mark.parametrize("reasons", [None, [], [None], "stop"])
def test_no_reason_for_finishing_is_no_attribute(reasons):
    assert say(response={"finish_reasons": reasons}) == {}


def test_a_reranker_with_only_a_response_names_its_model():
    assert say("reranker", response={"model": "m"}) == {"reranker.model_name": "m"}


def test_a_document_may_lack_everything():
    assert say("retriever", documents=[{}, {"metadata": {}}]) == {"retrieval.documents.1.document.metadata": "{}"}


def test_embeddings_may_lack_text_or_vector():
    told = say("embedding", embeddings=[{"text": "a"}, {"vector": [1.0]}])

    assert told == {
        "embedding.embeddings.0.embedding.text": "a",
        "embedding.embeddings.1.embedding.vector": [1.0],
    }


def test_a_span_without_facts_says_nothing():
    span = finished("llm")
    span.facts = None

    assert OPENINFERENCE.attributes(span) == {}
