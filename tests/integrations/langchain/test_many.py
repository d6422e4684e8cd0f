"""Many chains at once: every span under its own root, none lost, none under somebody else's."""

from __future__ import annotations

import asyncio
from collections import Counter

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

import callspan
from langchain_chains import in_threads


class Echo(GenericFakeChatModel):
    """Answers with what it was asked, after having let others go first."""

    def _generate(self, messages, *_, **__):
        with callspan.span("request", input=messages[-1].content):
            return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].content))])

    async def _agenerate(self, messages, *_, **__):
        with callspan.span("request", input=messages[-1].content):
            await asyncio.sleep(0)
            return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].content))])


CHAIN = (
    RunnableLambda(lambda text: {"text": text}, name="wrap")
    | ChatPromptTemplate.from_template("{text}")
    | Echo(messages=iter([]))
    | StrOutputParser()
)
NAMES = ["RunnableSequence", "wrap", "ChatPromptTemplate", "Echo", "request", "StrOutputParser"]


def check(spans, texts):
    assert Counter(span.name for span in spans) == Counter(NAMES * len(texts))
    roots = spans.roots()
    assert sorted(root.input for root in roots) == sorted(texts)
    for root in roots:
        members = [span for span in spans if span.trace_id == root.trace_id]
        assert sorted(span.name for span in members) == sorted(NAMES)
        by_name = {span.name: span for span in members}
        assert by_name["request"].input == root.input == root.output
        assert by_name["request"].parent_id == by_name["Echo"].span_id
        for name in ("wrap", "ChatPromptTemplate", "Echo", "StrOutputParser"):
            assert by_name[name].parent_id == root.span_id


async def test_two_hundred_asynchronous_chains_at_once(spans):
    texts = [f"text {number}" for number in range(200)]
    assert await asyncio.gather(*(CHAIN.ainvoke(text) for text in texts)) == texts
    check(spans, texts)


async def test_two_hundred_asynchronous_streams_at_once(spans):
    async def read(text):
        return "".join([piece async for piece in CHAIN.astream(text)])

    texts = [f"text{number}" for number in range(200)]
    assert await asyncio.gather(*map(read, texts)) == texts
    check(spans, texts)


def test_thirty_two_threads_at_once(spans):
    def work(number):
        for turn in range(5):
            assert CHAIN.invoke(f"text {number} {turn}") == f"text {number} {turn}"

    in_threads(32, work)
    check(spans, [f"text {number} {turn}" for number in range(32) for turn in range(5)])


def test_a_batch_in_langchains_own_threads(spans):
    texts = [f"text {number}" for number in range(50)]
    assert CHAIN.batch(texts) == texts
    check(spans, texts)
