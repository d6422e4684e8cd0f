"""LangGraph: graphs, nodes and steps, branches, subgraphs, interrupts and commands; and the agents built of them."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest

pytest.importorskip("langgraph")
pytest.importorskip("langgraph.types")

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

import callspan
from callspan.recording.otel import get_context
from langchain_chains import model, tree


class State(TypedDict):
    said: Annotated[list, operator.add]


def say(word):
    return lambda _: {"said": [word]}


def graph(nodes, edges, checkpointer=None, **branches):
    made = StateGraph(State)
    for name, action in nodes.items():
        made.add_node(name, action)
    for first, second in edges:
        made.add_edge(first, second)
    for name, choose in branches.items():
        made.add_conditional_edges(name, choose)
    return made.compile(checkpointer=checkpointer)


def lines(spans):
    """Return the tree, with the order of what ran side by side made the same every time."""
    return sorted(tree(spans).splitlines())


def two_nodes():
    return graph({"a": say("a"), "b": say("b")}, [(START, "a"), ("a", "b")])


TWO = """\
chain/graph LangGraph
  chain/node a
  chain/node b"""


def stream(made, given):
    return list(made.stream(given, stream_mode="values"))[-1]


def ainvoke(made, given):
    return asyncio.run(made.ainvoke(given))


def astream(made, given):
    async def read():
        return [state async for state in made.astream(given, stream_mode="values")][-1]

    return asyncio.run(read())


@pytest.mark.parametrize("way", [lambda made, given: made.invoke(given), stream, ainvoke, astream])
def test_a_graph_its_nodes_and_steps(spans, way):
    before = get_context()
    assert way(two_nodes(), {"said": []}) == {"said": ["a", "b"]}
    assert tree(spans) == TWO
    steps = {name: spans.one(name).attributes for name in "ab"}
    assert steps == {
        "a": {"langgraph.node": "a", "langgraph.step": 1},
        "b": {"langgraph.node": "b", "langgraph.step": 2},
    }
    assert get_context() == before


def test_what_a_node_does_is_below_the_node(spans):
    def work(_):
        with callspan.span("mine"):
            return {"said": [model("Hi").invoke("x").content]}

    graph({"work": work}, [(START, "work")]).invoke({"said": []})
    assert tree(spans) == "chain/graph LangGraph\n  chain/node work\n    chain mine\n      llm Model"


def test_branches_that_run_side_by_side(spans):
    made = graph({"a": say("a"), "b": say("b"), "c": say("c")}, [(START, "a"), (START, "b"), ("a", "c"), ("b", "c")])
    made.invoke({"said": []})
    assert lines(spans) == ["  chain/node a", "  chain/node b", "  chain/node c", "chain/graph LangGraph"]
    assert {spans.one(name).attributes["langgraph.step"] for name in "ab"} == {1}


def test_a_graph_within_a_graph(spans):
    inner = graph({"deep": say("deep")}, [(START, "deep")])
    graph({"outer": inner}, [(START, "outer")]).invoke({"said": []})
    assert (
        tree(spans)
        == """\
