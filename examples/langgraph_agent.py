"""An agent of LangGraph's that asks for a tool, stops to be allowed to use it, and goes on: every step as a tree.

    pip install "callspan[demo]" langgraph langchain-openai
    python examples/langgraph_agent.py

With OPENAI_API_KEY set, the model is OpenAI's, or that of the server which OPENAI_BASE_URL names. Without a key the
small server in openai_server.py answers.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

import callspan
from callspan.cli import main as callspan_command
from openai_server import serve

PAGES = {page.name: page for page in sorted((Path(__file__).resolve().parent.parent / "docs").glob("*.md"))}


@tool
def count_words(page: str) -> str:
    """Count the words of a page of the documentation."""
    return f"{page} has {len(PAGES[page].read_text(encoding='utf-8').split())} words."


def make_agent(base_url: str | None, key: str) -> Any:
    """Make a graph of three nodes: the model, somebody who allows what it asks for, and the tools."""
    model = ChatOpenAI(model="gpt-4o-mini", base_url=base_url, api_key=key).bind_tools([count_words])

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    def allow(state: MessagesState) -> Command[str]:
        (call,) = state["messages"][-1].tool_calls
        answer = interrupt(f"May {call['name']} be called with {call['args']}?")
        return Command(goto="use" if answer == "yes" else END)

    def use(state: MessagesState) -> dict[str, Any]:
        return {"messages": [count_words.invoke(call) for call in state["messages"][-1].tool_calls]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("allow", allow)
    graph.add_node("use", use)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: "allow" if state["messages"][-1].tool_calls else END)
    graph.add_edge("use", "think")
    return graph.compile(checkpointer=MemorySaver()).with_config(run_name="assistant")


def main() -> None:
    callspan.configure(service_name="langgraph-agent")
    callspan.instrument("langchain", "openai")
    key = os.environ.get("OPENAI_API_KEY")
    with nullcontext(os.environ.get("OPENAI_BASE_URL")) if key else serve() as base_url:
        agent = make_agent(base_url, key or "none")
        config = {"configurable": {"thread_id": "thread-1"}}
        question = "How many words does the page privacy.md have?"
        print(f"> {question}")
        agent.invoke({"messages": [HumanMessage(question)]}, config)
        (stopped,) = agent.get_state(config).tasks
        print(f"? {stopped.interrupts[0].value}\n> yes")
        print(agent.invoke(Command(resume="yes"), config)["messages"][-1].content, "\n")
    callspan.flush()
    callspan_command(["view", ".callspan/spans.jsonl"])


if __name__ == "__main__":
    main()
