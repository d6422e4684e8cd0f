"""What a run was given: which kind of span it is, what is kept of its input, and, in the worker, what that says."""

from __future__ import annotations

from typing import Any, Final

from callspan.guard import guard
from callspan.integrations.langchain.objects import Tree
from callspan.integrations.langchain.response import read_answer, read_documents_found
from callspan.model.facts import MISSING, Facts, ToolFacts
from callspan.model.messages import parse_json, read_messages, text_message
from callspan.model.span import Snapshot, Span
from callspan.recording.results import PARAMETERS, recognise_prompts
from callspan.recording.sites import Site
from callspan.recording.snapshot import freeze

# Providers by LangChain's names, where the GenAI conventions have another.
PROVIDERS: Final[dict[str, str]] = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azureopenai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
_ABOUT: Final = ("ls_provider", "ls_model_name", "ls_temperature", "ls_max_tokens", "ls_stop")
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}
_DEFERRED: Final = {"input": ""}  # what LangChain says at the start of a stream, when the input is still to come

# -- on the caller's thread --------------------------------------------------------------------------------------------


def name_of(serialized: Any, name: Any, fallback: str) -> str:
    """Return what LangChain calls a run."""
    if type(name) is str and name:
        return name
    if type(serialized) is dict:
        named = serialized.get("name")
        if type(named) is str and named:
            return named
        path = serialized.get("id")
        if type(path) is list and path and type(path[-1]) is str:
            return path[-1]
    return fallback


def chain_site(name: str, run_type: Any, tags: Any, metadata: Any, parent: Any) -> Site:
    """Return what a chain is: `parent` is the run that started it, if any.

    An agent says so in LangChain's own metadata, never in its name.
    """
    if run_type == "prompt":
        return PROMPT
    if run_type == "parser":
        return PARSER
    word = None
    for tag in tags or ():
        if type(tag) is not str:
            continue
        if tag == "langsmith:hidden":
            return HIDDEN
        if tag.startswith("graph:step:"):
            word = NODE
        elif word is None and tag.startswith(("seq:step:", "map:key:")):
            word = STEP
    if word is NODE:
        return NODE
    if metadata and _is_agent(name, metadata, parent):
        return AGENT
    return word or CHAIN


def _is_agent(name: str, metadata: Any, parent: Any) -> bool:
    agent = metadata.get("lc_agent_name")
    if type(agent) is str and agent == name:
        return True
    if metadata.get("ls_integration") != "langchain_create_agent":
        return False
    around = getattr(parent, "metadata", None)  # what is not recorded has none
    return not (around and around.get("ls_integration") == "langchain_create_agent")


def node_attributes(metadata: Tree) -> Tree | None:
    """Return which node of a graph a run is, and in which step."""
    told = {f"langgraph.{name}": metadata.get(f"langgraph_{name}") for name in ("node", "step")}
    return {name: value for name, value in told.items() if type(value) is str or type(value) is int} or None


def is_deferred(inputs: Tree) -> bool:
    """Return whether the input is still to come: LangChain tells it at the end of a stream."""
    return len(inputs) == 1 and type(inputs.get("input")) is str and inputs == _DEFERRED


def model_input(given: Any, params: Any, metadata: Any) -> Snapshot | None:
    """Return a private copy of what a model was given, and of what LangChain says of it, whoever made it."""
    try:
        return freeze([given, params, *map((metadata or {}).get, _ABOUT)], MODEL_INPUT)
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("freezing what a model of langchain was given", error)
        return None


def model_run_name(site: Site, serialized: Any, name: Any, params: Any, metadata: Any) -> str:
    """Return what the run of a model is called: what the user has named it, or by the model that it asks."""
    if type(name) is str and name:
        return name
    model = metadata.get("ls_model_name") if metadata else None
    if type(model) is not str and type(params) is dict:
        model = params.get("model")
        if type(model) is not str:
            model = params.get("model_name")
    return f"{site.name} {model}" if type(model) is str and model else name_of(serialized, None, site.name)


# -- in the worker -----------------------------------------------------------------------------------------------------

MODEL_INPUT: Final = ("given", "params", *_ABOUT)
"""What the snapshot of a model's input holds, by name."""


def read_chat(span: Span, facts: Facts) -> None:
    """Read a run of a chat model."""
    facts.operation = "chat"
    given = _take_input(facts)
    messages = read_messages(given.get("given"))
    if messages is not None:
        facts.input_messages = messages
    _read_parameters(span, facts, given)
    read_answer(span, facts)
    recognise_prompts(facts)


