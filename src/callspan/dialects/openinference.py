"""The OpenInference conventions: https://arize-ai.github.io/openinference/spec/."""

from __future__ import annotations

from typing import Any, Final

from callspan.dialects import beside
from callspan.dialects.contract import Attributes
from callspan.dialects.json_text import to_json
from callspan.dialects.openinference_messages import add_messages
from callspan.dialects.values import text, text_places
from callspan.model.facts import MISSING, Facts, ToolFacts
from callspan.model.kinds import Kind
from callspan.model.messages import Message
from callspan.model.span import Span

# GenAI's name of a provider: (llm.provider, llm.system or None where a host serves models of many makers).
_PROVIDERS: Final[dict[str, tuple[str, str | None]]] = {
    "openai": ("openai", "openai"),
    "azure.ai.openai": ("azure", "openai"),
    "azure.ai.inference": ("azure", None),
    "anthropic": ("anthropic", "anthropic"),
    "aws.bedrock": ("aws", None),
    "cohere": ("cohere", "cohere"),
    "deepseek": ("deepseek", "deepseek"),
    "gcp.gemini": ("google", "vertexai"),
    "gcp.gen_ai": ("google", "vertexai"),
    "gcp.vertex_ai": ("google", "vertexai"),
    "mistral_ai": ("mistralai", "mistralai"),
    "moonshot_ai": ("moonshot", None),
    "x_ai": ("xai", "xai"),
}

_USAGE: Final = beside.CountNames(
    (
        ("input_tokens", "llm.token_count.prompt"),
        ("output_tokens", "llm.token_count.completion"),
        ("cache_read_tokens", "llm.token_count.prompt_details.cache_read"),
        ("cache_write_tokens", "llm.token_count.prompt_details.cache_write"),
        ("audio_input_tokens", "llm.token_count.prompt_details.audio"),
        ("reasoning_tokens", "llm.token_count.completion_details.reasoning"),
        ("audio_output_tokens", "llm.token_count.completion_details.audio"),
    )
)


_WITHOUT_PROVIDER: Final[tuple[Kind, ...]] = ("embedding", "reranker")


class OpenInference:
    """The dialect. OpenInference publishes no schema URL."""

    name: str = "openinference"
    schema_url: str | None = None

    def attributes(self, span: Span) -> Attributes:
        """Return the attributes of a finished span."""
        facts = span.facts or Facts()
        told: Attributes = {}
        if span.kind == "embedding":
            _add_parameters(told, "embedding", facts)
        elif span.kind not in _WITHOUT_PROVIDER:
            _add_model(told, facts)
            _add_parameters(told, "llm", facts)
        _add_content(told, facts)
        if facts.usage is not None and not span.usage_below:
            beside.add_counts(told, facts.usage, _USAGE)
        if span.kind == "tool":
            _add_tool(told, facts.tool or ToolFacts(span.name))
        if facts.agent_name:
            told["agent.name"] = facts.agent_name
        if facts.conversation_id:
            told["session.id"] = facts.conversation_id
        if facts.query and facts.input is MISSING and span.kind != "reranker":
            told["input.value"] = facts.query
            told["input.mime_type"] = "text/plain"
        beside.add_input_and_output(told, facts)
        beside.add_prompt_template(told, facts)
        beside.add_embeddings(told, facts.embeddings or ())
        beside.add_retrieval(told, span.kind, facts)
        beside.add_scope(told, facts)
        _add_kept(told, span.kind, facts)
        return told


def _add_model(told: Attributes, facts: Facts) -> None:
    if facts.provider:
        provider, system = _PROVIDERS.get(facts.provider, (facts.provider, None))
        told["llm.provider"] = provider
        if system:
            told["llm.system"] = system
    asked, answered = text(facts.request.get("model")), text(facts.response.get("model"))
    if asked and answered and asked != answered:
        told["llm.request.model_name"] = asked
        told["llm.response.model_name"] = answered
    reasons = facts.response.get("finish_reasons")
    if isinstance(reasons, list) and reasons and text(reasons[0]):
        told["llm.finish_reason"] = reasons[0]


def _add_parameters(told: Attributes, prefix: str, facts: Facts) -> None:
    model = text(facts.response.get("model")) or text(facts.request.get("model"))
    if model:
        told[f"{prefix}.model_name"] = model
    parameters = {**facts.request, **facts.extra}
    parameters.pop("api_type", None)  # which interface was called, not what was sent to it
    if parameters:
        told[f"{prefix}.invocation_parameters"] = to_json(parameters)


def _add_content(told: Attributes, facts: Facts) -> None:
    sent = facts.input_messages or []
    if facts.system_instructions:
        instructions: Message = {"role": "system", "parts": facts.system_instructions}
        sent = [instructions, *sent]
    add_messages(told, "llm.input_messages", sent)
    add_messages(told, "llm.output_messages", facts.output_messages or ())
    for index, tool in enumerate(facts.tool_definitions or ()):
        told[f"llm.tools.{index}.tool.json_schema"] = to_json(_nested(tool))


def _nested(tool: dict[str, Any]) -> dict[str, Any]:
    """Bring a function into the form that readers of OpenInference know: its name below `function`."""
    if tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def _add_tool(told: Attributes, tool: ToolFacts) -> None:
    told["tool.name"] = tool.name
    if tool.description:
        told["tool.description"] = tool.description
    if tool.parameters is not None:
        told["tool.parameters"] = to_json(tool.parameters)
    if tool.call_id:
        told["tool.id"] = tool.call_id


def _add_kept(told: Attributes, kind: Kind, facts: Facts) -> None:
    """Add under GenAI's names what OpenInference cannot say."""
    if facts.provider and kind in _WITHOUT_PROVIDER:
        told["gen_ai.provider.name"] = facts.provider
    identity = text(facts.response.get("id"))
    if identity:
        told["gen_ai.response.id"] = identity
    reasons = text_places(facts.response.get("finish_reasons"))
    if reasons and len(reasons) > 1:
        told["gen_ai.response.finish_reasons"] = reasons
    if facts.time_to_first_chunk_s is not None:
        told["gen_ai.response.time_to_first_chunk"] = float(facts.time_to_first_chunk_s)
    if facts.prompts and facts.prompts[0].name:
        told["gen_ai.prompt.name"] = facts.prompts[0].name
    if facts.top_k is not None and "reranker.top_k" not in told:
        told["gen_ai.retrieval.top_k"] = facts.top_k
    if facts.dimensions is not None:
        told["gen_ai.embeddings.dimension.count"] = facts.dimensions


OPENINFERENCE: Final = OpenInference()
