"""A handler of the user's that raises, as one that guards a budget does: what it keeps from us is told all the same."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from langchain_chains import model, naming, tree

USED = AIMessage("Two.", usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})


class OverBudgetError(Exception):
    """What the handlers here raise."""


class AtTheEnd(BaseCallbackHandler):
    raise_error = True

    def on_llm_end(self, *_, **__):
        raise OverBudgetError("spent")


class AtTheEndLater(AsyncCallbackHandler):
    raise_error = True

    async def on_llm_end(self, *_, **__):
        raise OverBudgetError("spent")


class AtTheStart(BaseCallbackHandler):
    raise_error = True

    def on_chat_model_start(self, *_, **__):
        raise OverBudgetError("spent")


class AtTheStartLater(AsyncCallbackHandler):
    raise_error = True

    async def on_chat_model_start(self, *_, **__):
        raise OverBudgetError("spent")

    async def on_chain_start(self, *_, **__):
        raise OverBudgetError("spent")

    async def on_tool_start(self, *_, **__):
        raise OverBudgetError("spent")


def test_an_answer_is_told_though_a_handler_raises_when_it_comes(spans):
    with pytest.raises(OverBudgetError):
        model(USED).invoke("1+1?", {"callbacks": [AtTheEnd()]})
    (told,) = spans
    assert (told.outcome, told.usage.input_tokens, told.usage.output_tokens) == ("ok", 7, 2)
    assert told.output_messages[0]["parts"] == [{"type": "text", "content": "Two."}]


def test_the_end_of_a_stream_is_told_though_a_handler_raises(spans):
    with pytest.raises(OverBudgetError):
        list(model("one two").stream("1+1?", {"callbacks": [AtTheEnd()]}))
    (told,) = spans
    assert told.outcome == "ok"
    assert told.output_messages[0]["parts"] == [{"type": "text", "content": "one two"}]


async def test_an_answer_is_told_in_asynchronous_calls_too(spans):
    first = AtTheEnd()
    first.run_inline = True  # so it comes before us
    for handler in (first, AtTheEnd(), AtTheEndLater()):
        with pytest.raises(OverBudgetError):
            await model(USED).ainvoke("1+1?", {"callbacks": [handler]})
    assert [(told.outcome, told.usage.input_tokens) for told in spans] == [("ok", 7)] * 3


def test_a_model_whose_own_handler_lets_it_not_start_fails(spans):
    chain = naming()
    chain.steps[1].callbacks = [AtTheStart()]
    with pytest.raises(OverBudgetError):
        chain.invoke({"thing": "sock"})
    assert tree(spans) == ("chain RunnableSequence [error]\n  chain/prompt ChatPromptTemplate\n  llm Model [error]")
    assert spans.one("Model").error.message == "spent"


@tool
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def test_whatever_an_asynchronous_handler_lets_not_start_fails(spans):
    told = {"callbacks": [AtTheStartLater()]}
    for calling in (
        model(USED).ainvoke("1+1?", told),
        naming().ainvoke({"thing": "sock"}, told),
        double.ainvoke({"number": 1}, told),
    ):
        with pytest.raises(OverBudgetError):
            await calling
    assert tree(spans) == "llm Model [error]\nchain RunnableSequence [error]\ntool double [error]"


async def test_a_call_that_is_cancelled_while_a_handler_keeps_it_waiting_is_cancelled(spans):
    class Slow(AsyncCallbackHandler):
        async def on_chat_model_start(self, *_, **__):
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    calling = asyncio.ensure_future(model(USED).ainvoke("1+1?", {"callbacks": [Slow()]}))
    await begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert tree(spans) == "llm Model [cancelled]"
