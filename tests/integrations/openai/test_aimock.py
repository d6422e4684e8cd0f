"""Against a mock server that others wrote, as they understand OpenAI's API: the user gets exactly the same."""

from __future__ import annotations

import json
import os
import subprocess

import openai
import pytest

from openai_answers import plain

if "AIMOCK" not in os.environ:
    pytest.skip("it is installed in nox -s aimock", allow_module_level=True)

ANSWERS = [
    ("capital", {"content": "The capital of France is Paris."}),
    ("weather", {"toolCalls": [{"name": "get_weather", "arguments": '{"city": "Paris"}'}]}),
]
FIXTURES = [{"match": {"userMessage": word}, "response": response} for word, response in ANSWERS]
FIXTURES.append({"match": {"inputText": "socks"}, "response": {"embedding": [0.5, -0.25, 0.125]}})


def chat(client, word, **options):
    messages = [{"role": "user", "content": f"What about the {word}?"}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, **options)


def respond(client, word, **options):
    return client.responses.create(model="gpt-4o", input=f"What about the {word}?", **options)


ASK = {
    "chat": lambda client: chat(client, "capital"),
    "chat with tools": lambda client: chat(client, "weather"),
    "chat in chunks": lambda client: list(chat(client, "capital", stream=True)),
    "tools in chunks": lambda client: list(chat(client, "weather", stream=True)),
    "raw chat": lambda client: client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": "capital"}]
    ).parse(),
    "response": lambda client: respond(client, "capital"),
    "response of tools": lambda client: respond(client, "weather"),
    "response in events": lambda client: list(respond(client, "capital", stream=True)),
    "embeddings": lambda client: client.embeddings.create(model="e", input="socks", encoding_format="float"),
    "moderation": lambda client: client.moderations.create(input="socks"),
}
KINDS = {"embeddings": "embedding", "moderation": "guardrail"}
FAULTS = ["drop", "malformed", "disconnect", "ratelimit"]


@pytest.fixture(scope="module")
def base_url(tmp_path_factory):
    path = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    path.write_text(json.dumps({"fixtures": FIXTURES}))
    command = ["node", os.environ["AIMOCK"], "-p", "0", "-f", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            yield next(line.split()[-1] for line in server.stdout if "listening on" in line) + "/v1"
        finally:
            server.terminate()


@pytest.fixture
def client(base_url):
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("way", ASK)
def test_the_user_gets_the_same(spans, client, watched, way):
    with_us = plain(ASK[way](client))
    assert [(span.kind, span.outcome) for span in spans] == [(KINDS.get(way, "llm"), "ok")]
    watched.undo()
    assert plain(ASK[way](client)) == with_us
    assert len(spans) == 1


@pytest.mark.parametrize("way", ["chat", "chat in chunks", "response", "response in events"])
def test_the_answer_is_on_the_span(spans, client, way):
    ASK[way](client)
    (span,) = spans
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "The capital of France is Paris."}]
    assert (span.request["model"], span.response["model"]) == ("gpt-4o", "gpt-4o")


@pytest.mark.parametrize("way", ["chat with tools", "tools in chunks", "response of tools"])
def test_the_tool_call_is_on_the_span(spans, client, way):
    ASK[way](client)
    (part,) = spans[0].output_messages[0]["parts"]
    assert (part["type"], part["name"], part["arguments"]) == ("tool_call", "get_weather", {"city": "Paris"})


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ask", [chat, respond])
def test_its_faults_reach_the_user_unchanged(spans, client, watched, ask, stream, fault):
    def outcome():
        try:
            answer = ask(client, "capital", stream=stream, extra_headers={f"x-aimock-chaos-{fault}": "1"})
            return len(list(answer)) if stream else type(answer)
        except Exception as error:
            return type(error), str(error)

    with_us = outcome()
    watched.undo()
    assert outcome() == with_us
    (span,) = spans
    assert (span.outcome == "error") == isinstance(with_us, tuple)


async def test_the_user_gets_the_same_async(spans, base_url, watched):
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def ask():
            answer = await chat(client, "capital")
            return plain([answer, *[one async for one in await chat(client, "weather", stream=True)]])

        with_us = await ask()
        watched.undo()
        assert await ask() == with_us
    assert [span.outcome for span in spans] == ["ok", "ok"]
