"""Beside other people's instrumentations of openai: each of us sees every call once, and nobody disturbs anybody.

They run in `nox -s neighbours`, where the others are installed.
"""

from __future__ import annotations

import asyncio
import gc

import openai
import pytest

import callspan
from callspan.testing import capture
from openai_mock import HELLO, USAGE, Lines, async_client, chunk, client, completion, text_chunks

VECTORS = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}
STREAMED = [*text_chunks("Hi", " there"), chunk(choices=[], usage=USAGE)]
ASKED = {"model": "gpt-4o-mini", "messages": HELLO}
ASKED_STREAM = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}


def openinference():
    name = "openinference.instrumentation.openai"
    return pytest.importorskip(name, reason="it is installed in nox -s neighbours").OpenAIInstrumentor()


def opentelemetry():
    name = "opentelemetry.instrumentation.openai_v2"
    return pytest.importorskip(name, reason="it is installed in nox -s neighbours").OpenAIInstrumentor()


class Neighbour:
    """An instrumentation by others, and the spans that it makes."""

    def __init__(self, make):
        self._instrumentor = make()
        self.patches_a_subclass = make is openinference
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._memory = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._memory))

    def on(self):
        self._instrumentor.instrument(tracer_provider=self._provider)

    def off(self):
        if self._instrumentor.is_instrumented_by_opentelemetry:
            self._instrumentor.uninstrument()

    def take(self):
        """Return what it said since the last time."""
        spans = self._memory.get_finished_spans()
        self._memory.clear()
        return spans


def sweep():
    """Take off what others leave on a class when they go: it would be in the way of what comes next."""
    for kind in (openai.OpenAI, openai.AsyncOpenAI):
        if "request" in vars(kind):
            del kind.request


class Ours:
    def on(self):
        callspan.instrument("openai")

    def off(self):
        callspan.uninstrument("openai")


@pytest.fixture(params=[openinference, opentelemetry])
def neighbour(request):
    callspan.uninstrument("openai")
    neighbour = Neighbour(request.param)
    yield neighbour
    neighbour.off()
    callspan.uninstrument("openai")
    sweep()


@pytest.fixture
def spans():
    with capture() as spans:
        yield spans


def chat():
    return client(completion()).chat.completions.create(**ASKED).model_dump()


def chat_raw():
    return client(completion()).chat.completions.with_raw_response.create(**ASKED).parse().model_dump()


def chat_stream():
    return [one.model_dump() for one in client(Lines(STREAMED)).chat.completions.create(**ASKED_STREAM)]


def chat_stream_left():
    with client(Lines(STREAMED)).chat.completions.create(**ASKED_STREAM) as stream:
        return [next(stream).model_dump() for _ in range(2)]


def embed():
    return client(VECTORS).embeddings.create(model="text-embedding-3-small", input="One").model_dump()


def chat_async():
    async def ask():
        return (await async_client(completion()).chat.completions.create(**ASKED)).model_dump()

    return asyncio.run(ask())


def chat_stream_async():
    async def ask():
        stream = await async_client(Lines(STREAMED)).chat.completions.create(**ASKED_STREAM)
        return [one.model_dump() async for one in stream]

    return asyncio.run(ask())


CALLS = [chat, chat_raw, chat_stream, chat_stream_left, embed, chat_async, chat_stream_async]


def told(spans):
    """Return what their spans say, without times and identities."""
    return [(span.name, span.kind, span.status.status_code, dict(span.attributes)) for span in spans]


def assert_our_facts(span, call):
    """What we say of a call is the same whoever stands beside us."""
    left = call is chat_stream_left
    assert (span.kind, span.outcome) == ("embedding" if call is embed else "llm", "abandoned" if left else "ok")
    if call is embed:
        assert (span.usage.input_tokens, span.response["model"]) == (4, "text-embedding-3-small")
    elif not left:
        assert span.usage.total_tokens == 12
        assert span.output_messages[0]["parts"] == [{"type": "text", "content": "Hi there"}]
        assert span.response["id"] == "chatcmpl-1"
    if "stream" in call.__name__:
        assert span.chunk_count == (2 if left else len(STREAMED))


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("call", CALLS)
def test_each_sees_a_call_once(neighbour, spans, call, ours_first):
    result = call()
    neighbour.on()
    assert call() == result
    alone = told(neighbour.take())
    neighbour.off()
    sweep()
    for one in (Ours(), neighbour) if ours_first else (neighbour, Ours()):
        one.on()
    assert call() == result
    gc.collect()  # opentelemetry's streams are not closed where the user leaves them
    (span,) = spans
    assert_our_facts(span, call)
    assert told(neighbour.take()) == alone


@pytest.mark.parametrize("ours_first_off", [True, False])
@pytest.mark.parametrize("ours_first", [True, False])
def test_who_goes_leaves_the_other_working(neighbour, spans, ours_first, ours_first_off):
    ours = Ours()
    for one in (ours, neighbour) if ours_first else (neighbour, ours):
        one.on()
    chat()
    assert (len(spans), len(neighbour.take())) == (1, 1)
    (ours if ours_first_off else neighbour).off()
    chat()
    chat()
    if ours_first_off:
        assert (len(spans), len(neighbour.take())) == (1, 2)
    else:
        # Who came before us and patches a subclass puts back what it found: one call comes past us, the next does not.
        missed = 1 if neighbour.patches_a_subclass and not ours_first else 0
        assert (len(spans), len(neighbour.take())) == (3 - missed, 0)
    (neighbour if ours_first_off else ours).off()
    before = len(spans)
    chat()
    assert (len(spans), len(neighbour.take())) == (before, 0)
    ours.on()
    chat()
    assert len(spans) == before + 1
