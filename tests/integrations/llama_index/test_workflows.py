"""Workflows of the user: the run, its steps, and what they call."""

import asyncio

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step

import callspan
from llama_models import Told


class Drafted(Event):
    """A draft."""

    text: str


class Writer(Workflow):
    """Writes in two steps."""

    def __init__(self, llm, **options):
        super().__init__(**options)
        self.llm = llm

    @step
    async def draft(self, ev: StartEvent) -> Drafted:
        """Draft."""
        answer = await self.llm.achat([ChatMessage(role="user", content=ev.topic)])
        return Drafted(text=answer.message.content)

    @step
    async def polish(self, ev: Drafted) -> StopEvent:
        """Polish."""
        with callspan.span("by hand"):
            return StopEvent(result=ev.text.upper())


TREE = """
chain Writer.run
  chain Writer.draft
    llm Told.achat
  chain Writer.polish
    chain by hand
""".strip()


async def test_a_workflow(spans):
    assert await Writer(Told("socks")).run(topic="feet") == "SOCKS"
    assert spans.tree() == TREE
    root, drafted, polished = spans.one("Writer.run"), spans.one("Writer.draft"), spans.one("Writer.polish")
    assert [span.component for span in (root, drafted, polished)] == ["workflow", "step", "step"]
    assert (root.input, root.output) == ({"topic": "feet"}, "SOCKS")
    assert (drafted.input, drafted.output) == ({"topic": "feet"}, {"text": "socks"})
    assert (polished.input, polished.output) == ({"text": "socks"}, "SOCKS")


async def test_a_conversation_reaches_every_step(spans):
    with callspan.conversation("c-1", user_id="u-1"):
        await Writer(Told("socks")).run(topic="feet")
    assert {(span.conversation_id, span.step, span.user_id) for span in spans} == {("c-1", 1, "u-1")}


async def test_where_it_was_started_it_is_not_current(spans):
    handle = Writer(Told("socks")).run(topic="feet")
    with callspan.span("meanwhile"):
        await asyncio.sleep(0)
    await handle
    with callspan.span("after"):
        pass
    assert sorted(span.name for span in spans.roots()) == ["Writer.run", "after", "meanwhile"]


async def test_two_runs_at_once(spans):
    await asyncio.gather(Writer(Told("a")).run(topic="1"), Writer(Told("b")).run(topic="2"))
    assert spans.tree() == f"{TREE}\n{TREE}"


async def test_a_step_that_fails(spans):
    class Broken(Workflow):
        @step
        async def only(self, ev: StartEvent) -> StopEvent:
            raise KeyError("k")

    with pytest.raises(Exception):  # noqa: B017 - which one depends on the version
        await Broken().run()
    assert spans.tree() == "chain Broken.run [error]\n  chain Broken.only [error]"


async def test_a_run_that_is_cancelled(spans):
    started = asyncio.Event()

    class Slow(Workflow):
        @step
        async def only(self, ev: StartEvent) -> StopEvent:
            started.set()
            await asyncio.Event().wait()

    handle = Slow(timeout=None).run()
    await started.wait()
    await handle.cancel_run()
    with pytest.raises(BaseException):  # noqa: B017
        await handle
    for _ in range(20):
        await asyncio.sleep(0)
    root = spans.one("Slow.run")
    assert root.outcome in ("cancelled", "error")  # older ones raise an error of their own
    assert spans.one("Slow.only").outcome == "cancelled"
