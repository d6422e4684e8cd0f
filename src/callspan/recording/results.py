"""Reads arguments and results of decorated functions by kind: messages, usage, documents, vectors, tool facts.

Runs in the worker on plain trees. What is understood moves to its field; what is not stays in `input` and `output`.
"""

from __future__ import annotations

import hashlib
import inspect
import struct
from collections.abc import Callable
from typing import Any, Final

from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.messages import (
    Message,
    parse_json,
    read_message,
    read_messages,
    read_tool_call,
    text_message,
    texts_of,
)
from callspan.model.prompt import RenderedPrompt, recent_texts
from callspan.model.retrieval import read_documents, read_vectors
from callspan.model.span import Span
from callspan.model.usage import read_usage
from callspan.recording.plain import plain
from callspan.recording.sites import Site
from callspan.recording.tool_schema import parameters_schema

Reader = Callable[[Span, Facts], None]

_Types = tuple[type, ...]
_TEXT: Final[_Types] = (str,)
_SCALAR: Final[_Types] = (str, int, float, bool)

# Model parameters by the names callers use: GenAI's name for each, and the types that it may have.
PARAMETERS: Final[dict[str, tuple[str, _Types]]] = {
    "model": ("model", _TEXT),
    "model_name": ("model", _TEXT),
    "temperature": ("temperature", _SCALAR),
    "top_p": ("top_p", _SCALAR),
    "top_k": ("top_k", _SCALAR),
    "max_tokens": ("max_tokens", _SCALAR),
    "max_completion_tokens": ("max_tokens", _SCALAR),
    "max_output_tokens": ("max_tokens", _SCALAR),
    "stop": ("stop_sequences", (str, list)),
    "stop_sequences": ("stop_sequences", (str, list)),
    "frequency_penalty": ("frequency_penalty", _SCALAR),
    "presence_penalty": ("presence_penalty", _SCALAR),
    "seed": ("seed", _SCALAR),
    "n": ("choice_count", _SCALAR),
    "stream": ("stream", _SCALAR),
    "reasoning_effort": ("reasoning_level", _TEXT),
    "service_tier": ("service_tier", _SCALAR),
    "previous_response_id": ("previous_response_id", _SCALAR),
}
_PARAMETER_HOLDERS: Final = ("params", "parameters", "model_kwargs", "kwargs", "config")
_MESSAGE_NAMES: Final = ("messages", "input_messages", "chat_history", "history", "input")
_PROMPT_NAMES: Final = ("prompt", "query", "question", "text", "user_prompt", "user_input", "user_message")
_SYSTEM_NAMES: Final = ("system", "system_prompt", "instructions")
_QUERY_NAMES: Final = ("query", "question", "q", "text", "search", "query_str", "prompt", "input")
_TOP_K_NAMES: Final = ("top_k", "k", "limit", "n", "n_results", "top_n")
_DOCUMENT_NAMES: Final = ("documents", "docs", "nodes", "candidates", "passages", "chunks")
_TEXT_NAMES: Final = ("texts", "text", "input", "inputs", "query", "documents", "sentences", "chunks")


def use_prompt(facts: Facts, rendered: RenderedPrompt) -> None:
    """Add a rendered prompt's template and variables, once."""
    use = PromptUse(rendered.template, plain(rendered.variables), rendered.name, rendered.version)
    if use not in facts.prompts:
        facts.prompts.append(use)


def read_llm(span: Span, facts: Facts) -> None:
    """Read a model call: messages, parameters and tools from the arguments, answer and usage from the result."""
    _read_request(facts)
    _read_answer(span, facts)
    recognise_prompts(facts)


def recognise_prompts(facts: Facts) -> None:
    """Find the templates of message texts by content, where a framework made plain strings of rendered prompts."""
    if recent_texts:
        for text in texts_of(facts.input_messages or ()):
            found = recent_texts.find(text)
            if found is not None:
                use_prompt(facts, found)


def _read_request(facts: Facts) -> None:
    arguments = facts.input
    if isinstance(arguments, str | list):
        arguments = {"messages" if isinstance(arguments, list) else "prompt": arguments}
    if not isinstance(arguments, dict):
        return
    rest = dict(arguments)
    _take_messages(facts, rest)
    if len(rest) == len(arguments) and arguments is not facts.input:
        return  # a text or a list that says nothing stays what it is
    for holder in [name for name in rest if name in _PARAMETER_HOLDERS]:
        nested = rest[holder]
        if isinstance(nested, dict) and _take_parameters(facts, nested):
            del rest[holder]
    if rest:
        _take_parameters(facts, rest, pop=True)
        tools = rest.get("tools")
        if isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools):
            facts.tool_definitions = rest.pop("tools")
    facts.input = rest or MISSING


