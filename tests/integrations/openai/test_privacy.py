"""No secret leaves through what is recorded of openai: requests, answers, streams, errors, headers, clients."""

from __future__ import annotations

import contextlib
from inspect import signature

import openai
import pytest

import callspan
from leaks import Secrets, leaking
from openai_cases import response
from openai_mock import Answer, Lines, client, completion, text_chunks
from planted import word

PLANTED = 200
TAKES_METADATA = "metadata" in signature(openai.resources.chat.Completions.create).parameters


def chat(secrets):
    """Ask with a secret in every field of a request and its answer."""
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": secrets.text()}}
    answer = completion(secrets.text(), usage={"prompt_tokens": 3, "note": secrets.text(), "details": secrets.plain()})
    answer["choices"][0]["message"]["tool_calls"] = [call]
    with client(Answer(answer, headers={"set-cookie": secrets.text().splitlines()[0]}), api_key=word(1)) as plain:
        plain.chat.completions.create(
            model="gpt-4o",
            messages=[
                {"role": "system", "content": secrets.text()},
                {"role": "user", "content": [{"type": "text", "text": secrets.text()}]},
                {"role": "assistant", "tool_calls": [{**call, "function": {"name": "a", "arguments": secrets.text()}}]},
                {"role": "tool", "tool_call_id": "c", "content": secrets.text()},
            ],
            tools=[{"type": "function", "function": {"name": "pay", "description": secrets.text()}}],
            stop=[secrets.text()],
            user=secrets.text(),
            **({"metadata": {"note": secrets.text()}} if TAKES_METADATA else {}),
            extra_headers={"X-Api-Key": word(2)},
            extra_body={"note": secrets.text(), "login": secrets.plain()},
        )


def stream(secrets):
    text = secrets.text()
    with client(Lines(text_chunks(text[: len(text) // 2], text[len(text) // 2 :]))) as streaming:
        asked = [{"role": "user", "content": secrets.text()}]
        list(streaming.chat.completions.create(model="gpt-4o", messages=asked, stream=True))


def embed(secrets):
    answer = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]}
    with client(answer) as plain:
        plain.embeddings.create(model="e", input=[secrets.text(), secrets.text()], user=secrets.text())


def respond(secrets):
    if hasattr(openai.OpenAI, "responses"):
        with client(response(secrets.text())) as plain:
            plain.responses.create(model="gpt-4o", input=secrets.text(), instructions=secrets.text())


def fail(secrets):
    refused = {"error": {"message": secrets.text(), "code": "invalid_api_key", "param": secrets.text()}}
    with client(Answer(refused, status=401)) as plain, contextlib.suppress(openai.AuthenticationError):
        plain.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": secrets.text()}])


@pytest.mark.faults
def test_no_planted_secret_is_in_any_byte_that_is_produced(tmp_path, caplog, capfd):
    caplog.set_level("DEBUG", logger="callspan")
    secrets = Secrets()
    with leaking(tmp_path) as leaked:
        leaked.configure()
        while secrets.count < PLANTED:
            for way in (chat, stream, embed, respond, fail):
                way(secrets)
        callspan.shutdown(timeout_s=5)
        out, err = capfd.readouterr()
        leaked.check_that_all_have_something()
        kinds = {(record.kind, record.outcome) for record in leaked.memory.spans}
        assert kinds == {("llm", "ok"), ("llm", "error"), ("embedding", "ok")}
        assert leaked.found(("logs", caplog.text.encode()), ("output", (out + err).encode())) == []
