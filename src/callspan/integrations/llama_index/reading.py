"""What a call says, read in the worker from plain trees: messages, parameters, prompt, answer, usage."""

from __future__ import annotations

import hashlib
import string
from typing import Any, Final

from callspan.integrations.llama_index.request import Tree
from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.messages import Message, Part, parse_json, read_part, read_tool_call, text_message, texts_of
from callspan.model.span import Snapshot, Span
from callspan.model.usage import read_usage
from callspan.recording.opening import value_of
from callspan.recording.plain import plain
from callspan.recording.results import PARAMETERS, recognise_prompts
from callspan.recording.tool_schema import parameters_schema

# The last part of a module below `llama_index.llms`, and the provider's name in the GenAI conventions.
_PROVIDERS: Final = {
    "azure_openai": "azure.ai.openai",
    "azure_inference": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "ibm": "ibm.watsonx.ai",
    "openai_like": "openai-compatible",
}
_OLLAMA: Final = (  # its answers hold what others keep in an object of its own
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)


def provider_of(module: str) -> str | None:
    """Tell the provider from the module of a model's class; None for LlamaIndex's own and the user's.

    >>> provider_of("llama_index.llms.azure_openai.base")
    'azure.ai.openai'
    """
    parts = module.split(".")
    if len(parts) < 3 or parts[0] != "llama_index" or parts[1] not in ("llms", "embeddings", "multi_modal_llms"):
        return None
    return _PROVIDERS.get(parts[2], parts[2])


class ModelReading:
    """Reads the span of a model call. The caller's thread leaves here what the span itself has no place for."""

    __slots__ = ("method", "parameters", "prompt", "provider")

    def __init__(self, provider: str | None, parameters: Tree) -> None:
        """Know the model's settings, plain values by name."""
        self.provider = provider
        self.parameters = parameters
        self.method = ""  # chat, complete, and their kin
        self.prompt: Snapshot | None = None

    def __call__(self, span: Span, facts: Facts) -> None:
        """Read request and answer."""
        facts.provider = self.provider
        if self.method:
            facts.operation = "text_completion" if "complete" in self.method else "chat"
        given = facts.input if isinstance(facts.input, dict) else {}
        facts.input = MISSING
        self._read_parameters(facts, given.get("keywords"))
        if isinstance(given.get("messages"), list):
            facts.input_messages = [message_of(message) for message in given["messages"]]
        elif isinstance(given.get("prompt"), str):
            facts.input_messages = [text_message("user", given["prompt"])]
        if isinstance(facts.output, dict):
            _read_answer(span, facts, facts.output)
        if self.prompt is not None:
            use = prompt_use(value_of(self.prompt), texts_of(facts.input_messages or ()))
            if use is not None:
                facts.prompts.insert(0, use)
        recognise_prompts(facts)

    def _read_parameters(self, facts: Facts, keywords: Any) -> None:
        given: Tree = {**plain(self.parameters), **(keywords if isinstance(keywords, dict) else {})}
        for name in ("formatted", "prompt", "messages"):
            given.pop(name, None)
        tools = given.get("tools")
        if isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools):
            facts.tool_definitions = given.pop("tools")
        for name, value in given.items():
            known, types = PARAMETERS.get(name, (None, ()))
            if known is not None and isinstance(value, types):
                facts.request[known] = value
            elif value is not None:
                facts.extra[name] = value


def _read_answer(span: Span, facts: Facts, answer: Tree) -> None:
    facts.output = answer.get("object", MISSING)
    if isinstance(answer.get("message"), dict):
        facts.output_messages = [message_of(answer["message"])]
    elif isinstance(answer.get("text"), str):
        facts.output_messages = [text_message("assistant", answer["text"])]
    raw = answer.get("raw")
    raw = raw if isinstance(raw, dict) else {}
    for name in ("id", "model", "service_tier", "system_fingerprint"):
        if isinstance(raw.get(name), str):
            facts.response[name] = raw[name]
    reasons = _reasons(raw)
    if reasons:
        facts.response["finish_reasons"] = reasons
        reason = reasons[0]
        if facts.output_messages and isinstance(reason, str):
            facts.output_messages[0]["finish_reason"] = reason
    facts.usage = (
        read_usage(raw.get("usage"))
        or read_usage(raw.get("usage_metadata"))
        or read_usage({name: raw[name] for name in _OLLAMA if name in raw})
        or read_usage(answer.get("more"))
    )
    if raw.get("status") == "incomplete" and span.outcome == "ok":
        span.outcome = "incomplete"


def _reasons(raw: Tree) -> list[Any]:
    """Return why the answer ended: of a chat, of a response of OpenAI's, or as other providers say it."""
    reasons = raw.get("finish_reasons")
    if isinstance(reasons, list):
        return reasons
    details = raw.get("incomplete_details")
    if isinstance(details, dict) and isinstance(details.get("reason"), str):
        return [details["reason"]]
    told = (raw.get(name) for name in ("stop_reason", "done_reason"))
    return [reason for reason in told if isinstance(reason, str)]


# -- messages ----------------------------------------------------------------------------------------------------------


