"""What is put into LangChain: a handler that every run tells of itself, and a few patches for what no event tells.

The handler is registered with LangChain's own hook for that. The patches make spans current inside their runs, see
calls end that LangChain leaves open, and watch templates, vector stores and embedding models.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from callspan.capture.open_spans import open_spans
from callspan.capture.patching import Patches, when_imported
from callspan.guard import guard
from callspan.integrations.contract import Versions
from callspan.integrations.langchain import prompts, raising, stores
from callspan.integrations.langchain.handler import Handler
from callspan.integrations.langchain.inside import Inside
from callspan.integrations.langchain.runs import Runs

_HOOKS: Final = "langchain_core.tracers.context"
_EVENTS: Final = "langchain_core.callbacks.manager"
_COPIES: Final = "langgraph.callbacks"  # of what tells of events, by name; its own events are none of ours
_STEP: Final = "_set_config_context"
_STORES: Final = "langchain_core.vectorstores.base"
_NEWER: Final = "_iter_v2_events"  # not in all versions
_EMBEDDINGS: Final = "langchain_core.embeddings.embeddings"

# Where `_set_config_context` is: in its own two modules, and in those that older versions copied its name to.
_STEPS: Final = (
    "langchain_core.runnables.config",
    "langchain_core.runnables.base",
    "langchain_core.runnables.fallbacks",
    "langchain_core.tools.base",
    "langgraph._internal._runnable",
    "langgraph.utils.runnable",
)
# Packages whose classes of embedding models and vector stores are looked for as soon as they are loaded.
_PACKAGES: Final = tuple(
    f"langchain_{name}"
    for name in (
        *("aws", "azure_ai", "chroma", "cohere", "elasticsearch", "fireworks", "google_genai", "google_vertexai"),
        *("huggingface", "ibm", "milvus", "mistralai", "mongodb", "nomic", "ollama", "openai", "pinecone", "postgres"),
        *("qdrant", "redis", "together", "voyageai", "weaviate"),
    )
)


class LangChain:
    """The integration; see `callspan.integrations.contract.Integration`."""

    name = "langchain"
    library = "langchain_core"
    versions = Versions("langchain-core", oldest=(0, 3, 15), newest=(1,))

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.runs = Runs()
        self._inside = Inside(self.runs)
        self._raising = raising.Raising(self.runs)
        self._patches = Patches()
        self._scores = stores.Family(self._patches, stores.SCORED, stores.search)
        self._models = stores.Family(self._patches, stores.EMBEDDING, stores.embed)
        self._handler: Any = None
        self._hook: Any = None
        self._is_wanted = False
        self._waiting: set[str] = set()

    def attach(self) -> None:
        """Put everything in its place: now where a module is loaded, else when it is."""
        self._is_wanted = True
        open_spans.watch(self.runs.spans)
        if self._handler is not None:
            self._handler.is_on = True
        for name in (_HOOKS, _EVENTS, _COPIES, *_STEPS, *self._patched(), _STORES, _EMBEDDINGS, *_PACKAGES):
            if name in sys.modules:
                self._put(sys.modules[name])
            elif name not in self._waiting:
                self._waiting.add(name)
                when_imported(name, self._when_imported)

    def detach(self) -> None:
        """Take everything out. Runs that are open tell their end all the same."""
        self._is_wanted = False
        if self._handler is not None:
            self._handler.is_on = False
        hooks = getattr(sys.modules.get(_HOOKS), "_configure_hooks", None)
        if self._hook is not None and type(hooks) is list:
            hooks[:] = [hook for hook in hooks if hook is not self._hook]
        self._hook = None
        self._patches.take_off()
        self._scores.forget()
        self._models.forget()

    def report(self) -> str:
        """Say what is watched."""
        if self._hook is None:
            return "to be watched when langchain_core is used"
        return f"handler registered, patched {self._patches}"

    def _when_imported(self, module: ModuleType) -> None:
        self._waiting.discard(module.__name__)
        if self._is_wanted:
            self._put(module)

    def _put(self, module: ModuleType) -> None:
        name = module.__name__
        if name == _HOOKS:
            self._register(module)
        elif name == _EVENTS:
            self._patches.replace(module, "handle_event", self._raising.handle_event)
            self._patches.replace(module, "ahandle_event", self._raising.handle_event_later)
        elif name == _COPIES:
            _give_back(module, ("handle_event", "ahandle_event"))
        elif name in _STEPS:
            self._patch_step(module)
        elif name == _STORES:
            self._scores.watch(module.VectorStore)
        elif name == _EMBEDDINGS:
            self._models.watch(module.Embeddings)
        elif name in _PACKAGES:
            self._look()
        for owner, method, patch, way in self._patched().get(name, ()):
            kind = vars(module).get(owner)
            if kind is not None and hasattr(kind, method):
                patch(kind, method, way)
            elif method != _NEWER:
                guard.count(f"langchain: there is no {name}.{owner}.{method}")

    def _patched(self) -> dict[str, tuple[tuple[str, str, Callable[[Any, str, Any], None], Any], ...]]:
        """Return the methods to patch, by module: class, name, how, and what runs in their place."""
        inside, put, replace = self._inside, self._patches.put, self._patches.replace
        return {
            "langchain_core.language_models.chat_models": (
                ("BaseChatModel", "_generate_with_cache", put, inside.generate),
                ("BaseChatModel", "_agenerate_with_cache", put, inside.generate_later),
                ("BaseChatModel", _NEWER, put, inside.stream),
            ),
            "langchain_core.language_models.llms": (
                ("BaseLLM", "_generate_helper", put, inside.generate),
                ("BaseLLM", "_agenerate_helper", put, inside.generate_later),
            ),
            "langchain_core.retrievers": (
                ("BaseRetriever", "invoke", put, inside.call),
                ("BaseRetriever", "ainvoke", put, inside.call_later),
            ),
            "langchain_core.tools.base": (("BaseTool", "arun", put, inside.call_later),),
            "langchain_core.prompts.chat": (
                ("ChatPromptTemplate", "format_messages", replace, prompts.format_text),
                ("ChatPromptTemplate", "aformat_messages", put, prompts.format_later),
            ),
            "langchain_core.prompts.prompt": (("PromptTemplate", "format", replace, prompts.format_text),),
        }

    def _register(self, module: Any) -> None:
        if self._hook is not None:
            return
        if self._handler is None:
            base = sys.modules["langchain_core.callbacks.base"].BaseCallbackHandler
            self._handler = type("CallspanHandler", (Handler, base), {"__module__": __name__})(self.runs, self._look)
        variable: ContextVar[Any] = ContextVar("callspan_langchain", default=self._handler)
        before = len(module._configure_hooks)  # noqa: SLF001 - there is no way to take a hook out again
        module.register_configure_hook(variable, inheritable=True)
        self._hook = module._configure_hooks[before]  # noqa: SLF001

    def _patch_step(self, module: Any) -> None:
        """Patch what prepares a run's context; a module that copied our patch by name gets the original back first."""
        found = vars(module).get(_STEP)
        if found is None:
            return
        source = sys.modules.get(_STEPS[0])
        if source is not None and module is not source and found is vars(source).get(_STEP):
            setattr(module, _STEP, getattr(found, "__wrapped__", found))
        self._patches.replace(module, _STEP, self._inside.enter_step)

    def _look(self) -> None:
        """Look for classes that have come since."""
        self._scores.look()
        self._models.look()


def _give_back(module: Any, names: tuple[str, ...]) -> None:
    """Give a module that copied our patches by name the originals back: there nobody could take them off."""
    for name in names:
        found: Any = vars(module).get(name)
        if getattr(found, "__globals__", None) is vars(raising):
            setattr(module, name, found.__wrapped__)


LANGCHAIN: Final = LangChain()
