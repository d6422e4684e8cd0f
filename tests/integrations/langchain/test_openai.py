"""LangChain's OpenAI package with a real server: one request is one span, whichever integrations are on."""

from __future__ import annotations

import pytest

pytest.importorskip("langchain_openai")

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import callspan
from langchain_chains import tree
from openai_server import serve


@pytest.fixture(scope="module")
def base_url():
    with serve() as url:
        yield url


@pytest.fixture
def both():
    handle = callspan.instrument("openai")
    yield
    handle.undo()


def chat(base_url, **options):
    options = {"temperature": 0.25, "max_retries": 0, **options}
    return ChatOpenAI(model="gpt-4o-mini", base_url=base_url, api_key="none", **options)


def check(told):
    assert (told.kind, told.name) == ("llm", "chat gpt-4o-mini")
    assert told.request["model"] == "gpt-4o-mini"
    assert told.request["temperature"] == 0.25
    assert told.response["model"] == "gpt-4o-mini"
    assert told.response["finish_reasons"] == ["stop"]
    assert told.response.get("id", "chatcmpl-").startswith("chatcmpl-")  # older ones do not hand it on
    assert told.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "What is a span?"}]}]
    assert told.output_messages[0]["parts"][0]["content"]


def test_without_the_openai_integration_langchain_tells_it_all(spans, base_url):
    answer = chat(base_url).invoke("What is a span?")
    (told,) = spans
    check(told)
    assert told.provider == "openai"
    assert told.usage.input_tokens == answer.usage_metadata["input_tokens"] > 0
    assert told.usage.output_tokens == answer.usage_metadata["output_tokens"] > 0


def test_with_both_one_span_has_what_both_know(spans, base_url, both):
    answer = chat(base_url).invoke("What is a span?")
    (told,) = spans
    check(told)
    assert told.usage.input_tokens == answer.usage_metadata["input_tokens"] > 0
    assert told.response["request_id"].startswith("req_")
    assert (told.server_address, told.retries) == ("127.0.0.1", 0)
    assert told.provider == "openai-compatible"  # the client knows better than LangChain whom it talks to


async def test_with_both_asynchronously_streamed_or_not(spans, base_url, both):
    model = chat(base_url, stream_usage=True)
    answer = await model.ainvoke("What is a span?")
    pieces = [piece async for piece in model.astream("What is a span?")]
    whole, streamed = spans
    check(whole)
    check(streamed)
    assert whole.usage.output_tokens == answer.usage_metadata["output_tokens"] > 0
    assert whole.response["request_id"].startswith("req_")
    assert streamed.output_messages[0]["parts"][0]["content"] == "".join(piece.content for piece in pieces)
    assert streamed.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("has_usage", [True, False])
def test_with_both_in_a_stream(spans, base_url, both, has_usage):
    pieces = list(chat(base_url, stream_usage=has_usage).stream("What is a span?"))
    (told,) = spans
    check(told)
    assert told.output_messages[0]["parts"][0]["content"] == "".join(piece.content for piece in pieces)
    assert told.request["stream"] is True
    assert told.time_to_first_chunk_s > 0
    assert (told.usage is not None) == has_usage


@pytest.mark.filterwarnings("ignore:Unexpected type for token usage")  # a warning of langchain-openai, since long
def test_with_both_several_prompts_are_a_span_each_and_counted_once(spans, base_url, both):
    result = chat(base_url).generate([[HumanMessage("What is a span?")], [HumanMessage("What is a span?")]])
    assert tree(spans) == "llm chat gpt-4o-mini\nllm chat gpt-4o-mini"
    counted = sum(span.usage.output_tokens for span in spans)
    assert counted == sum(one[0].message.usage_metadata["output_tokens"] for one in result.generations)


def test_with_both_an_error_is_told_once(spans, base_url, both):
    with pytest.raises(Exception, match="error"):
        chat(base_url, default_headers={"x-fault": "error"}).invoke("What is a span?")
    (told,) = spans
    assert told.outcome == "error"
    assert "The server had an error" in told.error.message
    assert told.request["temperature"] == 0.25


def test_with_both_a_retried_request_is_one_span(spans, base_url, both):
    chat(base_url, max_retries=2, default_headers={"x-fault": "rate-limit=1"}).invoke("What is a span?")
    (told,) = spans
    assert (told.outcome, told.retries) == ("ok", 1)


@pytest.mark.parametrize("is_both", [True, False])
def test_embeddings_are_one_span_with_the_openai_integration_and_without(spans, base_url, is_both):
    handle = callspan.instrument("openai") if is_both else None
    try:
        embeddings = OpenAIEmbeddings(
            model="text-embedding-3-small",
            base_url=base_url,
            api_key="none",
            dimensions=8,
            check_embedding_ctx_length=False,
        )
        vector = embeddings.embed_query("socks")
    finally:
        if handle is not None:
            handle.undo()
    (told,) = spans
    assert (told.kind, told.name, told.dimensions) == ("embedding", "embeddings text-embedding-3-small", 8)
    assert told.request["model"] == "text-embedding-3-small"
    assert told.embeddings[0]["text"] == "socks"
    assert told.embeddings[0]["vector"] == vector
    assert (told.usage is not None) == is_both


@pytest.mark.skipif(not hasattr(ChatOpenAI, "stream_events"), reason="an older langchain-core")
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_with_both_in_a_stream_of_events(spans, base_url, both):
    text = str(chat(base_url, stream_usage=True).stream_events("What is a span?", version="v3").text)
    (told,) = spans
    check(told)
    assert told.output_messages[0]["parts"][0]["content"] == text
    assert told.response["request_id"].startswith("req_")
    assert told.usage.output_tokens > 0
    assert told.time_to_first_chunk_s > 0


def test_what_sampling_leaves_out_is_measured_once_by_the_call_of_the_provider(monkeypatch, base_url, both):
    from opentelemetry import metrics as otel_metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(otel_metrics, "get_meter_provider", lambda: provider)
    callspan.configure(exporters=["memory"], metrics="all", sample_rate=0)
    answer = chat(base_url).invoke("What is a span?")
    assert callspan.flush(5).ok
    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
    points = {metric.name: list(metric.data.data_points) for metric in scopes[0].metrics}
    (seconds,) = points["gen_ai.client.inference.duration"]
    (tokens,) = points["gen_ai.client.inference.operation.input_tokens"]
    assert (seconds.count, tokens.sum) == (1, answer.usage_metadata["input_tokens"])


def test_a_function_around_it_that_is_a_model_call_too_counts_nothing_twice(spans, base_url):
    @callspan.llm
    def ask(question):
        return chat(base_url).invoke(question)

    usage = ask("What is a span?").usage_metadata
    told = [span for span in spans if not span.usage_below]
    assert tree(spans).splitlines() == ["llm ask", "  llm chat gpt-4o-mini"]
    assert [span.usage.input_tokens for span in told] == [usage["input_tokens"]]
