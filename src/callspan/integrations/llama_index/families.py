"""Which of LlamaIndex's spans are kept, and as what: a table of its base classes.

LlamaIndex opens a span for almost every method, about fifteen for one query. Those in the table are what a person asks
for; the others are passed over, unless all are wanted. A class of the user's is what its base is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from callspan.integrations.llama_index import request, response
from callspan.integrations.llama_index.request import Tree
from callspan.model.kinds import Kind
from callspan.recording.sites import Site

Take = Callable[[Any, Tree], Any]
Give = Callable[[Any], Any]

_OURS: Final = ("llama_index", "workflows")
_AGENT_STEPS: Final = frozenset(
    (
        "init_run",
        "setup_agent",
        "run_agent_step",
        "parse_agent_output",
        "call_tool",
        "handle_tool_call",
        "handle_tool_calls",
        "aggregate_tool_results",
    )
)


class Family(NamedTuple):
    """The spans of one base class. `methods` are kept; `take` and `give` say what of arguments and result."""

    word: str
    kind: Kind
    component: str | None
    methods: frozenset[str]
    take: Take
    give: Give


class Plan(NamedTuple):
    """What to do with the spans of one method. Without a `site` they are passed over."""

    family: Family
    method: str
    name: str
    site: Site | None


def _both(*names: str) -> frozenset[str]:
    """Return the names of methods and of their asynchronous twins."""
    return frozenset((*names, *(f"a{name}" for name in names)))


def _query(_: Any, arguments: Tree) -> Any:
    return next((request.query_text(value) for value in arguments.values()), None)


def _retrieval(retriever: Any, arguments: Tree) -> Tree:
    top_k = request.fields_of(retriever).get("_similarity_top_k")
    return {"query": _query(None, arguments), **({"top_k": top_k} if type(top_k) is int else {})}


def _embedding(model: Any, arguments: Tree) -> Tree:
    texts = next(iter(arguments.values()), None)
    name = request.fields_of(model).get("model_name")
    return {"model": name, "texts": [*texts] if isinstance(texts, list | tuple) else [texts]}


def _processing(_: Any, arguments: Tree) -> Tree:
    return {"query": _processed_query(arguments), "nodes": request.count_of(arguments.get("nodes"))}


def _processed_query(arguments: Tree) -> Any:
    return request.query_text(arguments.get("query_bundle") or arguments.get("query_str"))


def _reranking(reranker: Any, arguments: Tree) -> Tree:
    fields = request.fields_of(reranker)
    return {
        "query": _processed_query(arguments),
        "nodes": request.nodes_tree(arguments.get("nodes")),
        **{name: fields[name] for name in ("top_n", "model") if type(fields.get(name)) in (int, str)},
    }


def _tool(_: Any, arguments: Tree) -> Any:
    given = {name: value for name, value in arguments.items() if name not in ("args", "kwargs")}
    given.update(arguments.get("kwargs") or {})
    given = {name: value for name, value in given.items() if not _is_context(value)}
    positional = arguments.get("args")
    return {**given, **({"args": positional} if positional else {})}


def _is_context(value: Any) -> bool:
    """Return whether a value is a workflow's context, which LlamaIndex passes to tools that ask for it."""
    return type(value).__name__ == "Context" and type(value).__module__.partition(".")[0] in _OURS


def _nodes(_: Any, arguments: Tree) -> Tree:
    for name in ("documents", "nodes"):
        count = request.count_of(arguments.get(name))
        if count is not None:
            return {name: count}
    return {"documents": 1 if "document" in arguments else 0}


def _run(_: Any, arguments: Tree) -> Any:
    """Take what a workflow starts with; older ones get it as keywords."""
    start = arguments.get("start_event")
    if start is not None:
        given = response.event_tree(start)
    else:
        given = {name: response.result_tree(value) for name, value in (arguments.get("kwargs") or {}).items()}
    return given["user_msg"] if type(given) is dict and [*given] == ["user_msg"] else given


def _step(_: Any, arguments: Tree) -> Any:
    event = arguments.get("ev") or next((value for name, value in arguments.items() if name != "ctx"), None)
    return response.event_tree(event)


def _anything(_: Any, arguments: Tree) -> Any:
    return request.tree_of(arguments)


MODEL_CALLS: Final = _both("chat", "stream_chat", "complete", "stream_complete")
PREDICTIONS: Final = _both("predict", "stream", "structured_predict", "stream_structured_predict")
_LLM: Final = Family(
    "llm", "llm", None, MODEL_CALLS | PREDICTIONS, lambda *_: None, response.answer_tree
)  # its request is taken piece by piece
_EMBEDDINGS: Final = _both(
    "get_query_embedding",
    "get_text_embedding",
    "get_text_embedding_batch",
    "get_agg_embedding_from_queries",
    "get_image_embedding",
    "get_image_embedding_batch",
)
_EMBEDDING: Final = Family("embedding", "embedding", None, _EMBEDDINGS, _embedding, request.tree_of)
_CHAT_ENGINE: Final = Family(
    "chat_engine", "chain", "chat_engine", _both("chat", "stream_chat"), _query, response.response_text
)
_AGENT: Final = _CHAT_ENGINE._replace(word="agent", kind="agent", component=None)
_WORKFLOW: Final = Family("workflow", "chain", "workflow", frozenset(("run",)), _run, response.event_tree)
_AGENT_WORKFLOW: Final = _WORKFLOW._replace(kind="agent", component=None)
_STEP: Final = Family("step", "chain", "step", frozenset(), _step, response.event_tree)
_AGENT_STEP: Final = _STEP._replace(word="agent_step", kind="agent")
_FUNCTION: Final = Family("function", "chain", None, frozenset(), _anything, request.tree_of)


