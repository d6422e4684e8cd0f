"""The same requests to a server in a process of its own, with and without us: the user gets exactly the same."""

from __future__ import annotations

import subprocess
import sys

import openai
import pytest

import callspan
import openai_server
from openai_answers import plain

MESSAGES = [{"role": "user", "content": "Paris is the capital of France. Question: What is the capital of France?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FAULTS = ["drop", "disconnect", "malformed", "error", "rate-limit"]


@pytest.fixture(scope="module")
def base_url():
    command = [sys.executable, openai_server.__file__, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[1]  # Serving URL until …
        finally:
            server.terminate()


@pytest.fixture
def client(base_url):
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client


def chat(client, **options):
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, **options)


REQUESTS = {
    "plain": chat,
    "several": lambda client: chat(client, n=2),
    "tools": lambda client: chat(client, tools=[TOOL]),
    "json": lambda client: chat(client, response_format={"type": "json_object"}),
    "stream": lambda client: list(chat(client, stream=True)),
    "stream with usage": lambda client: list(chat(client, stream=True, stream_options={"include_usage": True})),
    "stream of tools": lambda client: list(chat(client, stream=True, tools=[TOOL])),
    "raw": lambda client: client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES).parse(),
    "embeddings": lambda client: client.embeddings.create(model="m", input=["a", "b"], dimensions=8),
    "embeddings as numbers": lambda client: client.embeddings.create(
        model="m", input="a", dimensions=8, encoding_format="float"
    ),
}


FLAT_TOOL = {"type": "function", **TOOL["function"]}


def respond(client, **options):
    return client.responses.create(model="gpt-4.1-mini", input=MESSAGES[0]["content"], **options)


if hasattr(openai.OpenAI, "responses"):
    REQUESTS |= {
        "response": respond,
        "response with tools": lambda client: respond(client, tools=[FLAT_TOOL]),
        "response as events": lambda client: list(respond(client, stream=True)),
        "response of tools as events": lambda client: list(respond(client, stream=True, tools=[FLAT_TOOL])),
        "moderation": lambda client: client.moderations.create(input="socks"),
    }


@pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="openai is too old for responses")
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_over_the_wire(spans, client, stream):
    answer = respond(client, stream=stream, max_output_tokens=1, instructions="Be brief.")
    if stream:
        (answer,) = [event.response for event in answer if event.type == "response.incomplete"]
    (span,) = spans
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": answer.output_text}]
    assert (span.outcome, span.response["finish_reasons"]) == ("incomplete", ["length"])
    assert (span.response["id"], span.usage.output_tokens) == (answer.id, 1)
    assert span.retries == 0


@pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="openai is too old for responses")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_faults_of_responses_reach_the_user_unchanged(spans, client, watched, fault, stream):
    def ask():
        try:
            answer = respond(client, extra_headers={"x-fault": fault}, stream=stream)
            return len(list(answer)) if stream else type(answer)
        except Exception as error:
            return type(error), str(error)

    with_us = ask()
    watched.undo()
    assert ask() == with_us
    (span,) = spans
    assert span.outcome != "ok" or not isinstance(with_us, tuple)
    assert span.request["model"] == "gpt-4.1-mini"


@pytest.mark.skipif(not hasattr(openai._models, "add_request_id"), reason="older clients do not count their attempts")
def test_retries_over_the_wire(spans, base_url):
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=2) as client:
        chat(client, extra_headers={"x-fault": "rate-limit=1"})
    assert (spans[0].retries, spans[0].outcome) == (1, "ok")


@pytest.mark.parametrize("name", REQUESTS)
def test_the_user_gets_the_same(spans, client, watched, name):
    with_us = plain(REQUESTS[name](client))
    assert [span.outcome for span in spans] == ["ok"]
    watched.undo()
    assert plain(REQUESTS[name](client)) == with_us
    assert len(spans) == 1


async def test_the_user_gets_the_same_async(spans, base_url, watched):
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def ask():
            answer = await chat(client)
            chunks = [one async for one in await chat(client, stream=True)]
            vectors = await client.embeddings.create(model="m", input="a", dimensions=8)
            return plain([answer, *chunks, vectors])

        with_us = await ask()
        watched.undo()
        assert await ask() == with_us
    assert [span.name for span in spans] == ["chat gpt-4o-mini", "chat gpt-4o-mini", "embeddings m"]
    assert spans[0].output_messages == spans[1].output_messages


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_faults_of_the_server_reach_the_user_unchanged(spans, client, watched, fault, stream):
    def ask():
        try:
            answer = chat(client, extra_headers={"x-fault": fault}, stream=stream)
            return len(list(answer)) if stream else type(answer)
        except Exception as error:
            return type(error), str(error)

    with_us = ask()
    watched.undo()
    assert ask() == with_us
    (span,) = spans
    if isinstance(with_us, tuple):
        assert span.outcome == "error"
        assert span.error.type.rpartition(".")[2] == with_us[0].__name__
    assert span.request["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
async def test_faults_of_the_server_reach_the_user_unchanged_async(spans, base_url, watched, fault, stream):
    async def ask():
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            try:
                answer = await chat(client, extra_headers={"x-fault": fault}, stream=stream)
                return len([one async for one in answer]) if stream else type(answer)
            except Exception as error:
                return type(error), str(error)

    with_us = await ask()
    watched.undo()
    assert await ask() == with_us
    (span,) = spans
    if isinstance(with_us, tuple):
        assert span.outcome == "error"
        assert span.error.type.rpartition(".")[2] == with_us[0].__name__
    assert span.request["model"] == "gpt-4o-mini"


def test_the_module_level_client(spans, base_url, monkeypatch):
    monkeypatch.setattr(openai, "base_url", f"{base_url}/")
    monkeypatch.setattr(openai, "api_key", "none")
    openai.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert spans[0].server_port == int(base_url.rpartition(":")[2].partition("/")[0])


def test_a_decorated_application(spans, client):
    template = callspan.PromptTemplate("Answer briefly: {question}", name="answer")

    @callspan.chain
    def answer(question):
        text = template.format(question=question)
        return chat_about(text).choices[0].message.content

    def chat_about(text):
        return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])

    with callspan.conversation("c-1"):
        answer("What is the capital of France?")
    assert spans.tree().splitlines()[1] == "  llm chat gpt-4o-mini"
    assert spans[0].prompts[0].variables == {"question": "What is the capital of France?"}
    assert spans[0].step == 1
