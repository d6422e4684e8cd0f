"""What a span says of a request: whom it went to, parameters by their names, messages, tools, prompts."""

from __future__ import annotations

import enum

import openai
import pytest

import callspan
from callspan.integrations.openai.endpoints import endpoint_of
from callspan.integrations.openai.request import server_of
from openai_mock import HELLO, async_client, client, completion

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def chat(client, **options):
    return client.chat.completions.create(**{"model": "gpt-4o-mini", "messages": HELLO, **options})


# -- endpoints and servers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "name"),
    [
        ("post", "/chat/completions", "chat"),
        ("POST", "/deployments/gpt-4o/chat/completions", "chat"),
        ("post", "https://example.org/v1/chat/completions?api-version=1", "chat"),
        ("post", "chat/completions/", "chat"),
        ("post", "/embeddings", "embeddings"),
        ("get", "/chat/completions", None),
        ("post", "/chat/completions/chatcmpl-1", None),
        ("post", "/chat/completions-of-mine", None),
        ("post", "/mychat/completions", None),
        ("post", "/files", None),
        ("get", "/models", None),
    ],
)
def test_endpoints(method, url, name):
    endpoint = endpoint_of(method, url)
    assert (endpoint and endpoint.site.name) == name


@pytest.mark.parametrize(
    ("url", "provider", "address", "port"),
    [
        ("https://api.openai.com/v1/", "openai", "api.openai.com", 443),
        ("https://eu.api.openai.com/v1/", "openai", "eu.api.openai.com", 443),
        ("https://mine.openai.azure.com/openai/", "azure.ai.openai", "mine.openai.azure.com", 443),
        ("https://x.services.ai.azure.com/models", "azure.ai.inference", "x.services.ai.azure.com", 443),
        (
            "https://us-central1-aiplatform.googleapis.com/v1",
            "gcp.vertex_ai",
            "us-central1-aiplatform.googleapis.com",
            443,
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "gcp.gemini",
            "generativelanguage.googleapis.com",
            443,
        ),
        (
            "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1",
            "aws.bedrock",
            "bedrock-runtime.eu-west-1.amazonaws.com",
            443,
        ),
        ("https://api.groq.com/openai/v1", "groq", "api.groq.com", 443),
        ("https://api.deepseek.com", "deepseek", "api.deepseek.com", 443),
        ("http://localhost:11434/v1", "openai-compatible", "localhost", 11434),
        ("http://user:secret@[::1]/v1", "openai-compatible", "::1", 80),
        ("https://api.openai.com.evil.example/v1", "openai-compatible", "api.openai.com.evil.example", 443),
        ("unix:/tmp/socket", "openai-compatible", None, None),
        ("http://host:99999999", "openai-compatible", None, None),
    ],
)
def test_servers(url, provider, address, port):
    assert server_of(url, is_azure=False)[:3] == (provider, address, port)


async def test_azure(spans):
    options = {"azure_endpoint": "https://mine.openai.azure.com", "api_version": "2024-06-01"}
    chat(client(completion(), openai.AzureOpenAI, **options))
    await chat(async_client(completion(), openai.AsyncAzureOpenAI, **options))
    deployed = client(completion(), openai.AzureOpenAI, azure_deployment="chat-of-mine", **options)
    chat(deployed, model="chat-of-mine")
    chat(client(completion(), openai.AzureOpenAI, **{**options, "azure_endpoint": "https://proxy.example"}))
    assert [(span.name, span.provider, span.server_address) for span in spans] == [
        ("chat gpt-4o-mini", "azure.ai.openai", "mine.openai.azure.com"),
        ("chat gpt-4o-mini", "azure.ai.openai", "mine.openai.azure.com"),
        ("chat chat-of-mine", "azure.ai.openai", "mine.openai.azure.com"),
        ("chat gpt-4o-mini", "azure.ai.openai", "proxy.example"),
    ]


def test_the_base_url_is_that_of_the_call(spans):
    asking = client(completion())
    chat(asking)
    asking.base_url = "http://localhost:8000/v1"
    chat(asking)
    assert [(span.provider, span.server_port) for span in spans] == [("openai", 443), ("openai-compatible", 8000)]


# -- parameters --------------------------------------------------------------------------------------------------------


def test_every_parameter_has_its_place(spans):
    chat(
        client(completion()),
        temperature=0.5,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        seed=7,
        n=2,
        stop="END",
        service_tier="auto",
        response_format={"type": "json_object"},
        user="u-1",
        logit_bias={"50256": -100},
        tools=[WEATHER],
        tool_choice="auto",
        extra_body={"top_k": 40, "think": True, "max_completion_tokens": 64, "reasoning_effort": "low"},
    )
    (span,) = spans
    assert span.kind == "llm"
    assert span.operation == "chat"
    assert span.request == {
        "model": "gpt-4o-mini",
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "max_tokens": 64,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "seed": 7,
        "choice_count": 2,
        "stop_sequences": ["END"],
        "service_tier": "auto",
        "reasoning_level": "low",
        "output_type": "json",
        "api_type": "chat_completions",
        "response_format": {"type": "json_object"},
        "user": "u-1",
        "logit_bias": {"50256": -100},
        "tool_choice": "auto",
        "think": True,
    }
    assert span.tool_definitions == [WEATHER]
    assert span.input is None


