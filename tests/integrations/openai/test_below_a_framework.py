"""Requests that a framework makes: their facts stand in the framework's span, which a stand-in opens here."""

from __future__ import annotations

from contextlib import contextmanager

import openai
import pytest

import callspan
from callspan.capture.switch import switch
from callspan.recording.sites import Site
from openai_mock import HELLO, Answer, Lines, async_client, chunk, client, completion, text_chunks

LLM = Site("ChatModel", "llm", awaits_provider=True)
EMBEDDING = Site("Embedder", "embedding", awaits_provider=True)
USAGE_CHUNK = chunk(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})


@contextmanager
def framework(site=LLM):
    call = switch.open_block(site, None)
    try:
        yield call.span
    except BaseException as error:
        call.close(error)
        raise
    call.close(None)


def chat(client, **options):
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **options)


def test_one_span_with_the_facts_of_both(spans):
    with framework():
        chat(client(completion(), max_retries=0), temperature=0.5)
    (span,) = spans
    assert (span.name, span.kind, span.provider, span.operation) == ("ChatModel", "llm", "openai", "chat")
    assert span.request["temperature"] == 0.5
    assert (span.response["id"], span.response["request_id"]) == ("chatcmpl-1", "req_1")
    assert (span.usage.total_tokens, span.usage_below) == (12, False)
    assert span.input_messages[0]["parts"] == [{"type": "text", "content": "Hello"}]
    assert span.server_address == "api.openai.com"


async def test_async_and_raw_as_frameworks_ask(spans):
    with framework():
        raw = await async_client(completion()).chat.completions.with_raw_response.create(model="m", messages=HELLO)
        assert raw.parse().id == "chatcmpl-1"
    (span,) = spans
    assert (span.usage.total_tokens, span.request["model"]) == (12, "m")


def test_a_stream_that_is_read_within(spans):
    with framework():
        list(chat(client(Lines([*text_chunks("a", "b"), USAGE_CHUNK])), stream=True))
    (span,) = spans
    assert (span.chunk_count, span.usage.total_tokens) == (5, 12)
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "ab"}]
    assert span.time_to_first_chunk_s > 0


def test_a_stream_that_is_read_later_is_a_child(spans):
    with framework():
        stream = chat(client(Lines([*text_chunks("a"), USAGE_CHUNK])), stream=True)
    list(stream)
    assert spans.tree() == "llm ChatModel\n  llm chat gpt-4o-mini"
    assert [span.usage and span.usage.total_tokens for span in spans] == [None, 12]


def test_of_several_requests_each_is_a_child_that_counts_for_itself(spans):
    with framework() as open_span:
        chat(client(completion()))
        chat(client(completion(id="chatcmpl-2")))
        assert open_span.usage_below
    assert spans.tree() == "llm ChatModel\n  llm chat gpt-4o-mini\n  llm chat gpt-4o-mini"
    assert [span.response.get("id") for span in spans] == ["chatcmpl-2", "chatcmpl-1", None]
    assert [span.usage.input_tokens if span.usage else None for span in spans] == [9, 9, None]


def test_embeddings(spans):
    vectors = {
        "object": "list",
        "model": "m",
        "data": [{"index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1},
    }
    with framework(EMBEDDING):
        client(vectors).embeddings.create(model="m", input="text", encoding_format="float")
    (span,) = spans
    assert span.embeddings == [{"text": "text", "vector": [0.5]}]
    assert (span.usage.input_tokens, span.dimensions) == (1, 1)


def test_another_kind_is_a_child(spans):
    vectors = {"object": "list", "model": "m", "data": []}
    with framework():
        client(vectors).embeddings.create(model="m", input="text", encoding_format="float")
    assert spans.tree() == "llm ChatModel\n  embedding embeddings m"


def test_an_error_reaches_the_framework_and_stands_in_its_span(spans):
    with pytest.raises(openai.BadRequestError), framework():
        chat(client(Answer({"error": {"message": "no"}}, 400)))
    (span,) = spans
    assert (span.error.type, span.attributes) == ("openai.BadRequestError", {"http.response.status_code": 400})
    assert span.response == {"request_id": "req_1"}


def test_what_the_request_calls_is_a_child_of_the_framework(spans):
    def answer(request):
        with callspan.span("inside"):
            return completion()

    with framework():
        chat(client(answer))
    assert spans.tree() == "llm ChatModel\n  chain inside"
