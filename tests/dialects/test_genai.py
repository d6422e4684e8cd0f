from __future__ import annotations

import json

import pytest

from callspan.dialects.genai import GENAI, GENAI_1_41
from callspan.dialects.merge import attributes
from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.usage import Usage
from dialects.conformance import KNOWN_VALUES, NEWEST, RELEASED, UNRELEASED, misfits, schema_errors
from spans import FIXED, finished, text

# Names that stand outside the GenAI registry.
OTHERS = {"server.address": "string", "server.port": "int", "error.type": "string"}


def say(kind="llm", name="chat", **facts):
    return GENAI.attributes(finished(kind, name, **facts))


def say_released(kind="llm", name="chat", **facts):
    return GENAI_1_41.attributes(finished(kind, name, **facts))


# -- the conventions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FIXED)
def test_every_name_is_in_the_registry_with_its_type(kind):
    assert misfits(attributes(FIXED[kind], [GENAI]), NEWEST) == []


@pytest.mark.parametrize("kind", FIXED)
def test_every_name_of_the_release_is_in_its_registry_with_its_type(kind):
    newer = {name: NEWEST[name] for name in UNRELEASED}
    assert misfits(attributes(FIXED[kind], [GENAI_1_41]), {**RELEASED, **newer, **OTHERS}) == []


def test_every_request_parameter_and_token_count_has_the_type_of_the_registry():
    told = say(
        provider="openai",
        request={
            "model": "o3",
            "temperature": 1,
            "top_p": 1,
            "top_k": 40.0,
            "max_tokens": 10,
            "stop_sequences": "END",
            "frequency_penalty": 0,
            "presence_penalty": 0.5,
            "seed": 3,
            "choice_count": 2,
            "stream": True,
            "output_type": "json",
            "encoding_formats": ["base64"],
            "reasoning_level": "low",
            "previous_response_id": "resp_0",
            "service_tier": "flex",
            "api_type": "responses",
        },
        usage=Usage(*range(1, 15)),
    )

    assert misfits(told, NEWEST) == []
    assert told["gen_ai.request.temperature"] == 1.0
    assert told["gen_ai.request.top_k"] == 40
    assert told["gen_ai.request.stop_sequences"] == ["END"]
    assert told["gen_ai.request.choice.count"] == 2
    assert told["gen_ai.output.type"] == "json"
    assert told["gen_ai.request.reasoning.level"] == "low"
    assert told["gen_ai.request.previous_response.id"] == "resp_0"
    assert told["openai.api.type"] == "responses"
    assert told["openai.api.type"] in KNOWN_VALUES["openai.api.type"]
    assert told["gen_ai.usage.audio.input_tokens"] == 7
    assert told["gen_ai.usage.image.output_tokens"] == 12
    assert "llm.invocation_parameters" not in told


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("gen_ai.input.messages", "genai-input-messages.strict"),
        ("gen_ai.output.messages", "genai-output-messages.strict"),
        ("gen_ai.system_instructions", "genai-system-instructions"),
        ("gen_ai.tool.definitions", "genai-tool-definitions"),
    ],
)
def test_content_passes_the_strict_schemas(name, schema):
    assert schema_errors(GENAI.attributes(FIXED["llm"]), name, schema) == []


def test_documents_pass_the_released_schema():
    told = GENAI_1_41.attributes(FIXED["retriever"])

    assert schema_errors(told, "gen_ai.retrieval.documents", "genai-1.41-retrieval-documents") == []


# -- operations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "component", "operation"),
    [
        ("llm", None, "chat"),
        ("embedding", None, "embeddings"),
        ("retriever", None, "retrieval"),
        ("tool", None, "execute_tool"),
        ("agent", None, "invoke_agent"),
        ("chain", "workflow", "invoke_workflow"),
        ("chain", None, None),
        ("chain", "prompt", None),
        ("reranker", None, None),
        ("guardrail", None, None),
        ("evaluator", None, None),
    ],
)
def test_the_operation_follows_from_the_kind(kind, component, operation):
    told = say(kind, component=component)

    assert told.get("gen_ai.operation.name") == operation
    assert operation is None or operation in KNOWN_VALUES["gen_ai.operation.name"]


def test_a_model_call_may_name_its_own_operation():
    assert say(operation="text_completion")["gen_ai.operation.name"] == "text_completion"


def test_the_operation_of_a_model_call_stays_with_model_calls():
    assert "gen_ai.operation.name" not in say("chain", operation="chat")


