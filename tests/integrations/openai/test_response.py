"""What a span says of an answer, in whatever way the user asked for it, and however little of it is there."""

from __future__ import annotations

import base64
import json
import struct

import openai
import pydantic
import pytest

from callspan.integrations.openai.response import is_client_model, shape_of, tree_of
from openai_mock import HELLO, Answer, Lines, async_client, client, completion, http, text_chunks

FACTS = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "finish_reasons": ["stop"],
    "request_id": "req_1",
}
# Answers of the oldest clients do not hold the request's ID.
HAS_REQUEST_ID = hasattr(openai._models, "add_request_id")
WITHOUT_ID = {name: value for name, value in FACTS.items() if name != "request_id"}
MESSAGES = [{"role": "assistant", "parts": [{"type": "text", "content": "Hi there"}], "finish_reason": "stop"}]


def chat(client, **options):
    return client.chat.completions.create(**{"model": "gpt-4o-mini", "messages": HELLO, **options})


def assert_complete(span):
    assert span.outcome == "ok"
    assert span.response == FACTS or (span.response == WITHOUT_ID and not HAS_REQUEST_ID)
    assert span.output_messages == MESSAGES
    assert span.usage.total_tokens == 12
    assert span.usage.raw == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert span.output is None
    assert span.chunk_count is None


# -- ways of asking ----------------------------------------------------------------------------------------------------


def test_plain(spans):
    answer = chat(client(completion()))
    assert type(answer).__name__ == "ChatCompletion"
    assert_complete(spans[0])


async def test_async(spans):
    await chat(async_client(completion()))
    assert_complete(spans[0])


def test_with_raw_response(spans):
    raw = client(completion()).chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert_complete(spans[0])
    assert raw._parsed_by_type == {}  # whoever wants it parsed does that
    assert raw.parse().choices[0].message.content == "Hi there"
    assert len(spans) == 1
    if hasattr(raw, "retries_taken"):
        assert spans[0].retries == 0


async def test_with_raw_response_async(spans):
    asking = async_client(completion())
    raw = await asking.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert raw.parse().choices[0].message.content == "Hi there"
    assert_complete(spans[0])


def test_retries_that_were_taken(spans):
    answers = iter([Answer({"error": {}}, 500, {"retry-after-ms": "1"}), completion()])
    raw = client(lambda _: next(answers), max_retries=2).chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=HELLO
    )
    if hasattr(raw, "retries_taken"):
        assert spans[0].retries == 1


def test_an_answer_of_the_users_own_class(spans):
    class Mine(openai.BaseModel):
        id: str
        model: str

    asking = client(completion())
    body = {"model": "gpt-4o-mini", "messages": HELLO}
    assert type(asking.post("/chat/completions", cast_to=Mine, body=body)) is Mine
    assert type(asking.post("/chat/completions", cast_to=http.Response, body=body)) is http.Response
    assert asking.post("/chat/completions", cast_to=str, body=body).startswith("{")
    assert asking.post("/chat/completions", cast_to=object, body=body)["id"] == "chatcmpl-1"
    assert [span.usage.total_tokens if span.usage else None for span in spans] == [12, 12, 12, 12]
    assert spans[2].output_messages == MESSAGES


def test_parse(spans):
    class Reply(pydantic.BaseModel):
        text: str

    asking = client(completion('{"text": "Hi"}'))
    completions = asking.chat.completions
    parse = getattr(completions, "parse", None) or asking.beta.chat.completions.parse
    answer = parse(model="gpt-4o-mini", messages=HELLO, response_format=Reply)
    assert answer.choices[0].message.parsed == Reply(text="Hi")
    assert spans[0].output_messages[0]["parts"] == [{"type": "text", "content": '{"text": "Hi"}'}]
    assert spans[0].request["output_type"] == "json"


# -- with_streaming_response: nothing is read before the user reads ----------------------------------------------------


class Body:
    """A body that notes how much of it was asked for."""

    def __init__(self):
        self.asked = 0

    def pieces(self):
        text = json.dumps(completion()).encode()
        for piece in (text[:50], text[50:]):
            self.asked += 1
            yield piece


def unread(body):
    def answer(request):
        return Answer(Lines([]))

    asking = client(answer)

    def handle(request):
        return http.Response(
            200, headers={"x-request-id": "req_1", "content-type": "application/json"}, content=body.pieces()
        )

    asking._client = http.Client(transport=http.MockTransport(handle))
    return asking.chat.completions.with_streaming_response