def read_text(span: Span, facts: Facts) -> None:
    """Read a run of a model for texts."""
    facts.operation = "text_completion"
    given = _take_input(facts)
    prompts = given.get("given")
    if isinstance(prompts, list):
        facts.input_messages = [text_message("user", prompt) for prompt in prompts if isinstance(prompt, str)]
    _read_parameters(span, facts, given)
    read_answer(span, facts)
    recognise_prompts(facts)


def _take_input(facts: Facts) -> Tree:
    given, facts.input = facts.input, MISSING
    return given if isinstance(given, dict) else {}


def _read_parameters(span: Span, facts: Facts, given: Tree) -> None:
    params = given.get("params")
    rest = dict(params) if isinstance(params, dict) else {}
    rest.pop("_type", None)
    provider = given.get("ls_provider")
    if isinstance(provider, str):
        facts.provider = PROVIDERS.get(provider, provider)
    for name, key in (("ls_model_name", "model"), ("ls_temperature", "temperature"), ("ls_max_tokens", "max_tokens")):
        if given.get(name) is not None:
            facts.request[key] = given[name]
    tools = rest.get("tools")
    if isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools):
        facts.tool_definitions = rest.pop("tools")
    wanted = rest.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") in _OUTPUT_TYPES:
        facts.request["output_type"] = _OUTPUT_TYPES[wanted["type"]]
    for name, (key, _) in PARAMETERS.items():
        value = rest.pop(name, None)
        if value is not None:
            facts.request[key] = [value] if key == "stop_sequences" and isinstance(value, str) else value
    if given.get("ls_stop") is not None:
        facts.request.setdefault("stop_sequences", given["ls_stop"])
    if span.stream is not None:
        facts.request["stream"] = True
    facts.extra.update({name: value for name, value in rest.items() if value is not None})


class ToolReader:
    """Reads a tool's run, with what LangChain says of the tool at its start."""

    __slots__ = ("_call_id", "_serialized")

    def __init__(self, serialized: Any, call_id: Any) -> None:
        """Keep the description and the ID of the model's call for it."""
        self._serialized = serialized
        self._call_id = call_id if type(call_id) is str else None

    def __call__(self, span: Span, facts: Facts) -> None:
        """Read arguments and result."""
        described = self._serialized.get("description") if isinstance(self._serialized, dict) else None
        facts.tool = ToolFacts(
            span.name, described if isinstance(described, str) and described else None, None, self._call_id
        )
        output = facts.output
        if isinstance(output, dict) and output.get("type") == "tool":
            if isinstance(output.get("tool_call_id"), str):
                facts.tool.call_id = output["tool_call_id"]
            output = output.get("content")
        facts.output = parse_json(output)


class RetrieverReader:
    """Reads a retriever's run. `scores` are those that its vector store told, beside the documents they belong to."""

    __slots__ = ("_metadata", "scores")

    def __init__(self, metadata: Any) -> None:
        """Keep what LangChain says of the vector store."""
        self._metadata = metadata
        self.scores: list[tuple[Any, float]] | None = None

    def __call__(self, _: Span, facts: Facts) -> None:
        """Read query and documents."""
        if isinstance(facts.input, str):
            facts.query, facts.input = facts.input, MISSING
        for name in ("ls_vector_store_provider", "ls_embedding_provider"):
            told = self._metadata.get(name) if type(self._metadata) is dict else None
            if type(told) is str:
                facts.metadata[name] = told
        read_documents_found(facts)


def read_agent(span: Span, facts: Facts) -> None:
    """Name the agent."""
    facts.agent_name = span.name


CHAIN: Final = Site("chain", "chain")
HIDDEN: Final = Site("hidden", "chain")  # what LangChain itself calls so: no span, and what is below goes up one
STEP: Final = Site("step", "chain", component="step")
NODE: Final = Site("node", "chain", component="node")
PROMPT: Final = Site("prompt", "chain", component="prompt")
PARSER: Final = Site("parser", "chain", component="parser")
AGENT: Final = Site("agent", "agent", reader=read_agent)
TOOL: Final = Site("tool", "tool")
RETRIEVER: Final = Site("retriever", "retriever")
CHAT: Final = Site("chat", "llm", reader=read_chat, awaits_provider=True)
TEXT: Final = Site("text completion", "llm", reader=read_text, awaits_provider=True)
