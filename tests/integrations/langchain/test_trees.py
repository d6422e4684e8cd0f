"""Which spans a chain makes, and who is below whom: in every way of calling it."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import callspan
from callspan.recording.otel import get_context
from langchain_chains import in_threads, model, naming, tree

NAMING = """\
chain RunnableSequence
  chain/prompt ChatPromptTemplate
  llm Model
  chain/parser StrOutputParser"""


def invoke(chain):
    return chain.invoke({"thing": "sock"})


def stream(chain):
    return "".join(chain.stream({"thing": "sock"}))


def batch(chain):
    return chain.batch([{"thing": "sock"}])[0]


def ainvoke(chain):
    return asyncio.run(chain.ainvoke({"thing": "sock"}))


def astream(chain):
    async def read():
        return "".join([piece async for piece in chain.astream({"thing": "sock"})])

    return asyncio.run(read())


def abatch(chain):
    return asyncio.run(chain.abatch([{"thing": "sock"}]))[0]


def events(version):
    async def read(chain):
        found = [event async for event in chain.astream_events({"thing": "sock"}, version=version)]
        return "".join(event["data"]["chunk"] for event in found if event["event"] == "on_parser_stream")

    return lambda chain: asyncio.run(read(chain))


WAYS = [invoke, stream, batch, ainvoke, astream, abatch, events("v1"), events("v2")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:astream_events:DeprecationWarning")  # its first version, which still runs
def test_a_chain_is_the_same_tree_in_every_way_of_calling_it(spans, way):
    before = get_context()
    assert way(naming()) == "Sock & Co"
    assert tree(spans) == NAMING
    assert get_context() == before


def test_a_chain_ends_with_what_it_said_and_began_with_what_it_was_given(spans):
    invoke(naming())
    root = spans.one("RunnableSequence")
    assert root.input == {"thing": "sock"}
    assert root.output == "Sock & Co"
    prompt = spans.one("ChatPromptTemplate")
    assert prompt.output == [{"type": "human", "content": "Name a sock."}]
    assert spans.one("StrOutputParser").input == {"type": "ai", "content": "Sock & Co"}


def test_what_steps_hand_on_is_recorded_as_it_was_then(spans):
    given = {"thing": "sock", "more": ["red"]}

    def look(values):
        values["thing"] = "shoe"
        values["more"].append("blue")
        return values

    def shout(text):
        return {"said": text, "count": 2}

    def drop(values):
        values.clear()
        return "gone"

    chain = RunnableLambda(look) | naming("A text.") | shout | drop
    assert chain.invoke(given) == "gone"
    found = {span.name: (span.input, span.output) for span in spans}
    assert found["RunnableSequence"] == ({"thing": "sock", "more": ["red"]}, "gone")
    assert found["look"][0] == {"thing": "sock", "more": ["red"]}
    assert found["ChatPromptTemplate"][0] == {"thing": "shoe", "more": ["red", "blue"]}
    assert found["StrOutputParser"][1] == "A text."
    assert found["shout"] == ("A text.", {"said": "A text.", "count": 2})
    assert found["drop"] == ({"said": "A text.", "count": 2}, "gone")
    assert type(found["shout"][0]) is type(found["shout"][1]["said"]) is str


def test_a_stream_tells_its_inputs_at_the_end(spans):
    stream(naming())
    assert spans.one("RunnableSequence").input == {"thing": "sock"}


def test_steps_branches_and_parallel_steps_have_their_place(spans):
    chain = RunnablePassthrough() | RunnableParallel(
        up=RunnableLambda(str.upper, name="up"), down=RunnableLambda(str.lower, name="down")
    )
    assert chain.invoke("Aa") == {"up": "AA", "down": "aa"}
    lines = tree(spans).splitlines()
    assert lines[:3] == [
        "chain RunnableSequence",
        "  chain/step RunnablePassthrough",
        "  chain/step RunnableParallel<up,down>",
    ]
    assert sorted(lines[3:]) == ["    chain/step down", "    chain/step up"]


def test_users_spans_and_those_of_opentelemetry_nest_under_the_run_they_are_in(spans):
    seen = {}

    def body(text):
        seen["current"] = callspan.current_span()
        seen["otel"] = trace.get_current_span()
        with callspan.span("mine"):
            naming().invoke({"thing": text})
        return text

    (RunnableLambda(body, name="body") | RunnableLambda(str.upper, name="up")).invoke("sock")
    assert seen["current"].name == "body"
    assert seen["otel"] is seen["current"]
    assert (
        tree(spans)
        == """\
