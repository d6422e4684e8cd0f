"""What a run gave back: taken from LangChain's objects on the caller's thread, read in the worker."""

from __future__ import annotations

from typing import Any, Final

from callspan.integrations.langchain.objects import Tree, document_tree, fields_of, tree_of
from callspan.model.facts import MISSING, Facts
from callspan.model.messages import Message, read_message, text_message
from callspan.model.retrieval import read_documents
from callspan.model.span import Span
from callspan.model.usage import Usage, read_usage

_REASONS: Final = ("finish_reason", "stop_reason", "done_reason")
_OWN_IDS: Final = ("run-", "run--", "lc_run-")  # of messages whose model gave none

# -- on the caller's thread --------------------------------------------------------------------------------------------


def documents_tree(documents: Any, scores: list[tuple[Any, float]] | None) -> Any:
    """Return the documents that a retriever found, with the scores that its vector store told of them."""
    if type(documents) is not list:
        return tree_of(documents)
    trees: list[Any] = []
    for document in [*documents]:
        tree = document_tree(fields_of(document))
        for scored, score in scores or ():
            if scored is document:
                tree["score"] = score
                break
        trees.append(tree)
    return trees


# -- in the worker -----------------------------------------------------------------------------------------------------


def read_answer(span: Span, facts: Facts) -> None:
    """Read what a model gave back: messages, reasons for the end, usage, and what the answer says of itself."""
    output = facts.output
    if not isinstance(output, dict):
        return
    rows = output.get("generations", [output])
    generations = [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    whole = output.get("llm_output")
    whole = whole if isinstance(whole, dict) else {}
    facts.output = MISSING
    if not generations and not whole:
        return
    messages = [_read_generation(one) for one in generations]
    facts.output_messages = messages or None
    reasons = [message.get("finish_reason") for message in messages]
    if any(reasons):
        facts.response["finish_reasons"] = reasons
    for one in generations:
        _read_about(facts, one)
    _read_about(facts, {"response_metadata": whole})
    facts.usage = _usage_of(generations, whole)
    if type(span.provider_call) is not Span and any(map(_is_from_cache, generations)):
        span.usage_below = True  # it was counted when it was made, maybe by another process


def _is_from_cache(generation: Tree) -> bool:
    """Return whether LangChain's cache had this answer: then, and only then, LangChain itself says what it cost."""
    usage = generation.get("usage_metadata")
    return isinstance(usage, dict) and type(usage.get("total_cost")) is int and usage["total_cost"] == 0


def _read_generation(generation: Tree) -> Message:
    message = read_message(_without_repeats(generation))
    if message is None:
        message = text_message("assistant", str(generation.get("content") or ""))
    trees: list[Any] = [generation.get("generation_info"), generation.get("response_metadata")]
    for tree in trees:
        for name in _REASONS if isinstance(tree, dict) else ():
            if isinstance(tree.get(name), str):
                message.setdefault("finish_reason", tree[name])
    return message


def _without_repeats(message: Tree) -> Tree:
    """Return a message without the parts of its content that say the same as its tool calls."""
    content = message.get("content")
    if not message.get("tool_calls") or not isinstance(content, list):
        return message
    repeats = ("tool_use", "tool_call", "tool_call_chunk", "function_call", "input_json_delta")
    kept = [part for part in content if not (isinstance(part, dict) and part.get("type") in repeats)]
    return {**message, "content": kept}


def _read_about(facts: Facts, tree: Tree) -> None:
    about = tree.get("response_metadata")
    about = about if isinstance(about, dict) else {}
    identity = about.get("id") or tree.get("id")
    if isinstance(identity, str) and not identity.startswith(_OWN_IDS):
        facts.response.setdefault("id", identity)
    for name, key in (
        ("model_name", "model"),
        ("model", "model"),
        ("system_fingerprint", "system_fingerprint"),
        ("service_tier", "service_tier"),
    ):
        if isinstance(about.get(name), str) and about[name]:
            facts.response.setdefault(key, about[name])


def _usage_of(generations: list[Tree], whole: Tree) -> Usage | None:
    """Return the counts: of the first generation that has some, since each repeats those of the whole answer.

    LangChain's own counts come first, and what the provider said of them in its own words beside them.
    """
    counted = (read_usage(tree.get("usage_metadata")) for tree in generations)
    usage = next((found for found in counted if found is not None), None)
    theirs = _provider_usage_of(generations, whole)
    if usage is not None and theirs is not None:
        usage.raw = theirs.raw
    return usage or theirs


def _provider_usage_of(generations: list[Tree], whole: Tree) -> Usage | None:
    holders: list[Any] = [whole, *(tree.get("response_metadata") for tree in generations)]
    for holder in holders:
        for name in ("token_usage", "usage", "usage_metadata") if isinstance(holder, dict) else ():
            usage = read_usage(holder.get(name))
            if usage is not None:
                return usage
    return None


def read_documents_found(facts: Facts) -> None:
    """Read the documents of a retriever."""
    documents = read_documents(facts.output) if facts.output is not MISSING else None
    if documents is not None:
        facts.documents, facts.output = documents, MISSING
