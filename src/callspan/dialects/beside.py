"""OpenInference's names for what the GenAI conventions cannot say: both dialects write them in the same words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from callspan.dialects.contract import Attributes
from callspan.dialects.json_text import to_json
from callspan.dialects.values import text
from callspan.model.facts import MISSING, Facts
from callspan.model.kinds import Kind
from callspan.model.retrieval import Document, Embedding
from callspan.model.usage import Usage


def add_input_and_output(told: Attributes, facts: Facts) -> None:
    """Add the values that no finer name took, with their MIME types. None is a value: the JSON text `null`."""
    for name, value in (("input", facts.input), ("output", facts.output)):
        if isinstance(value, str):
            told[f"{name}.value"] = value
            told[f"{name}.mime_type"] = "text/plain"
        elif value is not MISSING:
            told[f"{name}.value"] = to_json(value)
            told[f"{name}.mime_type"] = "application/json"


def add_prompt_template(told: Attributes, facts: Facts) -> None:
    """Add the first prompt's template; OpenInference has room for one. Without content only its version is left."""
    if facts.prompts:
        prompt = facts.prompts[0]
        if prompt.template:
            told["llm.prompt_template.template"] = prompt.template
            told["llm.prompt_template.variables"] = to_json(prompt.variables)
        if prompt.version:
            told["llm.prompt_template.version"] = prompt.version


def add_scope(told: Attributes, facts: Facts) -> None:
    """Add user, tags and metadata."""
    if facts.user_id:
        told["user.id"] = facts.user_id
    if facts.tags:
        told["tag.tags"] = facts.tags
    if facts.metadata:
        told["metadata"] = to_json(facts.metadata)


def add_retrieval(told: Attributes, kind: Kind, facts: Facts) -> None:
    """Add the documents, and around a reranker what it was asked."""
    if kind == "reranker":
        _add_reranker(told, facts)
    elif facts.documents:
        _add_documents(told, "retrieval.documents", facts.documents)


def add_embeddings(told: Attributes, embeddings: Sequence[Embedding]) -> None:
    """Add texts and vectors, one attribute each."""
    for index, embedding in enumerate(embeddings):
        prefix = f"embedding.embeddings.{index}.embedding"
        if "text" in embedding:
            told[f"{prefix}.text"] = embedding["text"]
        if "vector" in embedding:
            told[f"{prefix}.vector"] = embedding["vector"]


class CountNames:
    """Names for fields of `Usage`, and what reads all of these at once."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        """Take pairs of a field and its name."""
        self.names = tuple(name for _, name in names)
        self.counts: Callable[[Usage], tuple[int | None, ...]] = attrgetter(*(field for field, _ in names))


def add_counts(told: Attributes, usage: Usage, known: CountNames) -> None:
    """Add the token counts that were reported, under the names given for our fields, and the total.

    Where only the parts were reported, the total is their sum.
    """
    for name, count in zip(known.names, known.counts(usage), strict=True):
        if count is not None:
            told[name] = count
    total = usage.total_tokens
    if total is None and usage.input_tokens is not None and usage.output_tokens is not None:
        total = usage.input_tokens + usage.output_tokens
    if total is not None:
        told["llm.token_count.total"] = total


def _add_reranker(told: Attributes, facts: Facts) -> None:
    model = text(facts.request.get("model")) or text(facts.response.get("model"))
    if model:
        told["reranker.model_name"] = model
    if facts.query:
        told["reranker.query"] = facts.query
    if facts.top_k is not None:
        told["reranker.top_k"] = facts.top_k
    _add_documents(told, "reranker.input_documents", facts.input_documents or ())
    _add_documents(told, "reranker.output_documents", facts.documents or ())


def _add_documents(told: Attributes, prefix: str, documents: Sequence[Document]) -> None:
    for index, document in enumerate(documents):
        name = f"{prefix}.{index}.document"
        if "id" in document:
            told[f"{name}.id"] = document["id"]
        if "content" in document:
            told[f"{name}.content"] = document["content"]
        if "score" in document:
            told[f"{name}.score"] = document["score"]
        if "metadata" in document:
            told[f"{name}.metadata"] = to_json(document["metadata"])