chain RunnableSequence
  chain/step body
    chain mine
      chain RunnableSequence
        chain/prompt ChatPromptTemplate
        llm Model
        chain/parser StrOutputParser
  chain/step up"""
    )


@pytest.mark.parametrize("way", WAYS[:6])
def test_what_runs_inside_a_model_is_below_the_model(spans, way):
    class Asking(type(model())):
        def _generate(self, *args, **kwargs):
            with callspan.span("request"):
                return super()._generate(*args, **kwargs)  # which is what its stream calls too

    asking = Asking(messages=iter(["Hi"]))
    way(RunnableLambda(lambda _: "hello") | asking | RunnableLambda(lambda message: message.content))
    request = spans.one("request")
    assert request.parent_id == spans.one("Asking").span_id


def test_a_model_alone_is_a_root_and_is_current_for_its_own_call_only(spans):
    before = get_context()
    names = []
    for piece in model("one two").stream("Hi"):
        names.append(callspan.current_span().name)
        assert piece.content in ("one", " ", "two", "")
    assert set(names) == {""}
    asyncio.run(model("hello").ainvoke("Hi"))
    assert get_context() is before
    assert tree(spans) == "llm Model\nllm Model"


async def test_an_asynchronous_model_leaves_nothing_in_the_callers_context(spans):
    before = trace.get_current_span()
    await model("hello").ainvoke("Hi")
    assert trace.get_current_span() is before
    async for _ in model("one two").astream("Hi"):
        assert trace.get_current_span() is before
    assert trace.get_current_span() is before
    assert tree(spans) == "llm Model\nllm Model"


def test_a_consumer_of_a_stream_is_not_inside_the_chain(spans):
    for _ in naming("one two three").stream({"thing": "sock"}):
        assert callspan.current_span().name == ""
        with callspan.span("consumer"):
            pass
    assert {line for line in tree(spans).splitlines() if "consumer" in line} == {"chain consumer"}


def test_several_prompts_at_once_are_a_span_each(spans):
    current = []

    class Watching(type(model())):
        def _generate(self, *args, **kwargs):
            current.append(callspan.current_span())
            return super()._generate(*args, **kwargs)

    Watching(messages=iter(["a", "b"])).generate([[HumanMessage("1")], [HumanMessage("2")]])
    assert tree(spans) == "llm Watching\nllm Watching"
    assert [span.span_id for span in current] != [current[0].span_id] * 2
    assert sorted(span.output_messages[0]["parts"][0]["content"] for span in spans) == ["a", "b"]


def test_a_chain_is_below_the_span_around_it_whoever_made_that(spans):
    with callspan.span("mine"):
        naming().invoke({"thing": "sock"})
    foreign = SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(foreign)):
        naming().invoke({"thing": "sock"})
    mine, theirs = (span for span in spans if span.name == "RunnableSequence")
    assert mine.parent_id == spans.one("mine").span_id
    assert (theirs.trace_id, theirs.parent_id) == (f"{7:032x}", f"{9:016x}")


def test_a_run_whose_context_was_lost_is_found_by_its_parents_id(spans):
    inner = naming()

    def body(_, config):
        in_threads(1, lambda _: inner.invoke({"thing": "sock"}, config))  # a thread of its own knows no context

    RunnableLambda(body, name="body").invoke("x")
    below = "\n".join(f"  {line}" for line in NAMING.splitlines())
    assert tree(spans) == f"chain body\n{below}"


def test_a_tool_tells_arguments_call_and_result(spans):
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        with callspan.span("adding"):
            return a + b

    result = add.invoke({"type": "tool_call", "id": "call_1", "name": "add", "args": {"a": 1, "b": 2}})
    assert result.content == "3"
    assert tree(spans) == "tool add\n  chain adding"
    told = spans.one("add")
    assert told.input == {"a": 1, "b": 2}
    assert told.output == "3"
    assert (told.tool.name, told.tool.description, told.tool.call_id) == ("add", "Add two numbers.", "call_1")


def test_nothing_is_recorded_while_suppressed_or_below_an_unsampled_root(spans):
    with callspan.suppress():
        naming().invoke({"thing": "sock"})
    assert list(spans) == []


def test_spans_are_off_while_callspan_is_off():
    assert naming().invoke({"thing": "sock"}) == "Sock & Co"


def test_what_langchain_hides_is_no_span_and_what_is_below_goes_up(spans, watched):
    naming().invoke({"thing": "sock"})  # the handler is made with the first run
    spans.clear()
    handler = watched._handler
    handler.on_chain_start(None, "x", run_id=1, name="graph")
    handler.on_chain_start(None, "x", run_id=2, parent_run_id=1, name="__start__", tags=["langsmith:hidden"])
    handler.on_chain_start(None, "x", run_id=3, parent_run_id=2, name="node")
    for run_id in (3, 2, 1):
        handler.on_chain_end("y", run_id=run_id)
    assert tree(spans) == "chain graph\n  chain node"
