"""What events say that arguments and results do not: of a model's stream, of a reranker, of a cancelled step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from callspan.integrations.llama_index.frames import Frame
from callspan.integrations.llama_index.request import nodes_tree, query_text
from callspan.integrations.llama_index.response import answer_tree, documents


def _model_starts(frame: Frame, event: Any) -> None:
    """Note which span tells of the answer: with `achat` calling `chat` both would."""
    if frame.word == "llm" and frame.source is None:
        frame.source = event.span_id


def _model_goes_on(frame: Frame, event: Any) -> None:
    watch = frame.watch
    if watch is not None and frame.source == event.span_id:
        watch.note(event.response)


def _model_ends(frame: Frame, event: Any) -> None:
    if frame.source != event.span_id or frame.word != "llm":
        return
    if frame.watch is not None:
        frame.watch.add(event.response)
        frame.watch.finish()
    elif frame.is_streaming:
        frame.answer = answer_tree(event.response)


def _fails(frame: Frame, event: Any) -> None:
    if frame.watch is not None and frame.source == event.span_id:
        frame.watch.fail(event.exception)


def reranker_starts(frame: Frame, event: Any) -> None:
    """Make a reranker of what only was a postprocessor: not all of them say so by their names."""
    if frame.word != "postprocessor":
        return
    span = frame.span
    span.kind, span.component = "reranker", None
    given = {"query": query_text(event.query), "nodes": nodes_tree(event.nodes), "top_n": event.top_n}
    span.set_input({**given, "model": event.model_name})
    frame.plan = frame.plan._replace(family=frame.plan.family._replace(give=documents))


def _cancelled(frame: Frame, event: Any) -> None:
    if frame.id == event.span_id:
        frame.span.outcome = "cancelled"


EVENTS: Final[dict[str, Callable[[Frame, Any], None]]] = {
    "LLMChatStartEvent": _model_starts,
    "LLMCompletionStartEvent": _model_starts,
    "LLMChatInProgressEvent": _model_goes_on,
    "LLMCompletionInProgressEvent": _model_goes_on,
    "LLMChatEndEvent": _model_ends,
    "LLMCompletionEndEvent": _model_ends,
    "ExceptionEvent": _fails,
    "ReRankStartEvent": reranker_starts,
    "SpanCancelledEvent": _cancelled,
}
