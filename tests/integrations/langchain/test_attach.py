"""LangChain is as it was once we have gone, in whatever order things are imported, and nothing is imported by us."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

from langchain_core.embeddings import DeterministicFakeEmbedding  # noqa: F401 - a subclass that is there from the start
from langchain_core.runnables import RunnableLambda

import callspan
from callspan.guard import guard
from callspan.integrations.langchain.inside import Inside
from callspan.integrations.langchain.runs import Runs
from callspan.recording.otel import get_context
from callspan.testing import capture
from langchain_chains import naming, tree

LOADED = """
import langchain_core.runnables, langchain_core.language_models, langchain_core.retrievers, langchain_core.tools
import langchain_core.prompts, langchain_core.vectorstores, langchain_core.embeddings, langchain_core.tracers.context
import langchain_core.runnables.fallbacks, langchain_core.embeddings.fake
"""
CALLED = """
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
chain = ChatPromptTemplate.from_template("Name a {thing}.") | GenericFakeChatModel(messages=iter([AIMessage("x")] * 9))
"""
PICTURE = """
import sys
def picture():
    seen = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith(("langchain_core", "langgraph")) and module is not None:
            for key, value in list(vars(module).items()):
                seen[name, key] = id(value)
                if isinstance(value, type) and value.__module__ == name:
                    for attribute, held in list(vars(value).items()):
                        if not attribute.startswith(("__", "_abc_")):
                            seen[name, key, attribute] = id(held)
    hooks = sys.modules["langchain_core.tracers.context"]._configure_hooks
    seen["hooks"] = [id(hook) for hook in hooks]
    return seen
"""


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_detached_langchain_is_exactly_as_before():
    program = f"""{LOADED}{PICTURE}
import callspan
before = picture()
handle = callspan.instrument("langchain")
during = picture()
handle.undo()
after = picture()
print(before != during, [key for key in before if before[key] != after[key]], set(after) - set(before))
handle = callspan.instrument("langchain")
callspan.uninstrument("langchain")
after = picture()
print([key for key in before if before[key] != after[key]])
"""
    assert run(program) == "True [] set()\n[]\n"


def test_detached_after_an_import_in_between_nothing_of_ours_is_left():
    program = f"""
import importlib.util
import sys
import callspan
handle = callspan.instrument("langchain")
print([name for name in sys.modules if name.startswith(("langchain", "langgraph", "langsmith"))])
{LOADED}
if importlib.util.find_spec("langgraph"):
    import langgraph.graph
handle.undo()
import types
import wrapt
def is_ours(value):
    if isinstance(value, wrapt.FunctionWrapper):
        return True
    return type(value) is types.FunctionType and "/callspan/" in value.__code__.co_filename.replace("\\\\", "/")
left = []
for name, module in list(sys.modules.items()):
    if name.startswith(("langchain_core", "langgraph")) and module is not None:
        for key, value in list(vars(module).items()):
            if is_ours(value):
                left.append((name, key))
            if isinstance(value, type):
                left += [(name, one) for one, held in vars(value).items() if is_ours(held)]
print(left, len([hook for hook in langchain_core.tracers.context._configure_hooks if "callspan" in hook[0].name]))
"""
    assert run(program) == "[]\n[] 0\n"


def test_watching_begins_whenever_langchain_is_imported():
    program = f"""
import callspan
from callspan.testing import capture
handle = callspan.instrument("langchain")
print(handle)
{CALLED}
with capture() as spans:
    chain.invoke({{"thing": "sock"}})
print(spans.tree())
print(callspan.instrument("langchain"))
handle.undo()
with capture() as spans:
    chain.invoke({{"thing": "sock"}})
print(len(spans))
"""
    told = run(program).splitlines()
    assert told[0] == "langchain  to be watched when langchain_core is used"
    assert told[1:4] == ["chain RunnableSequence", "  chain ChatPromptTemplate", "  llm GenericFakeChatModel"]
    assert told[4].startswith("langchain  already on: handler registered, patched langchain_core.")
    assert told[5] == "0"


def test_a_chain_made_before_is_watched_and_after_is_not(watched):
    chain = naming("a", "b", "c")
    callspan.uninstrument("langchain")
    with capture() as spans:
        chain.invoke({"thing": "sock"})
        assert list(spans) == []
        callspan.instrument("langchain")
        chain.invoke({"thing": "sock"})
        assert len(spans) == 4


def test_a_run_that_is_open_while_we_go_still_ends(spans):
    def body(_):
        callspan.uninstrument("langchain")
        return "done"

    before = get_context()
    RunnableLambda(body, name="body").invoke("x")
    assert spans.one("body").output == "done"
    assert get_context() == before
    callspan.instrument("langchain")


def test_a_copied_configuration_has_the_same_handler(spans):
    def body(_, config):
        copied = copy.deepcopy(config["callbacks"])
        return naming().invoke({"thing": "sock"}, {"callbacks": copied})

    RunnableLambda(body, name="body").invoke("x")
    assert tree(spans).splitlines()[:2] == ["chain body", "  chain RunnableSequence"]
    assert len(spans) == 5


def test_a_pickled_configuration_works_elsewhere_with_and_without_callspan(spans):
    def body(_, config):
        pickled = pickle.dumps(config)
        copied = pickle.loads(pickled)
        assert naming().invoke({"thing": "sock"}, {"callbacks": copied["callbacks"]}) == "Sock & Co"
        return pickled

    pickled = RunnableLambda(body, name="body").invoke("x")
    assert tree(spans).splitlines()[:2] == ["chain body", "  chain RunnableSequence"]
    assert len(spans) == 5
    assert b"callspan" not in pickled


def test_below_an_unsampled_root_nothing_is_recorded_and_the_root_is_counted_once(watched):
    from callspan.exporters import MemoryExporter

    exporter = MemoryExporter()
    callspan.configure(exporters=[exporter], sample_rate=0.0)
    naming().invoke({"thing": "sock"})
    assert callspan.flush().ok
    assert exporter.spans == []
    assert callspan.stats()["memory"]["dropped"] == {"sampled": 1}
    assert len(watched.runs) == 0


def test_a_manager_that_cannot_be_asked_costs_the_span_and_not_the_call(monkeypatch):
    class Odd:
        @property
        def run_id(self):
            raise ValueError("not now")

    monkeypatch.setattr(guard, "strict", False)
    assert Inside(Runs()).generate(lambda **_: "answer", None, (), {"run_manager": Odd()}) == "answer"
    assert guard.counts["finding a run of langchain"] == 1
    guard.counts.clear()  # it was what this test is about