chain/graph LangGraph
  chain/node outer
    chain/graph LangGraph
      chain/node deep"""
    )


def test_a_choice_of_the_way(spans):
    graph({"a": say("a"), "b": say("b")}, [(START, "a")], a=lambda _: "b").invoke({"said": []})
    assert [line.strip() for line in tree(spans).splitlines() if "node" in line] == ["chain/node a", "chain/node b"]


def test_an_interrupt_is_no_error_and_the_thread_is_the_conversation(spans):
    def ask(_):
        return {"said": [interrupt("really?")]}

    made = graph({"ask": ask}, [(START, "ask")], checkpointer=MemorySaver())
    config = {"configurable": {"thread_id": "t-1"}}
    made.invoke({"said": []}, config)
    made.invoke(Command(resume="yes"), config)
    first, second = (span for span in spans if span.name == "ask")
    assert (first.outcome, first.status, first.error) == ("ok", "unset", None)
    assert [(event.name, event.attributes["value"]) for event in first.events] == [("interrupt", "really?")]
    assert second.output == {"said": ["yes"]}
    assert [(span.conversation_id, span.step) for span in spans.roots()] == [("t-1", 1), ("t-1", 2)]
    assert spans.roots()[1].input == {"resume": "yes"}


def test_a_command_is_told_as_what_it_says(spans):
    def go(_):
        return Command(update={"said": ["go"]}, goto="b")

    graph({"go": go, "b": say("b")}, [(START, "go")]).invoke({"said": []})
    assert spans.one("go").output == {"update": {"said": ["go"]}, "goto": "b"}


def test_a_command_to_the_graph_around_is_no_error(spans):
    def leave(_):
        return Command(update={"said": ["left"]}, goto="after", graph=Command.PARENT)

    inner = graph({"leave": leave}, [(START, "leave")])
    made = StateGraph(State)
    made.add_node("inner", inner, destinations=("after",)) if "destinations" in _parameters() else made.add_node(
        "inner", inner
    )
    made.add_node("after", say("after"))
    made.add_edge(START, "inner")
    assert made.compile().invoke({"said": []}) == {"said": ["left", "after"]}
    assert {span.outcome for span in spans} == {"ok"}


def _parameters():
    import inspect

    return inspect.signature(StateGraph.add_node).parameters


def test_an_error_in_a_node_is_an_error(spans):
    def fail(_):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        graph({"fail": fail}, [(START, "fail")]).invoke({"said": []})
    assert {span.name: span.outcome for span in spans} == {"fail": "error", "LangGraph": "error"}


def test_a_graph_whose_stream_is_dropped_is_abandoned(spans):
    states = two_nodes().stream({"said": []})
    next(states)
    states.close()
    assert spans.one("LangGraph").outcome == "abandoned"


# -- agents ------------------------------------------------------------------------------------------------------------


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def answers():
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call_1"}
    return AIMessage("", tool_calls=[call]), "Three."


AGENT = """\
agent/graph {}
  chain/node model
    llm Model
  chain/node tools
    tool add
  chain/node model
    llm Model"""


def agent(**more):
    agents = pytest.importorskip("langchain.agents")
    if not hasattr(agents, "create_agent"):
        pytest.skip("an older langchain")
    return agents.create_agent(model(*answers()), [add], **more)


@pytest.mark.parametrize("name", ["sum", None])
def test_an_agent_is_known_by_langchains_metadata(spans, name):
    result = agent(name=name).invoke({"messages": [HumanMessage("1+2?")]}, {"metadata": {"thread_id": "t-1"}})
    assert result["messages"][-1].content == "Three."
    root = name or "LangGraph"
    assert tree(spans) == AGENT.format(root)
    assert spans.one(root).agent_name == root
    assert spans.one("add").tool.call_id == "call_1"
    assert {span.conversation_id for span in spans} == {"t-1"}


def test_what_is_called_an_agent_is_none(spans):
    graph({"user_agent_string": say("x")}, [(START, "user_agent_string")]).invoke({"said": []})
    assert {span.kind for span in spans} == {"chain"}


def test_an_agent_within_an_agent(spans):
    inner = agent(name="inner")

    @tool
    def ask_inner(question: str) -> str:
        """Ask somebody else."""
        return inner.invoke({"messages": [HumanMessage(question)]})["messages"][-1].content

    from langchain.agents import create_agent

    call = {"name": "ask_inner", "args": {"question": "1+2?"}, "id": "call_9"}
    outer = create_agent(model(AIMessage("", tool_calls=[call]), "Three, I hear."), [ask_inner], name="outer")
    outer.invoke({"messages": [HumanMessage("1+2?")]})
    agents = [line for line in tree(spans).splitlines() if "agent/" in line]
    assert agents == ["agent/graph outer", "      agent/graph inner"]