def _take_messages(facts: Facts, rest: dict[str, Any]) -> None:
    for name in _MESSAGE_NAMES:
        messages = read_messages(rest[name]) if name in rest else None
        if messages is not None:
            facts.input_messages = messages
            del rest[name]
            break
    else:
        for name in _PROMPT_NAMES:
            if isinstance(rest.get(name), str):
                facts.input_messages = [text_message("user", rest.pop(name))]
                break
    for name in _SYSTEM_NAMES:
        if name in rest and facts.input_messages is not None and isinstance(rest[name], str):
            facts.system_instructions = [{"type": "text", "content": rest.pop(name)}]


def _take_parameters(facts: Facts, tree: dict[str, Any], *, pop: bool = False) -> bool:
    """Move the known parameters to `request`, the unknown ones of a parameter object to `extra`."""
    known, unknown = [], []
    request = facts.request
    for name, value in tree.items():
        parameter = PARAMETERS.get(name)
        if parameter is not None and type(value) in parameter[1]:  # of a plain tree, so of no other types
            known.append(name)
            request.setdefault(parameter[0], value)
        else:
            unknown.append(name)
    if pop:
        for name in known:
            del tree[name]
    elif known:
        for name in unknown:
            facts.extra[name] = tree[name]
    return bool(known)


def _read_answer(span: Span, facts: Facts) -> None:
    output = facts.output
    if isinstance(output, list) and output and all(isinstance(item, str) for item in output):
        if span.stream is not None:
            output = "".join(output)
        elif len(output) == 1:
            output = output[0]
    if isinstance(output, str):
        facts.output_messages = [text_message("assistant", output)]
        facts.output = MISSING
    elif isinstance(output, dict):
        _read_answer_object(facts, output)


def _read_answer_object(facts: Facts, output: dict[str, Any]) -> None:
    usage = output.get("usage", output.get("usage_metadata"))
    facts.usage = facts.usage or read_usage(usage)
    for name in ("id", "system_fingerprint", "service_tier", "model"):
        if type(output.get(name)) is str:
            facts.response[name] = output[name]
    choices = output.get("choices")
    if isinstance(choices, list) and choices:
        messages = [read_choice(choice) for choice in choices if isinstance(choice, dict)]
    else:
        answer = read_message(output if "role" in output else {"role": "assistant", **output}) or _text_answer(output)
        messages = [answer] if answer is not None else []
    if messages:
        facts.output_messages = messages
        facts.output = MISSING
    reasons = [message["finish_reason"] for message in messages if "finish_reason" in message]
    if not reasons and isinstance(output.get("stop_reason"), str):
        reasons = [output["stop_reason"]]
    if reasons:
        facts.response["finish_reasons"] = reasons


def _text_answer(output: dict[str, Any]) -> Message | None:
    for name in ("text", "output_text", "answer", "completion", "response"):
        if isinstance(output.get(name), str):
            return text_message("assistant", output[name])
    return None


def read_choice(choice: dict[str, Any]) -> Message:
    """Read one choice of a chat or text completion as the message it holds."""
    inner = choice.get("message")
    message = read_message({"role": "assistant", "content": None, **inner}) if isinstance(inner, dict) else None
    if message is None:
        message = text_message("assistant", str(choice.get("text") or ""))
    if isinstance(choice.get("finish_reason"), str):
        message["finish_reason"] = choice["finish_reason"]
    return message


def read_retriever(_: Span, facts: Facts) -> None:
    """Read the query and the documents that were found."""
    _take_query(facts)
    documents = read_documents(facts.output) if facts.output is not MISSING else None
    if documents is not None:
        facts.documents = documents
        facts.output = MISSING


def read_reranker(span: Span, facts: Facts) -> None:
    """Read the query, the documents that came in, and those that went out in their new order."""
    if isinstance(facts.input, dict):
        for name in _DOCUMENT_NAMES:
            documents = read_documents(facts.input[name]) if name in facts.input else None
            if documents is not None:
                facts.input_documents = documents
                facts.input = _without(facts.input, (name,))
                break
    _take_model(facts)
    read_retriever(span, facts)