# -- requests and responses -----------------------------------------------------------------------------------------


def test_defaults_of_a_request_are_left_out():
    told = say(provider="openai", request={"choice_count": 1, "stream": False, "service_tier": "auto"})

    assert told == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}


def test_a_service_tier_that_answered_is_told_whatever_it_is():
    told = say(provider="openai", response={"service_tier": "auto", "system_fingerprint": "fp_1"})

    assert told["openai.response.service_tier"] == "auto"
    assert told["openai.response.system_fingerprint"] == "fp_1"


def test_refinements_of_openai_stay_with_openai():
    told = say(
        provider="groq",
        request={"service_tier": "flex"},
        response={"service_tier": "flex", "system_fingerprint": "fp_1"},
    )

    assert not [name for name in told if name.startswith("openai.")]
    assert told["llm.invocation_parameters"] == '{"service_tier":"flex"}'


def test_a_parameter_of_the_wrong_type_is_kept_beside_and_not_under_a_name_that_promises_another():
    told = say(request={"temperature": "hot", "max_tokens": None, "seed": True}, extra={"logprobs": True})

    assert told == {
        "gen_ai.operation.name": "chat",
        "llm.invocation_parameters": '{"temperature":"hot","max_tokens":null,"seed":true,"logprobs":true}',
    }


def test_reasons_for_finishing_keep_their_places():
    told = say(response={"finish_reasons": [None, "length"]})

    assert told["gen_ai.response.finish_reasons"] == ["", "length"]


@pytest.mark.parametrize("reasons", [[], [None], None, "stop"])
def test_no_reason_for_finishing_is_no_attribute(reasons):
    assert "gen_ai.response.finish_reasons" not in say(response={"finish_reasons": reasons})


def test_the_first_chunk_is_told_in_seconds_as_a_double():
    told = say(time_to_first_chunk_s=1)

    assert told["gen_ai.response.time_to_first_chunk"] == 1.0
    assert type(told["gen_ai.response.time_to_first_chunk"]) is float


def test_usage_that_a_child_reported_is_left_out():
    told = say(usage=Usage(1, 2, 3), usage_below=True)

    assert told == {"gen_ai.operation.name": "chat"}


def test_a_count_of_zero_is_a_count():
    assert say(usage=Usage(0, 0))["gen_ai.usage.output_tokens"] == 0


@pytest.mark.parametrize(
    ("usage", "total"), [(Usage(1, 2, 9), 9), (Usage(1, 2), 3), (Usage(1), None), (Usage(output_tokens=2), None)]
)
def test_the_total_is_the_reported_one_or_the_sum_of_both_parts(usage, total):
    assert say(usage=usage).get("llm.token_count.total") == total


# -- prompts --------------------------------------------------------------------------------------------------------


def test_variables_are_told_as_texts():
    told = say(prompts=[PromptUse("{a}{b}", {"a": "x", "b": [1, None]}, "p", "1")])

    assert told["gen_ai.prompt.variable.a"] == "x"
    assert told["gen_ai.prompt.variable.b"] == "[1,null]"
    assert told["llm.prompt_template.variables"] == '{"a":"x","b":[1,null]}'


def test_a_version_needs_a_name_to_be_the_version_of():
    told = say(prompts=[PromptUse("Hi", {}, None, "abc")])

    assert "gen_ai.prompt.version" not in told
    assert told["llm.prompt_template.version"] == "abc"


def test_a_name_may_stand_without_a_version():
    told = say(prompts=[PromptUse("Hi", {}, "greeting")])

    assert told["gen_ai.prompt.name"] == "greeting"
    assert "gen_ai.prompt.version" not in told
    assert "llm.prompt_template.version" not in told


def test_a_prompt_without_content_keeps_its_identity():
    told = say(prompts=[PromptUse("", {}, "greeting", "abc")])

    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.prompt.name": "greeting",
        "gen_ai.prompt.version": "abc",
        "llm.prompt_template.version": "abc",
    }


# -- tools ----------------------------------------------------------------------------------------------------------


def test_a_tool_span_without_tool_facts_is_named_after_the_span():
    told = say("tool", "add")

    assert told == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
    }