def message_of(tree: Any) -> Message:
    """Read a message as `request.message_tree` took it."""
    if not isinstance(tree, dict):
        return text_message("user", str(tree))
    role = tree.get("role")
    role = role if isinstance(role, str) else "user"
    added = tree.get("more")
    more: Tree = added if isinstance(added, dict) else {}
    blocks = tree.get("blocks")
    if not isinstance(blocks, list):
        content = tree.get("content")
        blocks = [] if content is None else [content]
    if role in ("tool", "function"):
        return {"role": "tool", "parts": [_tool_response(blocks, more)]}
    parts = [_part(block) for block in blocks if block != ""]
    called = {part.get("id") for part in parts if part["type"] == "tool_call"}
    calls = more.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            part = _tool_call(call)
            if part.get("id") is None or part["id"] not in called:
                parts.append(part)
    return {
        "role": {"chatbot": "assistant", "model": "assistant", "developer": "system"}.get(role, role),
        "parts": parts,
    }


def _tool_response(blocks: list[Any], more: Tree) -> Part:
    texts = [block for block in blocks if isinstance(block, str)]
    part: Part = {"type": "tool_call_response", "response": "\n".join(texts) if texts or not blocks else blocks}
    if isinstance(more.get("tool_call_id"), str):
        part["id"] = more["tool_call_id"]
    return part


def _tool_call(call: Tree) -> Part:
    """Read a call of a tool: OpenAI's shape, the flat one of its Responses, or that of LlamaIndex's selections."""
    if "tool_name" in call:
        arguments = call.get("tool_kwargs")
        call = {"id": call.get("tool_id", call.get("tool_call_id")), "name": call["tool_name"], "arguments": arguments}
    return read_tool_call({**call, "id": call.get("call_id") or call.get("id")})


def _part(block: Any) -> Part:
    if not isinstance(block, dict):
        return read_part(block)
    kind = block.get("block_type")
    if kind == "tool_call":
        return _tool_call(block)
    if kind == "thinking":
        return {"type": "reasoning", "content": str(block.get("content") or "")}
    if kind in ("image", "audio", "video", "document"):
        return _media(block, str(kind))
    rest = {name: value for name, value in block.items() if name != "block_type"}
    return {**rest, "type": kind if isinstance(kind, str) else "unknown"}


def _media(block: Tree, modality: str) -> Part:
    for name in ("url", "path"):
        if isinstance(block.get(name), str):
            return {"type": "uri", "modality": modality, "uri": block[name]}
    data = block.get("data", block.get(modality))
    part: Part = {"type": "blob", "modality": modality, "content": data if isinstance(data, str) else ""}
    mime = block.get(f"{modality}_mimetype")
    return {**part, "mime_type": mime} if isinstance(mime, str) else part


# -- prompts -----------------------------------------------------------------------------------------------------------


def prompt_use(tree: Any, texts: list[str]) -> PromptUse | None:
    """Read a template and its variables; of several candidates, the first whose own words all stand in the texts."""
    if not isinstance(tree, dict) or not isinstance(tree.get("templates"), list):
        return None
    spelled = [text for text in map(_template_text, tree["templates"]) if text]
    if not spelled:
        return None
    sent = "\n".join(texts)
    chosen = next((text for text in spelled if _is_in(text, sent)), spelled[-1])
    variables = tree.get("variables")
    name = tree.get("name")
    version = hashlib.sha256(chosen.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return PromptUse(
        chosen,
        variables if isinstance(variables, dict) else {},
        name if isinstance(name, str) else None,
        version,
    )


def _template_text(template: Any) -> str:
    """Spell a template: a text as it is, messages with their roles as LlamaIndex spells them."""
    if isinstance(template, str):
        return template
    if not isinstance(template, list):
        return ""
    messages = [message_of(message) for message in template]
    return "\n".join(f"{message['role']}: {text}" for message in messages for text in texts_of([message]))


def _is_in(template: str, sent: str) -> bool:
    try:
        literals = [literal.strip() for literal, *_ in string.Formatter().parse(template)]
    except ValueError:  # braces of another template language
        return False
    pieces = (piece for literal in literals for piece in literal.split("\n"))
    return all(_without_role(piece) in sent for piece in pieces)


def _without_role(piece: str) -> str:
    role, colon, rest = piece.partition(": ")
    return rest if colon and role in ("system", "user", "assistant", "tool") else piece


# -- tools and agents --------------------------------------------------------------------------------------------------


class ToolReading:
    """Reads the span of a tool: what it is, and which call of the model it answers."""

    __slots__ = ("_call_id", "_description", "_function", "_name")

    def __init__(self, name: str, description: Any, function: Any, call_id: Any) -> None:
        """Hold what the caller's thread found; `function` is the tool's own, if it is a plain one."""
        self._name = name
        self._description = description if type(description) is str else None
        self._function = function
        self._call_id = call_id if type(call_id) is str else None

    def __call__(self, _: Span, facts: Facts) -> None:
        """Describe the tool."""
        schema = parameters_schema(self._function) if hasattr(self._function, "__code__") else None
        facts.tool = ToolFacts(self._name, self._description, schema, self._call_id)
        if isinstance(facts.output, str):
            facts.output = parse_json(facts.output)


class AgentReading:
    """Reads the span of an agent."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        """Know the agent's name."""
        self._name = name

    def __call__(self, _: Span, facts: Facts) -> None:
        """Name the agent."""
        facts.agent_name = self._name
