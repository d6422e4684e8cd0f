"""The OpenTelemetry GenAI conventions: https://github.com/open-telemetry/semantic-conventions-genai.

`genai` writes the newest names, which no release holds yet and which therefore have no schema URL. `genai-1.41` writes
those of the last release. Content is written as JSON texts, which the conventions allow on spans.
"""

from __future__ import annotations

from typing import Any, Final

from callspan.dialects import beside
from callspan.dialects.contract import Attributes, WriteJson
from callspan.dialects.genai_names import (
    DEFAULTS,
    OPENAI_REQUEST,
    OPENAI_RESPONSE,
    OPERATIONS,
    REQUEST,
    RESPONSE,
    USAGE,
    Names,
)
from callspan.dialects.json_text import to_json
from callspan.dialects.values import as_text, number, text
from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.messages import Message
from callspan.model.retrieval import Document
from callspan.model.span import Span

# Reasons for finishing as the schema of messages spells them; other words are allowed and stay.
_FINISH_REASONS: Final = {"tool_calls": "tool_call", "function_call": "tool_call"}


class GenAI:
    """One generation of the conventions: the newest, or the one that was released as 1.41."""

    def __init__(self, name: str, schema_url: str | None, *, released: bool) -> None:
        """Choose the names that changed after the release."""
        self.name = name
        self.schema_url = schema_url
        self._released = released
        cache_write = "cache_creation" if released else "cache_write"
        self._usage = beside.CountNames((*USAGE, ("cache_write_tokens", f"gen_ai.usage.{cache_write}.input_tokens")))
        changed: Names = {"top_k": ("gen_ai.request.top_k", float, number)} if released else {}
        self._request = {**REQUEST, **changed}
        self._openai_request = {**OPENAI_REQUEST, **changed}

    def attributes(self, span: Span) -> Attributes:
        """Return the attributes of a finished span."""
        return self.written(span, to_json)

    def written(self, span: Span, write: WriteJson) -> Attributes:
        """Return them with the contents as `write` writes them."""
        facts = span.facts or Facts()
        told: Attributes = {}
        operation = operation_of(span, facts)
        if operation:
            told["gen_ai.operation.name"] = operation
        if facts.provider:
            told["gen_ai.provider.name"] = facts.provider
        self._add_call(told, facts)
        self._add_content(told, facts, write)
        if facts.usage is not None and not span.usage_below:
            beside.add_counts(told, facts.usage, self._usage)
        if facts.conversation_id:
            told["gen_ai.conversation.id"] = facts.conversation_id
        if facts.prompts:
            _add_prompt(told, facts.prompts[0])
            beside.add_prompt_template(told, facts)
        self._add_by_kind(told, span, facts)
        if facts.user_id or facts.tags or facts.metadata:
            beside.add_scope(told, facts)
        return told

    def _add_call(self, told: Attributes, facts: Facts) -> None:
        openai = facts.provider == "openai"
        rest = _add_known(told, facts.request, self._openai_request if openai else self._request, DEFAULTS)
        if rest or facts.extra:
            told["llm.invocation_parameters"] = to_json({**rest, **facts.extra})
        _add_known(told, facts.response, OPENAI_RESPONSE if openai else RESPONSE, {})
        if facts.time_to_first_chunk_s is not None:
            told["gen_ai.response.time_to_first_chunk"] = float(facts.time_to_first_chunk_s)

    def _add_content(self, told: Attributes, facts: Facts, write: WriteJson) -> None:
        if facts.system_instructions:
            told["gen_ai.system_instructions"] = write(facts.system_instructions)
        if facts.input_messages:
            told["gen_ai.input.messages"] = write(facts.input_messages)
        messages = facts.output_messages
        if messages:
            told["gen_ai.output.messages"] = write(_with_reasons(messages, facts) if self._released else messages)
        if facts.tool_definitions:
            told["gen_ai.tool.definitions"] = write([_definition(tool) for tool in facts.tool_definitions])

    def _add_by_kind(self, told: Attributes, span: Span, facts: Facts) -> None:
        if span.kind == "tool":
            _add_tool(told, facts.tool or ToolFacts(span.name), facts)
        elif facts.input is not MISSING or facts.output is not MISSING:
            beside.add_input_and_output(told, facts)
        if facts.agent_name:
            told["gen_ai.agent.name"] = facts.agent_name
        if span.kind == "chain" and span.component == "workflow":
            told["gen_ai.workflow.name"] = span.name
        if facts.embeddings or facts.dimensions is not None:
            _add_embeddings(told, facts)
        if span.kind != "reranker" and (facts.query or facts.top_k is not None or facts.documents is not None):
            self._add_retrieval(told, facts)
        if facts.documents or span.kind == "reranker":
            beside.add_retrieval(told, span.kind, facts)

    def _add_retrieval(self, told: Attributes, facts: Facts) -> None:
        if facts.query:
            told["gen_ai.retrieval.query.text"] = facts.query
        if facts.top_k is not None:
            if self._released:
                told["gen_ai.request.top_k"] = float(facts.top_k)
            else:
                told["gen_ai.retrieval.top_k"] = facts.top_k
        documents = facts.documents
        # The released schema wants a score of every document, and none is invented.
        if documents is not None and not (self._released and any("score" not in document for document in documents)):
            # Text and metadata stand beside, under the names of OpenInference: the convention has none for them.
            told["gen_ai.retrieval.documents"] = to_json([_ranked(*numbered) for numbered in enumerate(documents)])