def test_an_unread_body_stays_unread_until_the_user_reads(spans):
    body = Body()
    with unread(body).create(model="gpt-4o-mini", messages=HELLO) as response:
        assert body.asked == 0
        assert spans == []
        assert response.parse().id == "chatcmpl-1"
        assert_complete(spans[0])  # once all of it has come
    assert len(spans) == 1


def test_an_unread_body_that_nobody_reads(spans):
    body = Body()
    with unread(body).create(model="gpt-4o-mini", messages=HELLO):
        pass
    assert body.asked == 0
    assert (spans[0].outcome, spans[0].output_messages) == ("abandoned", None)
    assert spans[0].response == {"request_id": "req_1"}


def test_an_unread_body_in_pieces(spans):
    with unread(Body()).create(model="gpt-4o-mini", messages=HELLO) as response:
        assert b"".join(response.iter_bytes()).startswith(b'{"id"')
    assert_complete(spans[0])


def test_an_unread_body_of_which_half_is_read(spans):
    with unread(Body()).create(model="gpt-4o-mini", messages=HELLO) as response:
        next(response.iter_bytes())
    assert (spans[0].outcome, spans[0].output_messages) == ("abandoned", None)
    assert spans[0].output.startswith('{"id"')


def test_an_unread_stream(spans):
    lines = Lines(text_chunks("Hi", " there"))
    with client(lines).chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    ) as response:
        assert lines.asked == 0
        stream = response.parse()
        assert stream is response.parse()
        assert [chunk.choices[0].delta.content for chunk in stream] == ["", "Hi", " there", None]
    assert spans[0].output_messages == MESSAGES
    assert (spans[0].chunk_count, spans[0].outcome) == (4, "ok")


async def test_an_unread_stream_async(spans):
    lines = Lines(text_chunks("Hi", " there"))
    async with async_client(lines).chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    ) as response:
        assert lines.asked == 0
        async for _ in await response.parse():
            pass
    assert spans[0].output_messages == MESSAGES


def test_an_unread_stream_whose_lines_the_user_reads(spans):
    with client(Lines(text_chunks("Hi"))).chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    ) as response:
        assert sum(line.startswith("data:") for line in response.iter_lines()) == 4
    assert spans[0].output_messages[0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert (spans[0].outcome, spans[0].chunk_count) == ("ok", 3)


def test_an_unread_stream_that_a_hook_of_the_users_has_read(spans):
    asking = client(Lines(text_chunks("Hi", " there")))
    asking._client.event_hooks = {"response": [lambda response: response.read()]}
    with asking.chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    ) as response:
        assert sum(line.startswith("data:") for line in response.iter_lines()) == 5
    assert spans[0].output_messages == MESSAGES
    assert (spans[0].chunk_count, spans[0].outcome) == (4, "ok")


def test_a_raw_stream(spans):
    raw = client(Lines(text_chunks("Hi", " there"))).chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True
    )
    stream = raw.parse()
    assert stream is raw.parse()
    list(stream)
    assert spans[0].output_messages == MESSAGES


# -- half an answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None, 5]},
        {"choices": [{}]},
        {"choices": [{"message": None, "finish_reason": 5}]},
        {"choices": [{"message": {"content": ["?"], "tool_calls": [None, {}]}}], "usage": 7},
        {"id": 5, "model": None, "choices": "none", "usage": {"prompt_tokens": "many"}},
        completion(usage=None),
        completion(usage={"prompt_tokens": 1, "prompt_tokens_details": None, "completion_tokens_details": 5}),
        completion(
            news={"deep": [1]}, choices=[{"index": 0, "message": {"role": "assistant", "content": "a", "novel": 1}}]
        ),
    ],
)
def test_half_an_answer_never_hurts(spans, answer, raw):
    completions = client(answer).chat.completions
    asking = completions.with_raw_response if raw else completions
    asking.create(model="gpt-4o-mini", messages=HELLO)
    (span,) = spans
    assert span.outcome == "ok"
    assert span.request["model"] == "gpt-4o-mini"


def test_half_an_answer_is_kept_as_it_is(spans):
    chat(client({"choices": [], "wonder": 1}))
    assert spans[0].output["wonder"] == 1


def test_a_raw_answer_that_is_no_json(spans):
    client(b"<html>").chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert (spans[0].outcome, spans[0].output) == ("ok", "<html>")


def test_a_raw_answer_that_is_far_too_long(spans):
    long = completion("x" * 21_000_000)
    client(long).chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert spans[0].output_messages is None
    assert spans[0].truncated["output"] > 21_000_000


