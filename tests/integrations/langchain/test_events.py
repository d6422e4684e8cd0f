"""The third version of `stream_events` and `astream_events`: objects with projections instead of dictionaries."""

from __future__ import annotations

import asyncio
import gc

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.runnables import RunnableLambda

from callspan.recording.otel import get_context
from langchain_chains import Slow, model, tree

pytestmark = [
    pytest.mark.skipif(not hasattr(BaseChatModel, "stream_events"), reason="an older langchain-core"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
]

GRAPH = """\
chain/graph talker
  chain/node talk
    chain/step talk
      llm Model"""
SAID = {"messages": [("user", "Hi")]}


class Native(GenericFakeChatModel):
    """Tells its pieces as events only, the first of which brings no text."""

    def _stream_chat_model_events(self, _, **__):
        yield {"event": "message-start", "role": "ai", "id": "m1"}
        yield {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}
        for text in ("one", " two"):
            yield {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": text}}
        yield {"event": "content-block-finish", "index": 0, "content": {"type": "text", "text": "one two"}}
        yield {"event": "message-finish"}


def talker(*answers):
    """Make a graph of one node, which asks a model."""
    from langgraph.graph import START, MessagesState, StateGraph

    asked = model(*answers)

    async def talk_later(state):
        return {"messages": [await asked.ainvoke(state["messages"])]}

    def talk(state):
        return {"messages": [asked.invoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("talk", RunnableLambda(talk, talk_later, name="talk"))
    return graph.add_edge(START, "talk").compile(name="talker")


def texts(span):
    return [message["parts"] for message in span.output_messages]


def check_streamed(span, chunks):
    """Check what is told of the answer "one two", which came in so many pieces."""
    assert (span.outcome, span.request["stream"], span.chunk_count) == ("ok", True, chunks)
    assert texts(span) == [[{"type": "text", "content": "one two"}]]
    assert 0 < span.time_to_first_chunk_s * 1000 <= span.duration_ms


@pytest.mark.parametrize(("asked", "chunks"), [(model, 3), (lambda _: Native(messages=iter([])), 2)])
def test_a_model_tells_its_answer_and_when_it_began(spans, asked, chunks):
    before = get_context()
    stream = asked("one two").stream_events("Hi", version="v3")
    kinds = []
    for event in stream:
        kinds.append(event["event"])
        assert get_context() == before  # what the user does with an event is not the model's
    assert (kinds[0], kinds[-1], kinds.count("content-block-delta")) == ("message-start", "message-finish", chunks)
    assert str(stream.text) == "one two"
    (told,) = spans
    check_streamed(told, chunks)


async def test_a_model_asked_asynchronously_tells_the_same(spans):
    before = get_context()
    stream = await model("one two").astream_events("Hi", version="v3")
    assert "".join([text async for text in stream.text]) == "one two"
    assert get_context() == before
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})  # LangChain's, which tells the end
    (told,) = spans
    check_streamed(told, 3)


@pytest.mark.parametrize("asked", [model, lambda _: Native(messages=iter([]))])
def test_a_stream_that_is_dropped_is_abandoned_though_langchain_does_not_say_so(spans, watched, asked):
    stream = asked("one two").stream_events("Hi", version="v3")
    assert next(iter(stream.text)) == "one"
    assert len(watched.runs) == 1
    del stream
    gc.collect()
    (told,) = spans
    assert (told.outcome, told.status, told.chunk_count) == ("abandoned", "unset", 1)
    assert texts(told) == [[{"type": "text", "content": "one"}]]


async def test_an_asynchronous_stream_that_is_closed_is_cancelled_with_what_there_was(spans):
    stream = await Slow(messages=iter([]), begun=asyncio.Event()).astream_events("Hi", version="v3")
    assert await anext(aiter(stream.text)) == "one"
    await stream.aclose()
    (told,) = spans
    assert (told.outcome, texts(told)) == ("cancelled", [[{"type": "text", "content": "one"}]])


def test_a_stream_that_fails_is_an_error(spans):
    class Broken(GenericFakeChatModel):
        def _stream(self, *args, **kwargs):
            yield from super()._stream(*args, **kwargs)
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(Broken(messages=iter(["one two"])).stream_events("Hi", version="v3"))
    (told,) = spans
    assert (told.outcome, told.error.message) == ("error", "no more")
    assert texts(told) == [[{"type": "text", "content": "one two"}]]


def test_a_graph_is_the_same_tree(spans):
    stream = talker("one two").stream_events(SAID, version="v3")
    assert stream.output["messages"][-1].text == "one two"
    assert tree(spans) == GRAPH
    check_streamed(spans.one("Model"), 3)


async def test_a_graph_run_asynchronously_is_the_same_tree(spans):
    stream = await talker("one two").astream_events(SAID, version="v3")
    assert len([event async for event in stream]) > 3
    assert tree(spans) == GRAPH
    check_streamed(spans.one("Model"), 3)


def test_a_graph_whose_stream_is_dropped_is_abandoned(spans):
    stream = talker("one two").stream_events(SAID, version="v3")
    next(iter(stream))
    del stream
    gc.collect()
    (root,) = spans.roots()
    assert (root.name, root.outcome) == ("talker", "abandoned")


async def test_a_graph_that_is_aborted_is_abandoned(spans):
    stream = await talker("one two").astream_events(SAID, version="v3")
    await anext(aiter(stream))
    await stream.abort()
    (root,) = spans.roots()
    assert (root.name, root.outcome) == ("talker", "abandoned")