def _ranked(index: int, document: Document) -> dict[str, object]:
    """Return the two facts that the convention knows of a document; the place stands in for an ID it lacks."""
    ranked: dict[str, object] = {"id": document.get("id", str(index))}
    if "score" in document:
        ranked["score"] = document["score"]
    return ranked


def operation_of(span: Span, facts: Facts) -> str | None:
    """Return the operation that a span is, by its GenAI name; None for what has none."""
    if span.kind == "llm" and facts.operation:
        return facts.operation
    if span.kind == "chain" and span.component == "workflow":
        return "invoke_workflow"
    return OPERATIONS.get(span.kind)


def _add_known(told: Attributes, given: dict[str, Any], names: Names, defaults: Attributes) -> dict[str, Any]:
    """Add what `names` has a name for, unless it is the default; return the rest, values of the wrong type among it."""
    rest = {}
    for key, value in given.items():
        named = names.get(key)
        if named is not None:
            name, usual, read = named
            known: Any = value if type(value) is usual and value != "" else read(value)
            if known is not None:
                if key not in defaults or defaults[key] != known:
                    told[name] = known
                continue
        rest[key] = value
    return rest


def _add_prompt(told: Attributes, prompt: PromptUse) -> None:
    if prompt.name:
        told["gen_ai.prompt.name"] = prompt.name
        if prompt.version:
            told["gen_ai.prompt.version"] = prompt.version
    for key, value in prompt.variables.items():
        told[f"gen_ai.prompt.variable.{key}"] = as_text(value)


def _add_tool(told: Attributes, tool: ToolFacts, facts: Facts) -> None:
    told["gen_ai.tool.name"] = tool.name
    told["gen_ai.tool.type"] = tool.type
    if tool.description:
        told["gen_ai.tool.description"] = tool.description
    if tool.parameters is not None:
        told["tool.parameters"] = to_json(tool.parameters)
    if tool.call_id:
        told["gen_ai.tool.call.id"] = tool.call_id
    if facts.input is not MISSING:
        told["gen_ai.tool.call.arguments"] = as_text(facts.input)
    if facts.output is not MISSING:
        told["gen_ai.tool.call.result"] = as_text(facts.output)


def _add_embeddings(told: Attributes, facts: Facts) -> None:
    embeddings = facts.embeddings or []
    if facts.dimensions is not None:
        told["gen_ai.embeddings.dimension.count"] = facts.dimensions
    elif "vector" in embeddings[0]:
        told["gen_ai.embeddings.dimension.count"] = len(embeddings[0]["vector"])
    beside.add_embeddings(told, embeddings)


def _definition(tool: dict[str, Any]) -> dict[str, Any]:
    """Bring a tool into the form of the schema, where type and name stand at the top."""
    function = tool.get("function")
    if isinstance(function, dict):
        tool = {**{key: value for key, value in tool.items() if key != "function"}, **function}
    kind = text(tool.get("type")) or "function"
    return {**tool, "type": kind, "name": text(tool.get("name")) or kind}


def _with_reasons(messages: list[Message], facts: Facts) -> list[Message]:
    """Give every message the reason for its end, which the released schema requires."""
    reasons = facts.response.get("finish_reasons") or []
    told: list[Message] = []
    for index, message in enumerate(messages):
        reason = message.get("finish_reason") or (reasons[index] if index < len(reasons) else None)
        known = reason if isinstance(reason, str) else "unknown"
        told.append({**message, "finish_reason": _FINISH_REASONS.get(known, known)})
    return told


GENAI: Final = GenAI("genai", None, released=False)
GENAI_1_41: Final = GenAI("genai-1.41", "https://opentelemetry.io/schemas/1.41.0", released=True)