def test_reasoning_refusals_and_several_choices(spans):
    choices = [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "a", "reasoning_content": "hm"},
        },
        {
            "index": 1,
            "finish_reason": "content_filter",
            "message": {"role": "assistant", "refusal": "No.", "content": None},
        },
        {"index": 2, "finish_reason": None, "message": {"role": "assistant", "content": "c"}},
    ]
    usage = {
        "completion_tokens": 9,
        "completion_tokens_details": {"reasoning_tokens": 4},
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    chat(client(completion(choices=choices, usage=usage)), n=3)
    (span,) = spans
    assert [message["parts"] for message in span.output_messages] == [
        [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "a"}],
        [{"type": "refusal", "content": "No."}],
        [{"type": "text", "content": "c"}],
    ]
    assert span.response["finish_reasons"] == ["stop", "content_filter", None]
    assert (span.usage.reasoning_tokens, span.usage.cache_read_tokens, span.usage.input_tokens) == (4, 2, None)


# -- embeddings --------------------------------------------------------------------------------------------------------


def packed(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def vectors(*given):
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(given)]
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": data,
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


TWO = [{"text": "a", "vector": [0.5, -1.0]}, {"text": "b", "vector": [0.25, 2.0]}]


def embed(client, **options):
    return client.embeddings.create(**{"model": "text-embedding-3-small", "input": ["a", "b"], **options})


def test_vectors_that_the_client_decodes(spans):
    def answer(request):
        if json.loads(request.content).get("encoding_format") == "base64":
            return vectors(packed(0.5, -1.0), packed(0.25, 2.0))
        return vectors([0.5, -1.0], [0.25, 2.0])  # the oldest clients decode only beside numpy

    assert embed(client(answer)).data[0].embedding == [0.5, -1.0]
    (span,) = spans
    assert span.embeddings == TWO
    assert span.response["model"] == "text-embedding-3-small"
    assert span.usage.input_tokens == 4
    assert span.dimensions == 2
    assert span.output is None


def test_vectors_that_the_user_decodes(spans):
    embed(client(vectors(packed(0.5, -1.0), packed(0.25, 2.0))), encoding_format="base64")
    assert spans[0].embeddings == TWO


async def test_vectors_as_numbers_async(spans):
    await embed(async_client(vectors([0.5, -1.0], [0.25, 2])), encoding_format="float")
    assert spans[0].embeddings == TWO


def test_raw_vectors(spans):
    client(vectors(packed(0.5, -1.0), packed(0.25, 2.0))).embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=["a", "b"]
    )
    assert spans[0].embeddings == TWO


@pytest.mark.parametrize(
    "answer", [vectors("not base64!", "YQ=="), vectors(None), {"data": [None]}, {"data": 5, "usage": None}]
)
def test_half_an_answer_of_vectors(spans, answer):
    embed(client(answer), encoding_format="float")
    assert spans[0].embeddings == [{"text": "a"}, {"text": "b"}]
    assert spans[0].dimensions is None


def test_a_stream_where_none_is_known(spans):
    client(Lines([{"a": 1}])).post(
        "/embeddings", cast_to=object, body={"input": "a"}, stream=True, stream_cls=openai.Stream[object]
    )
    assert spans[0].outcome == "ok"


# -- copies ------------------------------------------------------------------------------------------------------------


def test_shapes():
    from openai._legacy_response import LegacyAPIResponse
    from openai._response import APIResponse, AsyncAPIResponse
    from openai.types.chat import ChatCompletion

    class Own(ChatCompletion):
        pass

    assert shape_of(ChatCompletion) == shape_of(Own) == "model"
    assert shape_of(openai.Stream) == shape_of(openai.Stream) == "stream"
    assert shape_of(openai.AsyncStream) == "stream"
    assert shape_of(LegacyAPIResponse) == "raw"
    assert shape_of(APIResponse) == shape_of(AsyncAPIResponse) == "unread"
    assert shape_of(http.Response) == "http"
    assert shape_of(dict) == "plain"
    assert is_client_model(ChatCompletion)
    assert not is_client_model(Own)
    assert not is_client_model(openai.Stream)


def test_a_tree_is_a_copy():
    answer = completion(novel={"a": 1})
    from openai._models import construct_type
    from openai.types.chat import ChatCompletion

    model = construct_type(type_=ChatCompletion, value=answer)
    tree = tree_of(model)
    assert tree["novel"] == {"a": 1}
    assert tree["usage"]["total_tokens"] == 12
    tree["choices"][0]["message"]["content"] = "changed"
    assert model.choices[0].message.content == "Hi there"
