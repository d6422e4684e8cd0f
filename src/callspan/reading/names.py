"""What the attributes of a span mean: the names of the GenAI conventions, old and new, of OpenInference and our own.

Where a fact has several names, the GenAI one wins, then OpenInference, then what other tools write.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from callspan.model.feedback import FeedbackTarget
from callspan.model.kinds import Kind, kind_of
from callspan.model.span import Outcome
from callspan.reading.attributes import Attributes, as_anything, as_mapping, as_text

Tree = dict[str, Any]
Status = Literal["unset", "ok", "error"]

_TARGETS: Final[dict[str, FeedbackTarget]] = {target: target for target in get_args(FeedbackTarget)}
_OUTCOMES: Final[dict[str, Outcome]] = {outcome: outcome for outcome in get_args(Outcome)}

KIND: Final = ("openinference.span.kind", "traceloop.span.kind")
OPERATION: Final = ("gen_ai.operation.name",)
COMPONENT: Final = ("callspan.component",)
OUTCOME: Final = ("callspan.outcome",)
REQUEST_MODEL: Final = ("gen_ai.request.model", "llm.request.model_name")
RESPONSE_MODEL: Final = ("gen_ai.response.model", "llm.response.model_name")
EITHER_MODEL: Final = ("llm.model_name", "embedding.model_name", "reranker.model_name")
FINISH_REASONS: Final = ("gen_ai.response.finish_reasons", "llm.finish_reason")
CONVERSATION: Final = ("gen_ai.conversation.id", "session.id")
STEP: Final = ("callspan.conversation.step",)
USER: Final = ("user.id", "enduser.id")
USAGE_SOURCE: Final = ("callspan.usage.source",)
ERROR_TYPE: Final = ("error.type",)
TRUNCATED: Final = ("callspan.truncated",)
REDACTED: Final = ("callspan.redacted",)
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system")
HOST: Final = ("llm.provider",)
SYSTEM: Final = ("llm.system",)
FIRST_CHUNK: Final = ("gen_ai.response.time_to_first_chunk",)
CHUNKS: Final = ("callspan.stream.chunks",)
COST: Final = ("callspan.cost.total", "llm.cost.total", "gen_ai.usage.cost")
PROMPT_NAME: Final = ("gen_ai.prompt.name",)
PROMPT_VERSION: Final = ("gen_ai.prompt.version", "llm.prompt_template.version")
TAGS: Final = ("tag.tags",)
METADATA: Final = ("metadata",)
FEEDBACK: Final = ("gen_ai.evaluation.name",)
FEEDBACK_SCORE: Final = ("gen_ai.evaluation.score.value",)
FEEDBACK_LABEL: Final = ("gen_ai.evaluation.score.label",)
FEEDBACK_COMMENT: Final = ("gen_ai.evaluation.explanation",)
FEEDBACK_TARGET: Final = ("callspan.feedback.target",)
FEEDBACK_ANNOTATOR: Final = ("callspan.feedback.annotator",)
FEEDBACK_ID: Final = ("callspan.feedback.id",)
FEEDBACK_KEY: Final = ("callspan.feedback.key",)

USAGE: Final[dict[str, tuple[str, ...]]] = {
    "input_tokens": ("gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens"),
    "total_tokens": ("llm.token_count.total", "gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "gen_ai.usage.cache_read_input_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "llm.token_count.completion_details.reasoning",
        "gen_ai.usage.reasoning_tokens",
    ),
    "audio_input_tokens": ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
    "audio_output_tokens": ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio"),
    "text_input_tokens": ("gen_ai.usage.text.input_tokens",),
    "text_output_tokens": ("gen_ai.usage.text.output_tokens",),
    "image_input_tokens": ("gen_ai.usage.image.input_tokens",),
    "image_output_tokens": ("gen_ai.usage.image.output_tokens",),
    "accepted_prediction_tokens": ("callspan.usage.accepted_prediction_tokens",),
    "rejected_prediction_tokens": ("callspan.usage.rejected_prediction_tokens",),
}

_REQUEST: Final[dict[str, tuple[str, ...]]] = {
    "temperature": ("gen_ai.request.temperature",),
    "top_p": ("gen_ai.request.top_p",),
    "top_k": ("gen_ai.request.top_k",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "stop_sequences": ("gen_ai.request.stop_sequences",),
    "frequency_penalty": ("gen_ai.request.frequency_penalty",),
    "presence_penalty": ("gen_ai.request.presence_penalty",),
    "seed": ("gen_ai.request.seed",),
    "choice_count": ("gen_ai.request.choice.count",),
    "stream": ("gen_ai.request.stream",),
    "output_type": ("gen_ai.output.type",),
    "encoding_formats": ("gen_ai.request.encoding_formats",),
    "reasoning_level": ("gen_ai.request.reasoning.level",),
    "previous_response_id": ("gen_ai.request.previous_response.id",),
    "service_tier": ("openai.request.service_tier",),
    "api_type": ("openai.api.type",),
}
# OpenInference's name of a provider, where GenAI has another one.
_PROVIDERS: Final[dict[str, str]] = {
    "azure": "azure.ai.inference",
    "aws": "aws.bedrock",
    "google": "gcp.gemini",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
_PARAMETERS: Final = ("llm.invocation_parameters", "embedding.invocation_parameters")


def read_kind(attributes: Attributes) -> tuple[Kind, str | None]:
    """Take the kind and the finer word beside it. A span that names neither a kind nor an operation is a chain."""
    operation = as_text(attributes.left.get(OPERATION[0]))
    kind, component = kind_of(attributes.text(*KIND), operation)
    return kind, attributes.text(*COMPONENT) or component


def read_outcome(attributes: Attributes, status: Status) -> Outcome:
    """Take the outcome; where none is told, it follows from the status."""
    told = attributes.take(as_outcome, *OUTCOME)
    return outcome_of(told, status)


def outcome_of(told: object, status: Status) -> Outcome:
    """Return the outcome that is told, if it is one of ours; else the one that follows from the status."""
    return as_outcome(told) or ("error" if status == "error" else "ok")


def read_call(attributes: Attributes) -> Tree:
    """Take what is known of a model call, by the fields of a `SpanRecord`."""
    request, response = read_request(attributes), read_response(attributes)
    either = attributes.text(*EITHER_MODEL)
    if either and request.setdefault("model", either) != either:
        response.setdefault("model", either)
    return {
        "operation": attributes.text(*OPERATION),
        "provider": read_provider(attributes),
        "server_address": attributes.text("server.address"),
        "server_port": attributes.count("server.port"),
        "request": request,
        "response": response,
        "retries": attributes.count("callspan.retries"),
        "time_to_first_chunk_s": attributes.number("gen_ai.response.time_to_first_chunk"),
        "chunk_count": attributes.count(*CHUNKS),
        "dimensions": attributes.count("gen_ai.embeddings.dimension.count"),
    }


def read_provider(attributes: Attributes) -> str | None:
    """Take the provider, by its GenAI name."""
    name = attributes.text(*PROVIDER)
    host, system = attributes.text(*HOST), attributes.text(*SYSTEM)
    return provider_of(host, system) if name is None else name


def provider_of(host: str | None, system: str | None) -> str | None:
    """Return the GenAI name of a provider that OpenInference tells by two words; None when it tells neither."""
    if host == "azure" and system == "openai":
        return "azure.ai.openai"
    word = host or system
    return _PROVIDERS.get(word, word) if word else None


def read_request(attributes: Attributes) -> Tree:
    """Take the model parameters; those with a name of their own win over the lump OpenInference keeps them in."""
    request: Tree = {}
    for name in _PARAMETERS:
        request.update(attributes.mapping(name) or {})
    if not isinstance(request.get("model", ""), str):
        del request["model"]
    model = attributes.text(*REQUEST_MODEL)
    if model is not None:
        request["model"] = model
    for field, names in _REQUEST.items():
        value = attributes.take(as_anything, *names)
        if value is not None:
            request[field] = value
    return request


def read_response(attributes: Attributes) -> Tree:
    """Take what the provider said of its answer."""
    told = {
        "id": attributes.text("gen_ai.response.id"),
        "model": attributes.text(*RESPONSE_MODEL),
        "finish_reasons": attributes.texts(*FINISH_REASONS),
        "status": attributes.text("gen_ai.response.status"),
        "service_tier": attributes.text("openai.response.service_tier"),
        "system_fingerprint": attributes.text("openai.response.system_fingerprint"),
        "request_id": attributes.text("callspan.response.request_id"),
    }
    return {name: value for name, value in told.items() if value is not None}


def read_usage(attributes: Attributes) -> Tree | None:
    """Take the token counts, by the fields of a `UsageRecord`; None when there is none."""
    usage: Tree = {}
    for field, names in USAGE.items():
        count = attributes.count(*names)
        if count is not None:
            usage[field] = count
    source = attributes.text(*USAGE_SOURCE)
    tokenizer = attributes.text("callspan.usage.tokenizer")
    if not usage:
        return None
    told = {"source": "estimated" if source == "estimated" else "reported", "tokenizer": tokenizer}
    raw = attributes.mapping("callspan.usage.raw")
    return {**usage, **told} if raw is None else {**usage, **told, "raw": raw}


def read_feedback(attributes: Attributes) -> Tree | None:
    """Take a piece of feedback, ours or another tool's evaluation, by the fields of a `FeedbackRecord`."""
    name = attributes.text(*FEEDBACK)
    if name is None:
        return None
    return {
        "name": name,
        "target": attributes.take(as_target, *FEEDBACK_TARGET) or "span",
        "score": attributes.number(*FEEDBACK_SCORE),
        "label": attributes.text(*FEEDBACK_LABEL),
        "comment": attributes.text(*FEEDBACK_COMMENT),
        "annotator": attributes.text(*FEEDBACK_ANNOTATOR) or "human",
        "id": attributes.text(*FEEDBACK_ID),
        "key": attributes.text(*FEEDBACK_KEY),
    }


def read_place(attributes: Attributes) -> Tree:
    """Take where the call stands and what was done to its data, by the fields of a `SpanRecord`."""
    return {
        "conversation_id": attributes.text(*CONVERSATION),
        "step": attributes.count(*STEP),
        "user_id": attributes.text(*USER),
        "tags": attributes.texts("tag.tags") or [],
        "metadata": attributes.mapping("metadata") or {},
        "agent_name": attributes.text("gen_ai.agent.name", "agent.name"),
        "truncated": attributes.take(_as_sizes, *TRUNCATED) or {},
        "redacted_count": attributes.count(*REDACTED) or 0,
    }


def as_outcome(value: object) -> Outcome | None:
    """Return one of our outcomes."""
    return _OUTCOMES.get(value) if isinstance(value, str) else None


def as_target(value: object) -> FeedbackTarget | None:
    """Return one of the things that feedback is about."""
    return _TARGETS.get(value) if isinstance(value, str) else None


def _as_sizes(value: object) -> dict[str, int] | None:
    sizes = as_mapping(value)
    return sizes if sizes and all(type(size) is int for size in sizes.values()) else None
