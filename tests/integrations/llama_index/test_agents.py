"""Agents and workflows: one tree per run, whatever tasks it runs in."""

from __future__ import annotations

import asyncio

import pytest

import callspan
from llama_models import Told, call

agents = pytest.importorskip("llama_index.core.agent.workflow")  # from 0.12.11 on
from llama_index.core.tools import FunctionTool  # noqa: E402


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


TOOL = FunctionTool.from_defaults(add)


async def test_a_function_agent(spans):
    agent = agents.FunctionAgent(name="calc", tools=[TOOL], llm=Told(call("add", a=1, b=2), "It is 3."))
    assert str(await agent.run("1+2?")) == "It is 3."
    assert spans.tree() == ("agent FunctionAgent.run\n  llm Told.astream_chat\n  tool add\n  llm Told.astream_chat")
    root = spans.one("FunctionAgent.run")
    assert (root.agent_name, root.input, root.output) == ("calc", "1+2?", "It is 3.")
    tool = spans.one("add")
    assert (tool.input, tool.output, tool.tool.call_id) == ({"a": 1, "b": 2}, "3", "call-1")
    assert [span.usage.total_tokens for span in spans if span.kind == "llm"] == [12, 12]


async def test_a_react_agent(spans):
    thought = 'Thought: I need a tool.\nAction: add\nAction Input: {"a": 1, "b": 2}'
    agent = agents.ReActAgent(name="calc", tools=[TOOL], llm=Told(thought, "Thought: I can answer.\nAnswer: It is 3."))
    await agent.run("1+2?")
    assert spans.tree() == ("agent ReActAgent.run\n  llm Told.astream_chat\n  tool add\n  llm Told.astream_chat")
    assert spans.one("ReActAgent.run").output == "It is 3."


async def test_agents_that_hand_over(spans):
    one = agents.FunctionAgent(
        name="one",
        description="Begins.",
        llm=Told(call("handoff", to_agent="two", reason="It knows.")),
        can_handoff_to=["two"],
        tools=[TOOL],
    )
    two = agents.FunctionAgent(name="two", description="Ends.", llm=Told("Done."), tools=[TOOL])
    with callspan.conversation("c-1"):
        await agents.AgentWorkflow(agents=[one, two], root_agent="one").run(user_msg="Go.")
    assert (
        spans.tree()
        == """
agent AgentWorkflow.run
  agent one
    llm Told.astream_chat
  tool handoff
  agent two
    llm Told.astream_chat
""".strip()
    )
    assert {(span.conversation_id, span.step) for span in spans} == {("c-1", 1)}
    assert "ctx" not in str(spans.one("handoff").input)
    assert [span.agent_name for span in spans if span.name in ("one", "two")] == ["one", "two"]
    assert spans.one("two").output == "Done."


async def test_an_agent_whose_model_fails(spans):
    agent = agents.FunctionAgent(tools=[TOOL], llm=Told(TimeoutError("too slow")))
    with pytest.raises(Exception, match="too slow"):
        await agent.run("1+2?")
    assert {span.outcome for span in spans} == {"error"}
    assert spans.tree().startswith("agent FunctionAgent.run [error]\n  llm Told.astream_chat [error]")


async def test_runs_at_the_same_time_are_trees_of_their_own(spans):
    async def run(number):
        agent = agents.FunctionAgent(
            name=f"calc-{number}", tools=[TOOL], llm=Told(call("add", a=number, b=0), str(number))
        )
        return await agent.run(f"{number}?")

    await asyncio.gather(*map(run, range(20)))
    assert len(spans.roots()) == 20
    for root in spans.roots():
        below = spans.children(root)
        assert [span.kind for span in below] == ["llm", "tool", "llm"]
        assert below[1].input["a"] == int(root.input.removesuffix("?"))


async def test_a_run_below_a_span_of_the_user(spans):
    agent = agents.FunctionAgent(tools=[TOOL], llm=Told("3"))
    with callspan.span("request"):
        await agent.run("1+2?")
        with callspan.span("after"):
            pass
    assert spans.tree() == "chain request\n  agent FunctionAgent.run\n    llm Told.astream_chat\n  chain after"


async def test_the_memory_of_a_run_names_the_conversation(spans):
    memory_module = pytest.importorskip("llama_index.core.memory")
    if not hasattr(memory_module, "Memory"):
        pytest.skip("no such memory yet")
    memory = memory_module.Memory.from_defaults(session_id="m-1")
    agent = agents.FunctionAgent(tools=[TOOL], llm=Told("a", "b"))
    await agent.run("1?", memory=memory)
    await agent.run("2?", memory=memory)
    assert {(span.conversation_id, span.step) for span in spans} == {("m-1", 1), ("m-1", 2)}
