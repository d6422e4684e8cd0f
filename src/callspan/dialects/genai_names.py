"""The names of the GenAI conventions, by ours. Which type each value has is part of the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callspan.dialects.contract import AttributeValue
from callspan.dialects.values import flag, number, text, text_places, texts, whole
from callspan.model.kinds import Kind

Names = dict[str, tuple[str, "type | None", Callable[[object], "AttributeValue | None"]]]
"""By our key: the attribute, the type that its value nearly always has and then stays what it is, and what reads any
other, with None for one of the wrong type."""

OPERATIONS: Final[dict[Kind, str]] = {
    "llm": "chat",
    "embedding": "embeddings",
    "retriever": "retrieval",
    "tool": "execute_tool",
    "agent": "invoke_agent",
}

REQUEST: Final[Names] = {
    "model": ("gen_ai.request.model", str, text),
    "temperature": ("gen_ai.request.temperature", float, number),
    "top_p": ("gen_ai.request.top_p", float, number),
    "top_k": ("gen_ai.request.top_k", int, whole),
    "max_tokens": ("gen_ai.request.max_tokens", int, whole),
    "stop_sequences": ("gen_ai.request.stop_sequences", None, texts),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float, number),
    "presence_penalty": ("gen_ai.request.presence_penalty", float, number),
    "seed": ("gen_ai.request.seed", int, whole),
    "choice_count": ("gen_ai.request.choice.count", int, whole),
    "stream": ("gen_ai.request.stream", bool, flag),
    "output_type": ("gen_ai.output.type", str, text),
    "encoding_formats": ("gen_ai.request.encoding_formats", None, texts),
    "reasoning_level": ("gen_ai.request.reasoning.level", str, text),
    "previous_response_id": ("gen_ai.request.previous_response.id", str, text),
}

OPENAI_REQUEST: Final[Names] = {
    **REQUEST,
    "service_tier": ("openai.request.service_tier", str, text),
    "api_type": ("openai.api.type", str, text),
}

RESPONSE: Final[Names] = {
    "id": ("gen_ai.response.id", str, text),
    "model": ("gen_ai.response.model", str, text),
    "finish_reasons": ("gen_ai.response.finish_reasons", None, text_places),
    "status": ("gen_ai.response.status", str, text),
}

OPENAI_RESPONSE: Final[Names] = {
    **RESPONSE,
    "service_tier": ("openai.response.service_tier", str, text),
    "system_fingerprint": ("openai.response.system_fingerprint", str, text),
}

# Requests that the conventions want left out, since they are what happens without them.
DEFAULTS: Final[dict[str, AttributeValue]] = {"choice_count": 1, "stream": False, "service_tier": "auto"}

# Fields of `Usage`. What was written to a cache is not among them: its name changed after the last release.
USAGE: Final[tuple[tuple[str, str], ...]] = (
    ("input_tokens", "gen_ai.usage.input_tokens"),
    ("output_tokens", "gen_ai.usage.output_tokens"),
    ("cache_read_tokens", "gen_ai.usage.cache_read.input_tokens"),
    ("reasoning_tokens", "gen_ai.usage.reasoning.output_tokens"),
    ("audio_input_tokens", "gen_ai.usage.audio.input_tokens"),
    ("audio_output_tokens", "gen_ai.usage.audio.output_tokens"),
    ("text_input_tokens", "gen_ai.usage.text.input_tokens"),
    ("text_output_tokens", "gen_ai.usage.text.output_tokens"),
    ("image_input_tokens", "gen_ai.usage.image.input_tokens"),
    ("image_output_tokens", "gen_ai.usage.image.output_tokens"),
)
