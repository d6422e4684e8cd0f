"""What a request says: model, parameters, messages, tools, and whom it went to.

All but `take_prompts` runs in the worker, on plain trees.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from callspan.model.facts import MISSING, Facts
from callspan.model.messages import read_messages, text_message
from callspan.model.prompt import RenderedPrompt, recent_texts
from callspan.model.retrieval import Embedding

Tree = dict[str, Any]

# Parameters of the chat endpoint by OpenAI's names, and ours for each; all others stand in `Facts.extra` as they came.
_CHAT: Final[dict[str, str]] = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",  # of compatible servers, by `extra_body`
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "n": "choice_count",
    "stream": "stream",
    "reasoning_effort": "reasoning_level",
    "service_tier": "service_tier",
}
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}

# Hosts, and the provider's name in the GenAI conventions. The first that fits counts.
_PROVIDERS: Final[tuple[tuple[str, str], ...]] = (
    ("*api.openai.com", "openai"),
    ("*.openai.azure.com", "azure.ai.openai"),
    ("*.cognitiveservices.azure.com", "azure.ai.openai"),
    ("*.ai.azure.com", "azure.ai.inference"),
    ("*aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("bedrock*.amazonaws.com", "aws.bedrock"),
    ("api.anthropic.com", "anthropic"),
    ("api.cohere.*", "cohere"),
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.moonshot.*", "moonshot_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
    ("*.ml.cloud.ibm.com", "ibm.watsonx.ai"),
)
_OTHER_PROVIDER: Final = "openai-compatible"
_PORTS: Final = {"http": 80, "https": 443}


class Server(NamedTuple):
    """Whom a client talks to."""

    provider: str
    address: str | None
    port: int | None
    deployment: str | None = None  # of Azure: the model, where the request does not name one


@lru_cache(maxsize=64)
def server_of(base_url: str, *, is_azure: bool) -> Server:
    """Tell the server and its provider from a client's base URL; `is_azure` says that it is an Azure client.

    >>> server_of("https://api.openai.com/v1/", is_azure=False)
    Server(provider='openai', address='api.openai.com', port=443, deployment=None)
    >>> server_of("http://localhost:11434/v1", is_azure=False)
    Server(provider='openai-compatible', address='localhost', port=11434, deployment=None)
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # no port, or no host, that anyone could connect to
        host = port = None
    deployment = re.search(r"/deployments/([^/?]+)", base_url)
    named = (provider for pattern, provider in _PROVIDERS if fnmatchcase(host or "", pattern))
    provider = "azure.ai.openai" if is_azure else next(named, _OTHER_PROVIDER)
    return Server(provider, host, port if host else None, deployment[1] if deployment else None)


def take_prompts(body: Any) -> tuple[Any, list[Any] | None]:
    """Return the body with rendered prompts among its messages made plain texts, and these prompts.

    On the caller's thread: plain texts are frozen in a tenth of the time. Prompts in other places are found when the
    body is frozen, and where the client has made plain texts of them, by their content.
    """
    messages = body.get("messages") if recent_texts and type(body) is dict else None
    if type(messages) is not list:
        return body, None
    prompts = [message["content"] for message in messages if type(message) is dict and _is_prompt(message)]
    if not prompts:
        return body, None
    plain = [
        {**message, "content": str(message["content"])} if type(message) is dict and _is_prompt(message) else message
        for message in messages
    ]
    return {**body, "messages": plain}, prompts


def _is_prompt(message: dict[Any, Any]) -> bool:
    return type(message.get("content")) is RenderedPrompt


def with_files(body: Any, files: Any) -> Any:
    """Return the body with the names of the files that are sent beside it, and their sizes where they are bytes.

    On the caller's thread: nothing is read.
    """
    entries = [*files.items()] if type(files) is dict else [*files] if type(files) is list else []
    told = [_file(*entry) for entry in entries if type(entry) is tuple and len(entry) == 2]
    return {**(body if type(body) is dict else {}), "files": told} if told else body


def _file(field: Any, value: Any) -> Tree:
    name, content = value[:2] if type(value) is tuple and len(value) > 1 else (None, value)
    told: Tree = {"field": field if type(field) is str else None, "name": name if type(name) is str else None}
    if type(content) is bytes:
        told["bytes"] = len(content)
    return {key: one for key, one in told.items() if one is not None}


def read_chat(facts: Facts, body: Tree) -> None:
    """Read the body of a chat completion."""
    rest = dict(body)
    messages = read_messages(rest.get("messages"))
    if messages is not None:
        facts.input_messages = messages
        del rest["messages"]
    take_tools(facts, rest, "tools")
    take_tools(facts, rest, "functions")
    take_output_type(facts, rest.get("response_format"))
    if facts.provider == "openai":
        facts.request["api_type"] = "chat_completions"
    take_parameters(facts, rest, _CHAT)
    leave(facts, rest, "messages")


def read_completion(facts: Facts, body: Tree) -> None:
    """Read the body of a completion of the older kind. Prompts that are numbers of tokens stay in `facts.input`."""
    rest = dict(body)
    prompt = rest.get("prompt")
    texts = [prompt] if isinstance(prompt, str) else prompt
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        facts.input_messages = [text_message("user", text) for text in texts]
        del rest["prompt"]
    take_parameters(facts, rest, _CHAT)
    leave(facts, rest, "prompt")


def take_tools(facts: Facts, rest: Tree, name: str) -> None:
    """Move the tools that were offered to their field."""
    tools = rest.get(name)
    if isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools):
        facts.tool_definitions = [*(facts.tool_definitions or ()), *rest.pop(name)]


def take_output_type(facts: Facts, wanted: Any) -> None:
    """Tell what kind of output a format asks for."""
    if isinstance(wanted, dict) and wanted.get("type") in _OUTPUT_TYPES:
        facts.request["output_type"] = _OUTPUT_TYPES[wanted["type"]]


def take_parameters(facts: Facts, rest: Tree, names: dict[str, str]) -> None:
    """Move the parameters that `names` knows to the request."""
    for name, key in names.items():
        value = rest.pop(name, None)
        if value is not None:
            facts.request[key] = [value] if name == "stop" and isinstance(value, str) else value


def read_embeddings(facts: Facts, body: Tree) -> None:
    """Read the body of a request for embeddings. Input that is numbers of tokens, not text, stays in `facts.input`."""
    rest = dict(body)
    given = rest.get("input")
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        facts.embeddings = [Embedding(text=text) for text in texts]
        del rest["input"]
    if isinstance(rest.get("model"), str):
        facts.request["model"] = rest.pop("model")
    if isinstance(rest.get("encoding_format"), str):
        facts.request["encoding_formats"] = [rest.pop("encoding_format")]
    if type(rest.get("dimensions")) is int:
        facts.dimensions = rest.pop("dimensions")
    leave(facts, rest, "input")


def leave(facts: Facts, rest: Tree, content: str) -> None:
    """Keep what no field took: content that could not be read as the input, everything else as parameters."""
    facts.input = rest.pop(content, MISSING)
    facts.extra.update({name: value for name, value in rest.items() if value is not None})