_DETAIL: Final = _FUNCTION._replace(word="detail")
_PASSED: Final = _FUNCTION._replace(word="other")


def _chain(word: str, method: str, hidden: str = "", take: Take = _query, give: Give = request.tree_of) -> Family:
    """Return a family of one method; of `hidden` where LlamaIndex has no span for the public one in every version."""
    methods = _both(method) | ({hidden, hidden.replace("_", "_a", 1)} if hidden else set())
    return Family(word, "chain", word, methods, take, give)


_POSTPROCESSOR: Final = _chain("postprocessor", "postprocess_nodes", take=_processing, give=response.node_count)
RERANKER: Final = _POSTPROCESSOR._replace(kind="reranker", component=None, take=_reranking, give=response.documents)
FAMILIES: Final[dict[str, Family]] = {
    "BaseLLM": _LLM,
    "MultiModalLLM": _LLM,
    "BaseEmbedding": _EMBEDDING,
    "BaseSparseEmbedding": _EMBEDDING,
    "BaseRetriever": Family("retriever", "retriever", None, _both("retrieve"), _retrieval, response.documents),
    "BaseImageRetriever": Family(
        "retriever",
        "retriever",
        None,
        _both("text_to_image_retrieve", "image_to_image_retrieve"),
        _retrieval,
        response.documents,
    ),
    "BaseNodePostprocessor": _POSTPROCESSOR,
    "BaseSynthesizer": _chain("synthesizer", "synthesize", give=response.response_text),
    "BaseQueryEngine": _chain("query_engine", "query", give=response.response_text),
    "BaseChatEngine": _CHAT_ENGINE,
    "BaseAgent": _AGENT,
    "BaseAgentRunner": _AGENT,
    "BaseQueryTransform": _chain("query_transform", "run", hidden="_run"),
    "BaseSelector": _chain("selector", "select", hidden="_select"),
    "BaseQuestionGenerator": _chain("question_generator", "generate"),
    "BaseTool": Family("tool", "tool", None, frozenset(("__call__", "call", "acall")), _tool, response.tool_output),
    "TransformComponent": Family(
        "transformation", "chain", "transformation", frozenset(("__call__", "acall")), _nodes, response.node_count
    ),
    "IngestionPipeline": _chain("ingestion", "run", take=_nodes, give=response.node_count),
    "BaseIndex": Family(
        "ingestion",
        "chain",
        "ingestion",
        _both("from_documents", "insert", "refresh_ref_docs"),
        _nodes,
        lambda _: None,
    ),
    "Workflow": _WORKFLOW,
    "BaseWorkflowAgent": _AGENT_WORKFLOW,
    "AgentWorkflow": _AGENT_WORKFLOW,
    # No span of a person's interest, but it says when a streamed chat has ended.
    "StreamingAgentChatResponse": Family("writer", "chain", None, frozenset(), _anything, request.tree_of),
}


def _plan_of(kind: type | None, qualified: str) -> Plan:
    """Return what to do with a span of this class of instance, which is None for functions, and qualified name."""
    method = qualified.rpartition(".")[2]
    family = _FUNCTION if kind is None else _family_of(kind)
    name = f"{kind.__name__}.{method}" if kind is not None else qualified.rpartition("<locals>.")[2]
    if family.word == "postprocessor" and kind is not None and "rerank" in kind.__name__.lower():
        family = RERANKER
    if kind is not None and method in family.methods and method[0] == "_" != method[1]:
        name = f"{kind.__name__}.{method[1:]}"
    if method in family.methods or family is _FUNCTION:
        return Plan(family, method, name, _site(name, family))
    return Plan(family, method, name, None)


def _step_plan(qualified: str, workflow: type) -> Plan:
    """Return what to do with a step of a workflow.

    An agent's own steps say nothing that its calls do not say; where several agents take turns, it is told whose it is.
    """
    name = qualified.rpartition("<locals>.")[2]
    method = name.rpartition(".")[2]
    is_of_agent = _family_of(workflow) is _AGENT_WORKFLOW
    if is_of_agent and method == "run_agent_step" and any(one.__name__ == "AgentWorkflow" for one in workflow.__mro__):
        return Plan(_AGENT_STEP, method, name, _site(name, _AGENT_STEP))
    is_kept = not (method.startswith("_") or (is_of_agent and method in _AGENT_STEPS))
    return Plan(_STEP, method, name, _site(name, _STEP) if is_kept else None)


def _detail_plan(name: str) -> Plan:
    """Return the plan of a span that is kept only where all are wanted."""
    return Plan(_DETAIL, name.rpartition(".")[2], name, _site(name, _DETAIL))


def _family_of(kind: type) -> Family:
    for ancestor in kind.__mro__:
        family = FAMILIES.get(ancestor.__name__)
        if family is not None and ancestor.__module__.partition(".")[0] in _OURS:
            return family
    return _FUNCTION if kind.__module__.partition(".")[0] not in _OURS else _PASSED


def _site(name: str, family: Family) -> Site:
    is_model = family.kind in ("llm", "embedding")
    return Site(
        name,
        family.kind,
        component=family.component,
        open_objects=family.kind in ("llm", "retriever", "embedding", "reranker"),
        awaits_provider=is_model,
    )


plan_of: Final[Callable[[Any, str], Plan]] = lru_cache(maxsize=4096)(_plan_of)
step_plan: Final[Callable[[str, Any], Plan]] = lru_cache(maxsize=4096)(_step_plan)
detail_plan: Final[Callable[[str], Plan]] = lru_cache(maxsize=4096)(_detail_plan)