def _take_model(facts: Facts) -> None:
    """Move the model's name to the request: the one parameter that rerankers and embedding models share with chats."""
    for name in ("model", "model_name"):
        model = _first_text(facts.input, (name,))
        if model is not None:
            facts.request["model"] = model
            facts.input = _without(facts.input, (name,))
            break


def read_embedding(span: Span, facts: Facts) -> None:
    """Read the texts, the vectors (all, their hashes or none, as the decorator says) and the model."""
    _take_model(facts)
    output = facts.output
    if isinstance(output, dict):
        facts.usage = read_usage(output.get("usage"))
        if isinstance(output.get("model"), str):
            facts.response["model"] = output["model"]
    vectors = read_vectors(output)
    texts = _texts(facts.input)
    if vectors:
        facts.dimensions = len(vectors[0])
        facts.output = MISSING
    keep_vectors(facts, texts, vectors or [], span.site.vectors)
    if facts.embeddings and texts:
        facts.input = _without(facts.input, _TEXT_NAMES)


def keep_vectors(facts: Facts, texts: list[str], vectors: list[list[float]], policy: str) -> None:
    """Pair texts with their vectors; `policy` is full, hash or none."""
    count = max(len(texts), len(vectors))
    facts.embeddings = []
    for index in range(count):
        entry: Any = {"text": texts[index]} if index < len(texts) else {}
        if index < len(vectors) and policy == "full":
            entry["vector"] = vectors[index]
        elif index < len(vectors) and policy == "hash":
            packed = struct.pack(f"<{len(vectors[index])}f", *vectors[index])
            entry["vector_hash"] = hashlib.sha256(packed).hexdigest()[:32]
        facts.embeddings.append(entry)


def read_tool(span: Span, facts: Facts) -> None:
    """Read what the tool is and which call of the model it answers."""
    tool = span.site.tool = span.site.tool or _describe_tool(span.site)
    call_id = _first_text(facts.input, ("tool_call_id", "call_id"))
    facts.tool = ToolFacts(span.name, tool.description, tool.parameters, call_id)
    if (
        isinstance(facts.input, dict)
        and set(facts.input) == {"tool_call"}
        and isinstance(facts.input["tool_call"], dict)
    ):
        call = read_tool_call(facts.input["tool_call"])
        facts.tool.call_id, facts.input = call.get("id"), call.get("arguments", MISSING)
    facts.output = parse_json(facts.output) if isinstance(facts.output, str) else facts.output


def _describe_tool(site: Site) -> ToolFacts:
    """Describe the decorated function itself; once, on the first call."""
    function = site.function
    if function is None:
        return ToolFacts(site.name)
    doc = getattr(function, "__doc__", None)
    return ToolFacts(site.name, inspect.cleandoc(doc) if isinstance(doc, str) else None, parameters_schema(function))


def read_agent(span: Span, facts: Facts) -> None:
    """Name the agent."""
    facts.agent_name = span.name


READERS: Final[dict[str, Reader]] = {
    "llm": read_llm,
    "retriever": read_retriever,
    "reranker": read_reranker,
    "embedding": read_embedding,
    "tool": read_tool,
    "agent": read_agent,
}


def _take_query(facts: Facts) -> None:
    """Move the query and the number of documents asked for to their fields."""
    arguments = {"query": facts.input} if isinstance(facts.input, str) else facts.input
    if not isinstance(arguments, dict):
        return
    rest = dict(arguments)
    for name in (*_QUERY_NAMES, *arguments):
        if isinstance(rest.get(name), str):
            facts.query = rest.pop(name)
            break
    for name in _TOP_K_NAMES:
        if type(rest.get(name)) is int:
            facts.top_k = rest.pop(name)
            break
    facts.input = rest or MISSING


def _first_text(tree: Any, names: tuple[str, ...]) -> str | None:
    if isinstance(tree, dict):
        for name in names:
            if isinstance(tree.get(name), str):
                return str(tree[name])
    return None


def _texts(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        for name in (*_TEXT_NAMES, *tree):
            if name in tree and (found := _texts(tree[name])):
                return found
        return []
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, list) and tree and all(isinstance(item, str) for item in tree):
        return tree
    return []


def _without(tree: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(tree, dict):
        return MISSING
    rest = {name: value for name, value in tree.items() if name not in names}
    return rest or MISSING
