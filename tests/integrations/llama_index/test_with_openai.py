"""LlamaIndex over the openai client, both watched: one request is one span, with the facts of both, counted once."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.embeddings.openai")

from llama_index.core import PromptTemplate, VectorStoreIndex
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import TextNode
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI

import callspan
from callspan.testing import capture
from openai_mock import USAGE, Lines, chunk, completion, http, text_chunks
from openai_mock import _transport as transport

HELLO = [ChatMessage(role="user", content="Hello")]
TOLD = [*text_chunks("Hi", " there"), chunk(choices=[], usage=USAGE)]


@pytest.fixture(autouse=True)
def both():
    handle = callspan.instrument("openai")
    yield
    handle.undo()


def clients(answer):
    return {
        "api_key": "none",
        "max_retries": 0,
        "http_client": http.Client(transport=transport(answer, is_async=False)),
        "async_http_client": http.AsyncClient(transport=transport(answer, is_async=True)),
    }


def model(answer, **options):
    return OpenAI(model="gpt-4o-mini", **clients(answer), **options)


def tokens(spans):
    """Add up the tokens that count."""
    return sum(span.usage.total_tokens for span in spans if span.usage is not None and not span.usage_below)


def test_a_chat_is_one_span_with_the_facts_of_both(spans):
    model(completion()).chat(HELLO)
    (span,) = spans
    assert (span.name, span.kind, span.provider, span.operation) == ("OpenAI.chat", "llm", "openai", "chat")
    assert span.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "Hi there"}]
    assert (span.response["request_id"], span.response["id"]) == ("req_1", "chatcmpl-1")
    assert (span.server_address, span.request["model"]) == ("api.openai.com", "gpt-4o-mini")
    assert (span.usage.total_tokens, span.response["finish_reasons"]) == (12, ["stop"])


def test_without_the_other_integration_the_usage_is_there_too():
    callspan.uninstrument("openai")
    with capture() as spans:
        model(completion()).chat(HELLO)
    (span,) = spans
    assert (span.usage.total_tokens, span.response["id"], span.server_address) == (12, "chatcmpl-1", None)
    assert (span.provider, span.response["finish_reasons"]) == ("openai", ["stop"])


async def test_an_async_prediction(spans):
    await model(completion()).apredict(PromptTemplate("Greet {whom}."), whom="me")
    (span,) = spans
    assert (span.name, span.prompts[0].variables) == ("OpenAI.apredict", {"whom": "me"})
    assert tokens(spans) == 12


@pytest.mark.parametrize("is_stream_of_texts", [False, True])
def test_a_stream_whose_request_is_made_when_it_is_read(spans, is_stream_of_texts):
    asked = model(Lines(TOLD), additional_kwargs={"stream_options": {"include_usage": True}})
    with callspan.span("request"):
        stream = asked.stream(PromptTemplate("Hello")) if is_stream_of_texts else asked.stream_chat(HELLO)
    with callspan.span("consumer"):
        for _ in stream:
            pass
    assert spans.tree() == f"chain request\n  llm OpenAI.stream{'' if is_stream_of_texts else '_chat'}\nchain consumer"
    span = next(span for span in spans if span.kind == "llm")
    assert (span.outcome, span.response["request_id"]) == ("ok", "req_1")
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "Hi there"}]
    assert tokens(spans) == 12


async def test_an_async_stream(spans):
    asked = model(Lines(TOLD), additional_kwargs={"stream_options": {"include_usage": True}})
    stream = await asked.astream_chat(HELLO)
    with callspan.span("consumer"):
        async for _ in stream:
            pass
    assert spans.tree() == "llm OpenAI.astream_chat\nchain consumer"
    assert tokens(spans) == 12


def test_a_stream_that_is_dropped(spans):
    stream = model(Lines(TOLD)).stream_chat(HELLO)
    next(stream)
    del stream
    assert {span.outcome for span in spans} == {"abandoned"}
    assert spans.roots()[0].name == "OpenAI.stream_chat"


def test_a_request_that_fails(spans):
    from openai_mock import Answer

    with pytest.raises(Exception, match="no such"):
        model(Answer({"error": {"message": "no such model"}}, 404)).chat(HELLO)
    (span,) = spans
    assert (span.outcome, span.error.type.rpartition(".")[2]) == ("error", "NotFoundError")


def test_a_query_over_openai(spans):
    def answer(request):
        body = json.loads(request.content)
        if request.url.path.endswith("/embeddings"):
            rows = [{"object": "embedding", "index": n, "embedding": [0.5, 0.25]} for n, _ in enumerate(body["input"])]
            usage = {"prompt_tokens": 5, "total_tokens": 5}
            return {"object": "list", "model": "text-embedding-3-small", "data": rows, "usage": usage}
        return Lines(TOLD) if body.get("stream") else completion()

    embeddings = OpenAIEmbedding(model="text-embedding-3-small", **clients(answer))
    built = VectorStoreIndex([TextNode(text="Socks keep feet warm.")], embed_model=embeddings)
    spans.clear()
    built.as_query_engine(llm=model(answer)).query("What keeps feet warm?")
    assert (
        spans.tree()
        == """
chain RetrieverQueryEngine.query
  retriever VectorIndexRetriever.retrieve
    embedding OpenAIEmbedding.get_query_embedding
  chain CompactAndRefine.synthesize
    llm OpenAI.predict
""".strip()
    )
    embedding = spans.one("OpenAIEmbedding.get_query_embedding")
    assert (embedding.usage.input_tokens, embedding.dimensions, embedding.provider) == (5, 2, "openai")
    assert embedding.request["model"] == "text-embedding-3-small"
    assert tokens(spans) == 17
    spans.clear()
    response = built.as_query_engine(llm=model(answer), streaming=True).query("What keeps feet warm?")
    assert "".join(response.response_gen) == "Hi there"
    assert [line.strip() for line in spans.tree().splitlines()][-1] == "llm OpenAI.stream"
    assert tokens(spans) == 17


def test_the_responses_api(spans):
    module = pytest.importorskip("llama_index.llms.openai")
    if not hasattr(module, "OpenAIResponses"):
        pytest.skip("not in this version")
    usage = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3, "total_tokens": 12}
    answer = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hi there", "annotations": []}],
            }
        ],
        "usage": {**usage, "output_tokens_details": {"reasoning_tokens": 1}},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    module.OpenAIResponses(model="gpt-4o-mini", **clients(answer)).chat(HELLO)
    span = next(span for span in spans if span.name == "OpenAIResponses.chat")
    assert (span.usage.input_tokens, span.usage.cache_read_tokens, span.usage.reasoning_tokens) == (9, 4, 1)
    assert span.response["id"] == "resp_1"
    assert tokens(spans) == 12
