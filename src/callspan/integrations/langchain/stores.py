"""What LangChain tells nobody: the scores of documents, which retrievers drop, and the calls of embedding models.

Both are methods that every store and every model defines anew, so they are patched class by class: those that exist,
and those that come, for which one looks whenever a root run starts and when a package with such classes is loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final
from weakref import WeakSet

from callspan.capture.call import Call
from callspan.capture.patching import Patches, Wrapper
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.langchain.objects import fields_of
from callspan.integrations.langchain.request import PROVIDERS, RetrieverReader
from callspan.integrations.langchain.runs import innermost_span
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.recording.otel import SPAN_KEY, get_context
from callspan.recording.results import read_embedding
from callspan.recording.sites import Site

SCORED: Final = tuple(
    f"{prefix}{name}"
    for prefix in ("", "a")
    for name in (
        "similarity_search_with_score",
        "similarity_search_with_score_by_vector",
        "similarity_search_with_relevance_scores",
        "similarity_search_by_vector_with_relevance_scores",
    )
)
EMBEDDING: Final = ("embed_documents", "embed_query", "aembed_documents", "aembed_query")


class Family:
    """A class of LangChain's and all that inherit from it: their own methods of these names run through a wrapper."""

    def __init__(self, patches: Patches, names: tuple[str, ...], wrapper: Wrapper, *, with_head: bool = False) -> None:
        """Patch with `wrapper`; the head's own methods too if `with_head`."""
        self._patches = patches
        self._names = names
        self._wrapper = wrapper
        self._with_head = with_head
        self._head: Any = None
        self._seen: WeakSet[type] = WeakSet()
        self._count = -1

    def watch(self, head: type) -> None:
        """Begin with this class."""
        self._head = head
        self.look()

    def look(self) -> None:
        """Patch the classes that have come since the last time; cheap where there are none."""
        if self._head is None or len(type.__subclasses__(self._head)) == self._count:
            return
        self._count = len(type.__subclasses__(self._head))
        for kind in self._members(self._head):
            if kind in self._seen:
                continue
            self._seen.add(kind)
            for name in self._names:
                if name in vars(kind) and callable(vars(kind)[name]):
                    self._patches.put(kind, name, self._wrapper)

    def forget(self) -> None:
        """Begin anew; the patches are taken off by whoever owns them."""
        self._head, self._count = None, -1
        self._seen.clear()

    def _members(self, head: type) -> Iterator[type]:
        if head is not self._head or self._with_head:
            yield head
        below: list[type] = type.__subclasses__(head)
        for kind in below:
            yield from self._members(kind)


# -- scores ------------------------------------------------------------------------------------------------------------


def search(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a search that returns documents with scores, and keep them for the retriever around."""
    found = wrapped(*args, **kwargs)
    if asyncio.iscoroutine(found):
        return _search_later(found)
    _keep_scores(found)
    return found


async def _search_later(searching: Any) -> Any:
    found = await searching
    _keep_scores(found)
    return found


def _keep_scores(found: Any) -> None:
    try:
        span = innermost_span()
        reader: Any = span.reader if span is not None else None
        if type(reader) is RetrieverReader and type(found) is list:
            reader.scores = [pair for pair in map(_pair, found) if pair is not None]
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("keeping the scores of a search", error)


def _pair(item: Any) -> tuple[Any, float] | None:
    """Return a document and its score; numbers of numpy are told by their C code."""
    if type(item) is not tuple or len(item) < 2:
        return None
    score: Any = item[1]
    kind: Any = type(score)
    if kind is float or kind is int:
        return item[0], float(score)
    if kind.__module__ == "numpy":
        return item[0], float(score.item())
    return None


# -- embeddings --------------------------------------------------------------------------------------------------------


class EmbeddingReader:
    """Reads a call of an embedding model. `model` is the object that was called: its class and its plain fields."""

    __slots__ = ("_fields", "_package", "instance_id")

    def __init__(self, model: Any) -> None:
        """Keep what says which model it is."""
        fields = fields_of(model)
        self.instance_id = id(model)
        self._package = type(model).__module__.partition(".")[0]
        self._fields = {name: fields.get(name) for name in ("model", "model_name", "model_id", "deployment")}

    @property
    def model(self) -> str | None:
        """The model's name, where the object says it."""
        return next((value for value in self._fields.values() if type(value) is str and value), None)

    def __call__(self, span: Span, facts: Facts) -> None:
        """Read texts and vectors."""
        package = self._package.removeprefix("langchain_")
        if package != self._package and package not in ("core", "community", "classic"):
            facts.provider = PROVIDERS.get(package, package)
        read_embedding(span, facts)
        if self.model is not None:
            facts.request.setdefault("model", self.model)


EMBED: Final = Site("embeddings", "embedding", awaits_provider=True)


def embed(wrapped: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an embedding model inside a span."""
    call = _open(model, args, kwargs)
    if call is None:
        return wrapped(*args, **kwargs)
    try:
        vectors = wrapped(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    if asyncio.iscoroutine(vectors):
        call.leave()
        return _embed_later(call, vectors)
    call.finish(vectors)
    return vectors


async def _embed_later(call: Call, embedding: Any) -> Any:
    call.enter()
    try:
        vectors = await embedding
    except BaseException as error:
        call.fail(error)
        raise
    call.finish(vectors)
    return vectors


def _open(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    open_block = switch.open_block
    if open_block is None or model is None:
        return None
    try:
        around: Any = get_context().get(SPAN_KEY)
        if type(around) is Span and type(around.reader) is EmbeddingReader and around.reader.instance_id == id(model):
            return None  # one method of the same model that calls another
        given = args[0] if args else kwargs.get("texts", kwargs.get("text"))
        call: Call | None = open_block(EMBED, given)
        if call is not None and type(call.span) is Span:
            call.span.reader = reader = EmbeddingReader(model)
            call.span.name = f"embeddings {reader.model}" if reader.model else type(model).__name__
    except Exception as error:  # noqa: BLE001
        guard.note("opening the call of an embedding model", error)
        return None
    return call
