"""Models, chains and ways to show what was recorded of them, for the tests of LangChain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompts import ChatPromptTemplate


class Model(GenericFakeChatModel):
    """Answers from a list; takes tools."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self.bind(tools=[{"type": "function", "function": {"name": tool.name}} for tool in tools])


def model(*answers: AIMessage | str) -> Model:
    """Make a model that gives these answers, one after the other."""
    return Model(messages=iter(answers))


def naming(*answers: AIMessage | str) -> Any:
    """Make the chain of the first page of every tutorial."""
    return ChatPromptTemplate.from_template("Name a {thing}.") | model(*answers or ("Sock & Co",)) | StrOutputParser()


class Slow(GenericFakeChatModel):
    """Says `begun`, and waits for ever where it is asked asynchronously."""

    begun: Any = None

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        self.begun.set()
        await asyncio.Event().wait()

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk("one"))
        self.begun.set()
        await asyncio.Event().wait()


def tree(spans: Any) -> str:
    """Return kinds, components and names as an indented text, one span a line; what is not ok says so."""
    lines: list[str] = []

    def tell(span: Any, depth: int) -> None:
        component = f"/{span.component}" if span.component else ""
        outcome = "" if span.outcome == "ok" else f" [{span.outcome}]"
        lines.append(f"{'  ' * depth}{span.kind}{component} {span.name}{outcome}")
        for child in spans.children(span):
            tell(child, depth + 1)

    for root in spans.roots():
        tell(root, 0)
    return "\n".join(lines)


def in_threads(count: int, work: Any) -> None:
    """Run `work(number)` in so many threads at once, and raise what any of them raised."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def pieces(chunks: Iterator[Any]) -> list[Any]:
    """Read a stream to its end."""
    return list(chunks)