def test_messages(spans):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    chat(
        client(completion()),
        messages=[
            {"role": "system", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        ],
    )
    assert spans[0].input_messages == [
        {"role": "system", "parts": [{"type": "text", "content": "Be short."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Look"},
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Rome"}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]},
    ]


def test_messages_are_those_of_the_call_even_when_they_change_later(spans):
    messages = [{"role": "user", "content": "before"}]

    def answer(request):
        messages[0]["content"] = "after"
        messages.append({"role": "user", "content": "more"})
        return completion()

    chat(client(answer), messages=messages)
    assert spans[0].input_messages == [{"role": "user", "parts": [{"type": "text", "content": "before"}]}]


def test_an_answer_of_the_client_among_the_messages(spans):
    asking = client(completion())
    first = chat(asking).choices[0].message
    chat(asking, messages=[*HELLO, first])
    assert spans[1].input_messages[1]["role"] == "assistant"
    assert spans[1].input_messages[1]["parts"] == [{"type": "text", "content": "Hi there"}]


@pytest.mark.parametrize(
    "body", [{"messages": "none", "tools": [7], "response_format": 7, "n": "x"}, None, [1, 2], {"model": 5}]
)
def test_a_body_that_is_no_chat(spans, body):
    client(completion()).post("/chat/completions", cast_to=object, body=body)
    (span,) = spans
    assert span.name == "chat"
    assert span.outcome == "ok"
    assert span.input_messages is None
    assert span.output_messages is not None


def test_a_model_that_is_a_member_of_an_enumeration(spans):
    class Model(str, enum.Enum):
        MINI = "gpt-4o-mini"

    client(completion()).chat.completions.create(model=Model.MINI, messages=HELLO)
    (span,) = spans
    assert (span.name, span.request["model"]) == ("chat gpt-4o-mini", "gpt-4o-mini")


def test_a_body_that_is_no_chat_is_kept(spans):
    client(completion()).post("/chat/completions", cast_to=object, body={"messages": "none", "tools": [7], "n": None})
    assert spans[0].input == "none"
    assert spans[0].request["tools"] == [7]
    assert "n" not in spans[0].request


# -- prompts -----------------------------------------------------------------------------------------------------------

SYSTEM = callspan.PromptTemplate("You are {role}.", name="system", version="3")
TASK = callspan.PromptTemplate("Name a company that makes {product}.", name="naming")


def uses(span):
    return [(prompt.name, prompt.template, prompt.variables, prompt.version) for prompt in span.prompts]


EXPECTED = [
    ("system", "You are {role}.", {"role": "a poet"}, "3"),
    ("naming", "Name a company that makes {product}.", {"product": "socks"}, TASK.version),
]


def test_several_templates_in_one_call(spans):
    messages = [
        {"role": "system", "content": SYSTEM.format(role="a poet")},
        {"role": "user", "content": "Hello"},
        {"role": "user", "content": TASK.format(product="socks")},
    ]
    chat(client(completion()), messages=messages)
    assert uses(spans[0]) == EXPECTED
    assert [part["content"] for message in spans[0].input_messages for part in message["parts"]] == [
        "You are a poet.",
        "Hello",
        "Name a company that makes socks.",
    ]
    assert type(messages[0]["content"]).__name__ == "RenderedPrompt"  # the user's list is the user's


def test_a_template_inside_a_part(spans):
    chat(
        client(completion()),
        messages=[{"role": "user", "content": [{"type": "text", "text": TASK.format(product="socks")}]}],
    )
    assert uses(spans[0]) == EXPECTED[1:]


def test_a_template_as_a_message_and_one_inside_a_part(spans):
    parts = [{"type": "text", "text": TASK.format(product="socks")}]
    messages = [{"role": "system", "content": SYSTEM.format(role="a poet")}, {"role": "user", "content": parts}]
    chat(client(completion()), messages=messages)
    assert uses(spans[0]) == EXPECTED


def test_texts_that_have_become_plain_on_the_way(spans):
    chat(
        client(completion()),
        messages=[
            {"role": "system", "content": str(SYSTEM.format(role="a poet"))},
            {"role": "user", "content": "".join(TASK.format(product="socks"))},
        ],
    )
    assert uses(spans[0]) == EXPECTED


def test_a_prompt_of_the_block(spans):
    text = TASK.format(product="socks")
    with callspan.using_prompt(text):
        chat(client(completion()), messages=[{"role": "user", "content": f"Please: {text}"}])
    assert uses(spans[0]) == EXPECTED[1:]


def test_conversation_and_user(spans):
    for _ in range(2):
        with callspan.conversation("c-1", user_id="u-7"):
            chat(client(completion()))
    assert [(span.conversation_id, span.step, span.user_id) for span in spans] == [("c-1", 1, "u-7"), ("c-1", 2, "u-7")]


# -- embeddings --------------------------------------------------------------------------------------------------------

VECTORS = {"object": "list", "model": "m", "data": [{"index": 0, "object": "embedding", "embedding": [0.5, 0.25]}]}


def test_a_request_for_embeddings(spans):
    client(VECTORS).embeddings.create(model="m", input="text", encoding_format="float", dimensions=2, user="u-1")
    (span,) = spans
    assert (span.name, span.kind, span.operation) == ("embeddings m", "embedding", "embeddings")
    assert span.request == {"model": "m", "encoding_formats": ["float"], "user": "u-1"}
    assert span.embeddings == [{"text": "text", "vector": [0.5, 0.25]}]
    assert span.dimensions == 2
    assert span.input is None


def test_numbers_of_tokens_instead_of_texts(spans):
    client(VECTORS).embeddings.create(model="m", input=[1, 2, 3], encoding_format="float")
    assert spans[0].input == [1, 2, 3]
    assert spans[0].embeddings == [{"vector": [0.5, 0.25]}]


def test_a_request_for_embeddings_that_fails_keeps_the_texts(spans):
    asking = client(lambda _: {"error": {"message": "no"}})
    with pytest.raises(Exception):  # noqa: B017 - which one depends on the version
        asking.embeddings.create(model="m", input=["a", "b"], dimensions=8)
    (span,) = spans
    assert span.embeddings == [{"text": "a"}, {"text": "b"}]
    assert span.dimensions == 8
