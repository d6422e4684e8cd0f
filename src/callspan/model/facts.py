"""What a span says, once the worker has opened its snapshots: plain data, the same for every dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from callspan.model.feedback import Feedback
from callspan.model.messages import Message, Part
from callspan.model.retrieval import Document, Embedding
from callspan.model.usage import Usage


class Missing:
    """Says that there is no value, where None would be one."""

    def __repr__(self) -> str:
        """Name it."""
        return "MISSING"

    def __bool__(self) -> bool:
        """Be false, so that `if facts.input` reads naturally where None and MISSING mean the same."""
        return False


MISSING: Final = Missing()


@dataclass(slots=True)
class PromptUse:
    """A prompt template that went into a call. `version` is a content hash unless the template has its own."""

    template: str
    variables: dict[str, Any]
    name: str | None = None
    version: str | None = None


@dataclass(slots=True)
class ToolFacts:
    """The tool that a tool span ran: its name and JSON schema, and the ID of the model's call for it."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    call_id: str | None = None
    type: str = "function"


@dataclass(slots=True)
class Facts:
    """Everything known of one call. Trees hold only None, bool, int, float, str, list and dict with str keys.

    `input` and `output` hold what no finer field took: a value understood as messages is not kept a second time.
    `request` holds the model parameters by their GenAI names without the prefix: model, temperature, top_p, top_k,
    max_tokens, stop_sequences, frequency_penalty, presence_penalty, seed, choice_count, stream, output_type,
    encoding_formats, reasoning_level, previous_response_id, service_tier, api_type (`chat_completions` or `responses`).
    What is none of these stands in `extra`.
    `response` holds id, model, finish_reasons (list), status, service_tier, system_fingerprint, request_id.
    """

    input: Any = MISSING
    output: Any = MISSING
    # the model call
    operation: str | None = None
    provider: str | None = None
    request: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    response: dict[str, Any] = field(default_factory=dict)
    system_instructions: list[Part] | None = None
    input_messages: list[Message] | None = None
    output_messages: list[Message] | None = None
    tool_definitions: list[dict[str, Any]] | None = None
    usage: Usage | None = None
    server_address: str | None = None
    server_port: int | None = None
    retries: int | None = None
    # the stream
    time_to_first_chunk_s: float | None = None
    chunk_count: int | None = None
    # retrieval, reranking, embedding
    query: str | None = None
    top_k: int | None = None
    documents: list[Document] | None = None
    input_documents: list[Document] | None = None
    embeddings: list[Embedding] | None = None
    dimensions: int | None = None
    # tool and agent
    tool: ToolFacts | None = None
    agent_name: str | None = None
    feedback: Feedback | None = None
    span_kind: int | None = None  # OTLP's number for it, where another tracer said so
    # where the call stands
    prompts: list[PromptUse] = field(default_factory=list)
    conversation_id: str | None = None
    step: int | None = None
    user_id: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    # free attributes of the user, and what was done to the data
    attributes: dict[str, Any] = field(default_factory=dict)
    truncated: dict[str, int] = field(default_factory=dict)
    redacted_count: int = 0