def test_what_a_tool_got_and_gave_is_told_once():
    told = say("tool", "add", tool=ToolFacts("add"), input={"a": 1}, output=None)

    assert told["gen_ai.tool.call.arguments"] == '{"a":1}'
    assert told["gen_ai.tool.call.result"] == "null"
    assert not [name for name in told if name.startswith(("input.", "output."))]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
            {"type": "function", "name": "f", "parameters": {"type": "object"}},
        ),
        ({"name": "f"}, {"name": "f", "type": "function"}),
        ({"type": "web_search"}, {"type": "web_search", "name": "web_search"}),
        ({"type": 3, "function": "f"}, {"type": "function", "function": "f", "name": "function"}),
    ],
)
def test_tool_definitions_take_the_form_of_the_schema(given, told):
    found = say(tool_definitions=[given])

    assert json.loads(found["gen_ai.tool.definitions"]) == [told]
    assert schema_errors(found, "gen_ai.tool.definitions", "genai-tool-definitions") == []


# -- documents and vectors ------------------------------------------------------------------------------------------


def test_a_document_without_a_score_gets_none():
    told = say("retriever", documents=[{"content": "a"}])

    assert told["gen_ai.retrieval.documents"] == '[{"id":"0"}]'


def test_finding_nothing_is_told():
    told = say("retriever", query="q", documents=[])

    assert told["gen_ai.retrieval.documents"] == "[]"


def test_a_reranker_is_no_retrieval():
    told = GENAI.attributes(FIXED["reranker"])

    assert not [name for name in told if name.startswith("gen_ai.retrieval.")]


def test_the_dimensions_are_counted_where_nobody_named_them():
    told = say("embedding", embeddings=[{"text": "a", "vector": [1.0, 2.0, 3.0]}])

    assert told["gen_ai.embeddings.dimension.count"] == 3


def test_a_hash_has_no_dimensions():
    told = say("embedding", embeddings=[{"vector_hash": "ab"}])

    assert told == {"gen_ai.operation.name": "embeddings"}


def test_dimensions_are_told_without_vectors():
    assert say("embedding", dimensions=8)["gen_ai.embeddings.dimension.count"] == 8


# -- the release ----------------------------------------------------------------------------------------------------


def test_the_release_calls_the_cache_and_its_limits_by_their_old_names():
    facts = {"request": {"top_k": 40}, "usage": Usage(10, 2, 12, cache_write_tokens=4)}
    newest, released = say(**facts), say_released(**facts)

    assert newest["gen_ai.usage.cache_write.input_tokens"] == 4
    assert released["gen_ai.usage.cache_creation.input_tokens"] == 4
    assert "gen_ai.usage.cache_write.input_tokens" not in released
    assert (newest["gen_ai.request.top_k"], released["gen_ai.request.top_k"]) == (40, 40.0)
    assert (type(newest["gen_ai.request.top_k"]), type(released["gen_ai.request.top_k"])) == (int, float)
    assert (GENAI.schema_url, GENAI_1_41.schema_url) == (None, "https://opentelemetry.io/schemas/1.41.0")


def test_the_release_has_no_limit_of_its_own_for_retrieval():
    told = say_released("retriever", top_k=5)

    assert told["gen_ai.request.top_k"] == 5.0
    assert "gen_ai.retrieval.top_k" not in told


def test_the_release_wants_a_reason_in_every_answer():
    told = say_released(
        response={"finish_reasons": [None, "length"]},
        output_messages=[
            text("assistant", "a", finish_reason="tool_calls"),
            text("assistant", "b"),
            text("assistant", "c"),
        ],
    )

    reasons = [message["finish_reason"] for message in json.loads(told["gen_ai.output.messages"])]
    assert reasons == ["tool_call", "length", "unknown"]
    assert schema_errors(told, "gen_ai.output.messages", "genai-1.41-output-messages") == []


def test_an_answer_without_a_reason_is_told_as_it_is_by_the_newest():
    told = say(output_messages=[text("assistant", "a")])

    assert told["gen_ai.output.messages"] == '[{"role":"assistant","parts":[{"type":"text","content":"a"}]}]'


def test_the_release_does_not_take_documents_without_scores():
    told = say_released("retriever", documents=[{"id": "a", "content": "x", "score": 1.0}, {"content": "y"}])

    assert "gen_ai.retrieval.documents" not in told
    assert told["retrieval.documents.1.document.content"] == "y"


# -- nothing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [GENAI, GENAI_1_41])
def test_a_span_without_facts_says_what_its_kind_says(dialect):
    span = finished("llm")
    span.facts = None

    assert dialect.attributes(span) == {"gen_ai.operation.name": "chat"}
