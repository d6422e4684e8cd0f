"""However a run ends, one span ends with it, says how, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

import callspan
from callspan.guard import guard
from callspan.integrations.langchain.runs import Runs
from callspan.reading import load
from callspan.recording.otel import get_context
from langchain_chains import Slow, model, naming, tree
from programs import run


class Broken(GenericFakeChatModel):
    """Fails at once, or after a piece."""

    def _generate(self, *_, **__):
        raise ValueError("no answer")

    def _stream(self, *args, **kwargs):
        yield next(super()._stream(*args, **kwargs))
        raise ValueError("no more")


def outcomes(spans):
    return {span.name: span.outcome for span in spans}


def test_an_error_is_told_on_every_span_it_passes(spans):
    chain = ChatPromptTemplate.from_template("Name a {thing}.") | Broken(messages=iter([]))
    with pytest.raises(ValueError, match="no answer"):
        chain.invoke({"thing": "sock"})
    assert outcomes(spans) == {"ChatPromptTemplate": "ok", "Broken": "error", "RunnableSequence": "error"}
    assert spans.one("Broken").error.message == "no answer"
    assert spans.one("RunnableSequence").error.type == "ValueError"


async def test_an_error_is_told_in_asynchronous_calls_too(spans):
    chain = ChatPromptTemplate.from_template("Name a {thing}.") | Broken(messages=iter([]))
    with pytest.raises(ValueError, match="no answer"):
        await chain.ainvoke({"thing": "sock"})
    assert outcomes(spans) == {"ChatPromptTemplate": "ok", "Broken": "error", "RunnableSequence": "error"}


def test_a_stream_that_fails_keeps_what_there_was(spans):
    class Half(GenericFakeChatModel):
        def _stream(self, *args, **kwargs):
            yield from super()._stream(*args, **kwargs)
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(Half(messages=iter(["one two"])).stream("Hi"))
    told = spans.one("Half")
    assert told.outcome == "error"
    assert told.output_messages[0]["parts"] == [{"type": "text", "content": "one two"}]


def test_a_stream_that_is_dropped_is_abandoned_and_keeps_what_there_was(spans):
    stream = model("one two three").stream("Hi")
    assert next(stream).content == "one"
    stream.close()
    told = spans.one("Model")
    assert (told.outcome, told.status) == ("abandoned", "unset")
    assert told.output_messages[0]["parts"] == [{"type": "text", "content": "one"}]
    assert told.chunk_count == 1


def test_a_chain_whose_stream_is_dropped_is_abandoned_though_langchain_calls_it_a_success(spans):
    before = get_context()
    stream = naming("one two three").stream({"thing": "sock"})
    assert next(stream) == "one"
    del stream
    gc.collect()
    assert outcomes(spans) == {
        "ChatPromptTemplate": "ok",
        "Model": "abandoned",
        "StrOutputParser": "abandoned",
        "RunnableSequence": "abandoned",
    }
    assert get_context() == before


def test_a_chain_whose_stream_is_read_to_its_end_is_not(spans):
    assert "".join(naming("one two").stream({"thing": "sock"})) == "one two"
    assert set(outcomes(spans).values()) == {"ok"}


async def test_an_asynchronous_stream_that_is_dropped_is_abandoned(spans):
    stream = naming("one two three").astream({"thing": "sock"})
    assert await anext(stream) == "one"
    await stream.aclose()
    while len(spans) < 4:  # noqa: ASYNC110 - LangChain closes what is below in tasks of its own
        await asyncio.sleep(0)
    assert outcomes(spans)["Model"] == "abandoned"
    assert outcomes(spans)["RunnableSequence"] == "abandoned"


async def cancelled(start):
    """Cancel what `start(begun)` makes as soon as it has begun."""
    begun = asyncio.Event()
    task = asyncio.create_task(start(begun))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_model_ends(spans, watched):
    await cancelled(lambda begun: Slow(messages=iter([]), begun=begun).ainvoke("Hi"))
    assert outcomes(spans) == {"Slow": "cancelled"}
    assert len(watched.runs) == 0


async def test_a_cancelled_chain_ends_with_all_that_is_below(spans, watched):
    chain = ChatPromptTemplate.from_template("{thing}")

    async def start(begun):
        await (chain | Slow(messages=iter([]), begun=begun)).ainvoke({"thing": "sock"})

    await cancelled(start)
    assert outcomes(spans) == {"ChatPromptTemplate": "ok", "Slow": "cancelled", "RunnableSequence": "cancelled"}
    assert len(watched.runs) == 0


async def test_a_cancelled_stream_ends(spans, watched):
    async def start(begun):
        async for _ in Slow(messages=iter([]), begun=begun).astream("Hi"):
            pass

    await cancelled(start)
    assert outcomes(spans) == {"Slow": "cancelled"}


async def test_a_cancelled_tool_ends_though_langchain_does_not_say_so(spans, watched):
    begun = asyncio.Event()

    @tool
    async def wait(text: str) -> str:
        """Wait."""
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(wait.ainvoke({"text": "x"}))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcomes(spans) == {"wait": "cancelled"}
    assert len(watched.runs) == 0


class Waiting(BaseRetriever):
    """Waits for ever, or is interrupted."""

    begun: object = None

    def _get_relevant_documents(self, query, *, run_manager):
        raise KeyboardInterrupt

    async def _aget_relevant_documents(self, query, *, run_manager):
        self.begun.set()
        await asyncio.Event().wait()


async def test_a_cancelled_retriever_ends_though_langchain_does_not_say_so(spans, watched):
    before = get_context()
    await cancelled(lambda begun: Waiting(begun=begun).ainvoke("x"))
    assert outcomes(spans) == {"Waiting": "cancelled"}
    assert get_context() == before


def test_an_interrupted_retriever_ends(spans):
    before = get_context()
    with pytest.raises(KeyboardInterrupt):
        Waiting().invoke("x")
    assert outcomes(spans) == {"Waiting": "error"}
    assert get_context() is before


async def test_ten_thousand_cancelled_runs_leave_nothing_open(watched):
    ended = []

    class Exporter:
        name, local = "counting", True

        def export(self, batch):
            from callspan.exporters.contract import ExportResult

            ended.extend(span.outcome for span in batch.spans)
            return ExportResult(delivered=len(batch.spans))

        def close(self):
            pass

    callspan.configure(exporters=[Exporter()])
    for _ in range(100):
        waiting = [asyncio.Event() for _ in range(50)]
        tasks = [
            asyncio.create_task((RunnableLambda(str) | Slow(messages=iter([]), begun=begun)).ainvoke("x"))
            for begun in waiting
        ]
        for begun in waiting:
            await begun.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(watched.runs) == 0
    assert callspan.flush(timeout_s=30).ok
    assert (ended.count("cancelled"), ended.count("ok")) == (10_000, 5_000)


def test_runs_that_never_end_are_ended_as_incomplete(spans, monkeypatch):
    from callspan.integrations.langchain.attach import LANGCHAIN

    monkeypatch.setattr(LANGCHAIN.runs, "_limit", 3)
    handler = LANGCHAIN._handler or _handler()
    for number in range(5):
        handler.on_chain_start(None, {"n": number}, run_id=number, name=f"run {number}")
    assert outcomes(spans) == {"run 0": "incomplete", "run 1": "incomplete"}
    assert len(LANGCHAIN.runs) == 3
    for number in range(5):
        handler.on_chain_end("late", run_id=number)
    assert outcomes(spans)["run 4"] == "ok"
    assert guard.counts.pop("evicted a run of langchain") == 2


def _handler():
    from callspan.integrations.langchain.attach import LANGCHAIN

    naming().invoke({"thing": "sock"})
    return LANGCHAIN._handler


def test_runs_are_kept_for_many_threads_at_once():
    runs = Runs(limit=50)
    from callspan.integrations.langchain.request import CHAIN

    failed = []

    def work(number):
        try:
            for turn in range(200):
                run = runs.open(CHAIN, (number, turn), None, None, None)
                runs.start(run)
        except Exception as error:
            failed.append(error)

    from callspan.testing import capture

    with capture() as spans:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(runs) <= 50 + 8
    assert len(runs) + len(spans) == 1600
    guard.counts.clear()


def test_the_order_of_the_tree_survives_a_child_that_ends_after_its_parent(spans):
    handler = _handler()
    spans.clear()
    handler.on_chain_start(None, "a", run_id=1, name="parent")
    handler.on_chain_start(None, "b", run_id=2, parent_run_id=1, name="child")
    handler.on_chain_end("a", run_id=1)
    handler.on_chain_end("b", run_id=2)
    handler.on_chain_end("b", run_id=2)
    assert tree(spans) == "chain parent\n  chain child"


def test_a_run_that_is_open_at_exit_is_told_as_incomplete(tmp_path):
    run(
        """
        import threading
        import callspan
        from callspan.exporters import FileExporter
        from langchain_core.runnables import RunnableLambda

        begun = threading.Event()

        def wait(text):
            begun.set()
            threading.Event().wait()

        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        callspan.instrument("langchain")
        chain = RunnableLambda(str.upper, name="loud") | RunnableLambda(wait, name="waiting")
        threading.Thread(target=chain.invoke, args=("hi",), daemon=True).start()
        begun.wait()
        """,
        tmp_path,
    )
    told = {record.name: record for record in load(tmp_path / "spans.jsonl")}
    assert {name: record.outcome for name, record in told.items()} == {
        "loud": "ok",
        "waiting": "incomplete",
        "RunnableSequence": "incomplete",
    }
    root = told["RunnableSequence"]
    assert root.input == "hi"
    assert told["waiting"].parent_id == root.span_id
