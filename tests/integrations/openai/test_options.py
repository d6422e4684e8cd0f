"""What users may choose: vectors, the usage of streams, and requests that ask no model."""

from __future__ import annotations

import json

import openai
import pytest

import callspan
from openai_cases import CASES, VECTOR
from openai_mock import HELLO, USAGE, Lines, async_client, chunk, client, text_chunks

EMBEDDINGS = next(case for case in CASES if case.name == "embeddings")
USAGE_CHUNK = chunk(choices=[], usage=USAGE)


@pytest.fixture
def instrument():
    callspan.uninstrument("openai")
    yield lambda **options: callspan.instrument("openai", **options)
    callspan.uninstrument("openai")


# -- vectors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True])
def test_vectors(spans, instrument, raw):
    def embed():
        asking = client(EMBEDDINGS.answer).embeddings
        (asking.with_raw_response if raw else asking).create(**EMBEDDINGS.asked)

    for vectors in ("full", "hash", "none"):
        instrument(vectors=vectors)
        embed()
    full, hashed, none = spans
    assert [one["vector"] for one in full.embeddings] == [VECTOR, VECTOR]
    assert [sorted(one) for one in hashed.embeddings] == [["text", "vector_hash"]] * 2
    assert none.embeddings == [{"text": "One"}, {"text": "Two"}]
    assert [span.usage.total_tokens for span in spans] == [4, 4, 4]
    assert [span.response["model"] for span in spans] == ["text-embedding-3-small"] * 3


# -- the usage of streams ----------------------------------------------------------------------------------------------


def answering(sent):
    """Answer as a provider does: with the counts only where they were asked for."""

    def answer(request):
        sent.append(json.loads(request.content))
        if (sent[-1].get("stream_options") or {}).get("include_usage"):
            return Lines([*({**one, "usage": None} for one in text_chunks("Hi", " there")), USAGE_CHUNK])
        return Lines(text_chunks("Hi", " there"))

    return answer


def seen(chunks):
    return [(one.model_dump(), one.to_dict()) for one in chunks]


def test_usage_is_asked_for_and_nobody_sees_it(spans, instrument):
    sent = []
    asking = client(answering(sent))

    def ask(**options):
        return asking.chat.completions.create(model="m", messages=HELLO, stream=True, **options)

    without_us = seen(ask())
    instrument(stream_usage="inject")
    assert seen(ask()) == without_us
    assert [one.get("stream_options") for one in sent] == [None, {"include_usage": True}]
    (span,) = spans
    assert (span.usage.total_tokens, span.chunk_count) == (12, 5)
    assert "stream_options" not in span.request
    with ask() as left:
        next(left)
    assert spans[1].outcome == "abandoned"


def test_usage_of_an_older_completion_is_asked_for(spans, instrument):
    def piece(text, finish=None, **changes):
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1_700_000_000, "model": "m"}
        return {**head, "choices": [choice], **changes}

    def answer(request):
        sent.append(json.loads(request.content))
        pieces = [piece("Hi"), piece(" there", "stop")]
        if "stream_options" in sent[-1]:
            return Lines([*({**one, "usage": None} for one in pieces), piece("", choices=[], usage=USAGE)])
        return Lines(pieces)

    sent = []
    completions = client(answer).completions
    without_us = seen(completions.create(model="m", prompt="Hello", stream=True))
    instrument(stream_usage="inject")
    assert seen(completions.create(model="m", prompt="Hello", stream=True)) == without_us
    assert [one.get("stream_options") for one in sent] == [None, {"include_usage": True}]
    (span,) = spans
    assert (span.usage.input_tokens, span.usage.output_tokens, span.chunk_count) == (9, 3, 3)
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "Hi there"}]


async def test_usage_is_asked_for_async(spans, instrument):
    asking = async_client(answering([]))
    instrument(stream_usage="inject")
    stream = await asking.chat.completions.create(model="m", messages=HELLO, stream=True)
    chunks = [one async for one in stream]
    assert [one.choices[0].delta.content for one in chunks] == ["", "Hi", " there", None]
    assert spans[0].usage.total_tokens == 12


@pytest.mark.parametrize("options", [{"include_usage": True}, {"include_usage": False}])
def test_who_decides_himself_is_not_helped(spans, instrument, options):
    sent = []
    instrument(stream_usage="inject")
    chunks = list(
        client(answering(sent)).chat.completions.create(model="m", messages=HELLO, stream=True, stream_options=options)
    )
    assert sent[0]["stream_options"] == options
    assert len(chunks) == (5 if options["include_usage"] else 4)


def test_who_reads_raw_bytes_and_who_does_not_stream_are_not_helped(spans, instrument):
    sent = []
    asking = client(answering(sent)).chat.completions
    instrument(stream_usage="inject")
    list(asking.with_raw_response.create(model="m", messages=HELLO, stream=True).parse())
    with asking.with_streaming_response.create(model="m", messages=HELLO, stream=True) as response:
        list(response.iter_lines())
    asking.with_raw_response.create(model="m", messages=HELLO)
    assert [one.get("stream_options") for one in sent] == [None, None, None]


def test_the_options_of_the_user_are_not_changed(spans, instrument):
    from openai._models import FinalRequestOptions

    sent = []
    instrument(stream_usage="inject")
    body = {"model": "m", "messages": HELLO, "stream": True}
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=body)
    list(client(answering(sent)).request(object, options, stream=True, stream_cls=openai.Stream[object]))
    assert (options.json_data, "stream_options" in body) == (body, False)
    assert sent[0]["stream_options"] == {"include_usage": True}


# -- other requests ----------------------------------------------------------------------------------------------------


def test_other_requests_make_spans_where_they_are_wanted(spans, instrument):
    answer = {"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "x"}]}
    instrument()
    client(answer).models.list()
    assert spans == []
    instrument(other_requests=True)
    client(answer).models.list()
    client({"id": "file-abc123", "object": "file"}).files.retrieve("file-abc123")
    client({"id": "batch_1", "object": "batch"}).batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert [(span.kind, span.name, span.component) for span in spans] == [
        ("chain", "GET /models", "request"),
        ("chain", "GET /files/{id}", "request"),
        ("chain", "POST /batches", "request"),
    ]
    assert spans[0].output == answer
    assert spans[2].input["input_file_id"] == "file-1"
    assert all(span.operation is None for span in spans)
