"""Attaching and detaching, conversations, and what stays bounded."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading

import pytest
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import Dispatcher
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer

import callspan
from callspan.guard import guard
from callspan.integrations.llama_index.attach import LLAMA_INDEX
from callspan.integrations.llama_index.frames import Frames
from callspan.recording.otel import get_context, set_context
from callspan.testing import capture
from llama_models import Told, index, model

HELLO = [ChatMessage(role="user", content="Hello")]
ROOT = get_dispatcher()


def handlers():
    return [*ROOT.span_handlers], [*ROOT.event_handlers]


def test_detaching_leaves_everything_as_it_was(watched):
    from llama_index.core.indices.base import BaseIndex
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    watched.undo()
    lists, before = (ROOT.span_handlers, ROOT.event_handlers), handlers()
    methods = vars(BaseIndex)["from_documents"], vars(BaseNodePostprocessor)["postprocess_nodes"]
    handle = callspan.instrument("llama-index")
    assert [len(after) - len(was) for after, was in zip(handlers(), before, strict=True)] == [1, 1]
    assert vars(BaseIndex)["from_documents"] is not methods[0]
    other = type(ROOT.span_handlers[0])()
    ROOT.add_span_handler(other)  # another tool, on top of us
    handle.undo()
    assert ROOT.span_handlers[-1] is other
    ROOT.span_handlers.pop()
    assert handlers() == before
    assert (ROOT.span_handlers, ROOT.event_handlers) == lists
    assert (vars(BaseIndex)["from_documents"], vars(BaseNodePostprocessor)["postprocess_nodes"]) == methods
    with capture() as spans:
        Told("Hi").chat(HELLO)
    assert spans == []


def test_twice_is_once(watched, spans):
    before = handlers()
    assert "already on: handlers on the root dispatcher, patched BaseIndex" in str(callspan.instrument("llama-index"))
    assert handlers() == before
    Told("Hi").chat(HELLO)
    assert len(spans) == 1


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": "tests"},
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_before_the_import():
    assert run("""
        import sys, callspan
        print(callspan.instrument("llama-index"))
        assert not [name for name in sys.modules if name.startswith("llama_index")]
        from callspan.testing import capture
        from llama_models import Told
        from llama_index.core.llms import ChatMessage
        print(str(callspan.instrument("llama-index"))[:50])
        with capture() as spans:
            Told("Hi").chat([ChatMessage(role="user", content="Hello")])
        print(spans.tree())
    """) == [
        "llama-index  to be watched when llama_index is imported",
        "llama-index  already on: handlers on the root disp",
        "llm Told.chat",
    ]


def test_taken_back_before_the_import():
    assert run("""
        import callspan
        callspan.instrument("llama-index").undo()
        from callspan.testing import capture
        from llama_models import Told
        from llama_index.core.llms import ChatMessage
        with capture() as spans:
            Told("Hi").chat([ChatMessage(role="user", content="Hello")])
        print(len(spans))
    """) == ["0"]


def test_off_is_off():
    Told("Hi").chat(HELLO)
    assert LLAMA_INDEX.tracker.frames.ids() == []


def test_suppressed(spans):
    with callspan.suppress():
        index().as_query_engine(llm=model()).query("What?")
    assert spans == []


def test_below_an_unsampled_root(monkeypatch):
    from callspan.capture import openers
    from callspan.recording.recorder import Recorder

    ended = []
    with openers.captured_by(Recorder(ended.append, bound=0)):
        index().as_query_engine(llm=model(), streaming=True).query("What?").get_response()
    assert ended == []


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_noted_and_changes_nothing(monkeypatch, spans):
    guard.strict = False
    before = get_context()

    def fail(*_):
        raise ZeroDivisionError

    for name in ("_enter", "_settle", "_settle_inside"):
        with monkeypatch.context() as patch:
            patch.setattr(LLAMA_INDEX.tracker, name, fail)
            assert Told("Hi").predict(__import__("llama_index.core").core.PromptTemplate("x")) == "Hi"
    assert guard.counts["entering a span of llama_index"] >= 1
    assert guard.counts["leaving a span of llama_index"] >= 1
    guard.counts.clear()
    gc.collect()
    set_context(before)  # what the calls that could not end have left


def test_odd_arguments_are_no_fault(spans):
    class Odd(Told):
        def chat(self, messages, **_):
            return self._next()

    class Refuses:
        def __getattribute__(self, name):
            raise RuntimeError(name)

    Odd("Hi").chat([Refuses()], extra=Refuses())
    Odd("Hi").chat("a text")
    Odd("Hi").chat(None)
    assert [span.outcome for span in spans] == ["ok"] * 3


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_spans_that_nobody_ends_are_bounded(spans):
    tracker, before = LLAMA_INDEX.tracker, get_context()
    was, tracker.frames = tracker.frames, Frames(kept=10)
    guard.strict = False
    try:
        for number in range(25):
            tracker.enter(f"Told.chat-{number:036d}", {"messages": HELLO}, Told(), None, None)
        assert len(tracker.frames) == 10
        assert [span.outcome for span in spans] == ["incomplete"] * 15
        for id_ in reversed(tracker.frames.ids()):
            tracker.drop(id_, KeyError("k"))
    finally:
        tracker.frames = was
    assert guard.counts.pop("span of llama_index evicted") == 15
    assert len(spans) == 25
    set_context(before)


def test_the_dispatcher_shuts_down(spans):
    if not hasattr(Dispatcher, "shutdown"):
        pytest.skip("not in this version")
    stream = Told("Hey").stream_chat(HELLO)
    next(stream)
    ROOT.shutdown()
    assert [piece.delta for piece in stream] == ["e", "y"]
    assert len(spans) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle():
    assert run("""
        import os, callspan
        callspan.instrument("llama-index")
        from callspan.testing import capture
        from llama_models import index, model
        asked = index().as_query_engine(llm=model(), streaming=True)
        with capture() as spans:
            response = asked.query("What?")
            pid = os.fork()
            if not pid:
                spans.clear()
                list(response.response_gen)
                asked.query("And?").get_response()
                os._exit(len(spans.roots()) + len(spans))
            _, status = os.waitpid(pid, 0)
            list(response.response_gen)
        print(os.waitstatus_to_exitcode(status), len(spans.roots()), len(spans))
    """) == ["10 1 5"]


def test_threads_keep_their_trees_apart(spans):
    asked = index().as_query_engine(llm=model())
    spans.clear()
    threads = [threading.Thread(target=asked.query, args=(f"question {number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spans.roots()) == 20
    assert {len([span for span in spans if span.trace_id == root.trace_id]) for root in spans.roots()} == {5}


# -- conversations -----------------------------------------------------------------------------------------------------


def tagged(tags):
    from llama_index.core.instrumentation.dispatcher import instrument_tags

    return instrument_tags(tags)


@pytest.mark.parametrize("name", ["conversation_id", "session_id", "thread_id"])
def test_tags_name_the_conversation(spans, name):
    asked = index().as_query_engine(llm=model())
    spans.clear()
    for _ in range(2):
        with tagged({name: "c-1", "user_id": "u-1", "team": "shop"}):
            asked.query("What?")
    assert {(span.conversation_id, span.user_id) for span in spans} == {("c-1", "u-1")}
    assert [span.step for span in spans] == [1] * 5 + [2] * 5
    assert spans[0].metadata == {"team": "shop"}


def test_callspans_own_conversation_stands_where_tags_say_nothing(spans):
    with callspan.conversation("c-1"), tagged({"team": "shop"}):
        Told("Hi").chat(HELLO)
    assert (spans[0].conversation_id, spans[0].step) == ("c-1", 1)


def test_the_memory_of_a_chat_names_the_conversation(spans):
    memory = ChatMemoryBuffer.from_defaults(chat_store_key="u-1/c-7")
    chat = SimpleChatEngine.from_defaults(llm=model(), memory=memory)
    chat.chat("Hello")
    chat.chat("Again")
    assert {span.conversation_id for span in spans} == {"u-1/c-7"}
    assert [span.step for span in spans.roots()] == [1, 2]
    with callspan.conversation("mine"):
        chat.chat("And now?")
    assert spans[-1].conversation_id == "mine"


def test_a_memory_without_a_name_names_nothing(spans):
    SimpleChatEngine.from_defaults(llm=model(), memory=ChatMemoryBuffer.from_defaults()).chat("Hello")
    assert spans[-1].conversation_id is None
