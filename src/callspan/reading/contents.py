"""What went into a call and came out of it: messages, documents, vectors, tools, prompts and plain values."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from callspan.model.kinds import Kind
from callspan.reading.attributes import Attributes, as_anything
from callspan.reading.flattened import read_document, read_embedding, read_message, read_tool, take_list
from callspan.reading.parse import parsed

Tree = dict[str, Any]
_VARIABLE: Final = "gen_ai.prompt.variable."


def read_contents(attributes: Attributes, kind: Kind) -> Tree:
    """Take the contents of a span, by the fields of a `SpanRecord`; tool and prompts as dictionaries."""
    tool = read_tool_facts(attributes, kind)
    return {
        **read_essentials(attributes),
        "top_k": attributes.count("gen_ai.retrieval.top_k", "reranker.top_k"),
        "input_documents": take_list(attributes, "reranker.input_documents", "document", read_document),
        "embeddings": read_embeddings(attributes),
        "tool": tool,
        "prompts": read_prompts(attributes),
    }


def read_essentials(attributes: Attributes) -> Tree:
    """Take what was asked and answered."""
    told: Tree = dict.fromkeys(_ESSENTIALS)
    for field, read in _present(tuple(attributes.left)):
        told[field] = read(attributes)
    return told


def is_essential(name: str) -> bool:
    """Return whether `read_essentials` looks at an attribute."""
    return any(one.is_told_by(name) for one in _ESSENTIALS.values())


def _read_value(attributes: Attributes, side: str, *others: str) -> Any:
    """Take `input.value` or `output.value`; its MIME type says whether a text is one or holds JSON."""
    mime_type = attributes.text(f"{side}.mime_type")
    value = attributes.take(as_anything, f"{side}.value")
    if value is not None and mime_type != "text/plain":
        value = parsed(value)
    other = attributes.take(as_anything, *others)
    return parsed(other) if value is None else value


def _messages(attributes: Attributes, name: str, flattened: str) -> list[Tree] | None:
    messages = _dictionaries(attributes.sequence(name))
    repeated = take_list(attributes, flattened, "message", read_message)
    return messages or repeated


def _read_definitions(attributes: Attributes) -> list[Tree] | None:
    """Take the tools that were offered to the model."""
    definitions = _dictionaries(attributes.sequence("gen_ai.tool.definitions"))
    repeated = take_list(attributes, "llm.tools", "tool", read_tool)
    return definitions or repeated


def _read_documents(attributes: Attributes) -> list[Tree] | None:
    """Take the documents that were found; GenAI's list comes last, since it may have invented IDs."""
    retrieved = take_list(attributes, "retrieval.documents", "document", read_document)
    reranked = take_list(attributes, "reranker.output_documents", "document", read_document)
    told = _dictionaries(attributes.sequence("gen_ai.retrieval.documents"))
    return retrieved or reranked or told


def read_embeddings(attributes: Attributes) -> list[Tree] | None:
    """Take embedded texts with their vectors, or the hashes that stand for them."""
    embeddings = take_list(attributes, "embedding.embeddings", "embedding", read_embedding)
    hashes = attributes.texts("callspan.embedding.vector_hashes") or []
    if hashes and not embeddings:
        embeddings = [{} for _ in hashes]
    for embedding, vector_hash in zip(embeddings or (), hashes, strict=False):
        if vector_hash:
            embedding["vector_hash"] = vector_hash
    return embeddings


def read_tool_facts(attributes: Attributes, kind: Kind) -> Tree | None:
    """Take the tool of a tool span, by the fields of a `ToolRecord`. Other spans may name tools for other reasons."""
    if kind != "tool":
        return None
    name = attributes.text("gen_ai.tool.name", "tool.name")
    if name is None:
        return None
    return {
        "name": name,
        "description": attributes.text("gen_ai.tool.description", "tool.description"),
        "parameters": attributes.mapping("tool.parameters", "tool.json_schema"),
        "call_id": attributes.text("gen_ai.tool.call.id", "tool_call.id", "tool.id"),
        "type": attributes.text("gen_ai.tool.type") or "function",
    }


def read_prompts(attributes: Attributes) -> list[Tree]:
    """Take the prompt templates, by the fields of a `PromptRecord`."""
    several = _dictionaries(attributes.sequence("callspan.prompts"))
    one = {
        "template": attributes.text("llm.prompt_template.template"),
        "name": attributes.text("gen_ai.prompt.name"),
        "version": attributes.text("gen_ai.prompt.version", "llm.prompt_template.version"),
    }
    texts = attributes.under(_VARIABLE)
    variables = attributes.mapping("llm.prompt_template.variables") or texts
    if several:
        return [_prompt(prompt) for prompt in several]
    return [{**one, "variables": variables}] if any(one.values()) else []


def _prompt(tree: Tree) -> Tree:
    texts = {name: tree[name] for name in ("template", "name", "version") if isinstance(tree.get(name), str)}
    variables = tree.get("variables")
    return {**texts, "variables": variables if isinstance(variables, dict) else {}}


def _dictionaries(items: list[Any] | None) -> list[Tree] | None:
    return None if items is None else [item for item in items if isinstance(item, dict)]


class _Essential(NamedTuple):
    """How a field is read, and of which attributes: their names, and how the names of flattened lists begin."""

    read: Callable[[Attributes], Any]
    names: tuple[str, ...]
    lists: tuple[str, ...] = ()

    def is_told_by(self, name: str) -> bool:
        return name in self.names or name.startswith(self.lists)


_INPUT: Final = ("gen_ai.tool.call.arguments", "traceloop.entity.input")
_OUTPUT: Final = ("gen_ai.tool.call.result", "traceloop.entity.output")
_QUERY: Final = ("gen_ai.retrieval.query.text", "reranker.query")
_ESSENTIALS: Final = {
    "input": _Essential(
        lambda attributes: _read_value(attributes, "input", *_INPUT), ("input.value", "input.mime_type", *_INPUT)
    ),
    "output": _Essential(
        lambda attributes: _read_value(attributes, "output", *_OUTPUT), ("output.value", "output.mime_type", *_OUTPUT)
    ),
    "system_instructions": _Essential(
        lambda attributes: _dictionaries(attributes.sequence("gen_ai.system_instructions")),
        ("gen_ai.system_instructions",),
    ),
    "input_messages": _Essential(
        lambda attributes: _messages(attributes, "gen_ai.input.messages", "llm.input_messages"),
        ("gen_ai.input.messages",),
        ("llm.input_messages.",),
    ),
    "output_messages": _Essential(
        lambda attributes: _messages(attributes, "gen_ai.output.messages", "llm.output_messages"),
        ("gen_ai.output.messages",),
        ("llm.output_messages.",),
    ),
    "tool_definitions": _Essential(_read_definitions, ("gen_ai.tool.definitions",), ("llm.tools.",)),
    "query": _Essential(lambda attributes: attributes.text(*_QUERY), _QUERY),
    "documents": _Essential(
        _read_documents, ("gen_ai.retrieval.documents",), ("retrieval.documents.", "reranker.output_documents.")
    ),
}


@lru_cache(maxsize=4096)
def _present(names: tuple[str, ...]) -> list[tuple[str, Callable[[Attributes], Any]]]:
    """Return which fields these attributes tell of, and how they are read: looking for the others would take longer."""
    return [(field, one.read) for field, one in _ESSENTIALS.items() if any(map(one.is_told_by, names))]
