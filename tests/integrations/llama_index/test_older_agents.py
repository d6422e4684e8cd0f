"""Agents as they were before they became workflows, which cores up to 0.12 have."""

from __future__ import annotations

import pytest

from llama_models import Told, call

agents = pytest.importorskip("llama_index.core.agent")
if not hasattr(agents.ReActAgent, "from_tools"):
    pytest.skip("agents are workflows here", allow_module_level=True)
from llama_index.core.tools import FunctionTool  # noqa: E402

THOUGHT = 'Thought: I need a tool.\nAction: add\nAction Input: {"a": 1, "b": 2}'


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


TOOL = FunctionTool.from_defaults(add)


def react() -> agents.ReActAgent:
    return agents.ReActAgent.from_tools([TOOL], llm=Told(THOUGHT, "Thought: I can answer.\nAnswer: It is 3."))


def test_a_react_agent(spans):
    assert str(react().chat("1+2?")) == "It is 3."
    assert spans.tree() == "agent ReActAgent.chat\n  llm Told.chat\n  tool add\n  llm Told.chat"
    root = spans.one("ReActAgent.chat")
    assert (root.input, root.output) == ("1+2?", "It is 3.")
    assert (spans.one("add").input, spans.one("add").output) == ({"a": 1, "b": 2}, "3")


async def test_a_react_agent_that_is_awaited(spans):
    assert str(await react().achat("1+2?")) == "It is 3."
    assert spans.tree() == "agent ReActAgent.achat\n  llm Told.achat\n  tool add\n  llm Told.achat"


def test_an_agent_that_calls_functions(spans):
    agent = agents.FunctionCallingAgent.from_tools([TOOL], llm=Told(call("add", a=1, b=2), "It is 3."))
    assert str(agent.chat("1+2?")) == "It is 3."
    assert spans.tree() == "agent FunctionCallingAgent.chat\n  llm Told.chat\n  tool add\n  llm Told.chat"
    assert [span.usage.total_tokens for span in spans if span.kind == "llm"] == [12, 12]


def test_an_agent_whose_model_fails(spans):
    agent = agents.ReActAgent.from_tools([TOOL], llm=Told(ValueError("no model")))
    with pytest.raises(ValueError, match="no model"):
        agent.chat("1+2?")
    assert [(span.kind, span.outcome) for span in spans] == [("llm", "error"), ("agent", "error")]
