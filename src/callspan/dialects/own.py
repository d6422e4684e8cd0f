"""What every dialect says in the same words: callspan's own names, and those that no convention of LLMs owns."""

from __future__ import annotations

from typing import Any, Final

from callspan.dialects.json_text import to_json
from callspan.model.facts import Facts, PromptUse
from callspan.model.feedback import Feedback
from callspan.model.span import STATUS_ERROR, Span
from callspan.model.usage import Usage

_NOT_ERRORS: Final = ("cancelled", "abandoned")


def add_own(told: dict[str, Any], span: Span) -> None:
    """Add them. `openinference.span.kind` is among them because GenAI has no word for a chain."""
    facts = span.facts or Facts()
    told["openinference.span.kind"] = span.kind.upper()
    told["callspan.outcome"] = span.outcome
    if span.component:
        told["callspan.component"] = span.component
    error = error_type(span)
    if error:
        told["error.type"] = error
    if facts.server_address:
        told["server.address"] = facts.server_address
        if facts.server_port is not None:
            told["server.port"] = facts.server_port
    if facts.step is not None:
        told["callspan.conversation.step"] = facts.step
    if facts.usage is not None and not span.usage_below:
        _add_usage(told, facts.usage)
    if facts.chunk_count is not None or facts.retries is not None:
        _add_call(told, facts)
    if facts.response or facts.embeddings:
        _add_answer(told, facts)
    if facts.feedback is not None:
        _add_feedback(told, facts.feedback)
    if len(facts.prompts) > 1:
        told["callspan.prompts"] = to_json([_prompt(prompt) for prompt in facts.prompts])
    if facts.truncated:
        told["callspan.truncated"] = to_json(facts.truncated)
    if facts.redacted_count:
        told["callspan.redacted"] = facts.redacted_count


def error_type(span: Span) -> str | None:
    """Return what `error.type` says: the exception's type, `_OTHER` where only the status tells, None without error.

    A cancelled task and an abandoned stream are not errors, even when an exception ended them.
    """
    if span.error is not None and span.outcome not in _NOT_ERRORS:
        return span.error.type
    return "_OTHER" if span.status == STATUS_ERROR else None


def _add_usage(told: dict[str, Any], usage: Usage) -> None:
    told["callspan.usage.source"] = usage.source
    if usage.tokenizer:
        told["callspan.usage.tokenizer"] = usage.tokenizer
    if usage.accepted_prediction_tokens is not None:
        told["callspan.usage.accepted_prediction_tokens"] = usage.accepted_prediction_tokens
    if usage.rejected_prediction_tokens is not None:
        told["callspan.usage.rejected_prediction_tokens"] = usage.rejected_prediction_tokens
    if usage.raw:
        told["callspan.usage.raw"] = to_json(usage.raw)


def _add_call(told: dict[str, Any], facts: Facts) -> None:
    if facts.chunk_count is not None:
        told["callspan.stream.chunks"] = facts.chunk_count
    if facts.retries is not None:
        told["callspan.retries"] = facts.retries


def _add_answer(told: dict[str, Any], facts: Facts) -> None:
    request_id = facts.response.get("request_id")
    if isinstance(request_id, str):
        told["callspan.response.request_id"] = request_id
    embeddings = facts.embeddings
    if embeddings and any("vector_hash" in embedding for embedding in embeddings):
        told["callspan.embedding.vector_hashes"] = [embedding.get("vector_hash", "") for embedding in embeddings]


def evaluation(feedback: Feedback) -> dict[str, Any]:
    """Return feedback under GenAI's names of an evaluation; OpenInference has none for spans."""
    values = {
        "gen_ai.evaluation.name": feedback.name,
        "gen_ai.evaluation.score.value": None if feedback.score is None else float(feedback.score),
        "gen_ai.evaluation.score.label": feedback.label,
        "gen_ai.evaluation.explanation": feedback.comment,
    }
    return {name: value for name, value in values.items() if value is not None}


def _add_feedback(told: dict[str, Any], feedback: Feedback) -> None:
    told.update(evaluation(feedback))
    values = {
        "callspan.feedback.target": feedback.target,
        "callspan.feedback.annotator": feedback.annotator,
        "callspan.feedback.id": feedback.id,
        "callspan.feedback.key": feedback.key,
    }
    told.update((name, value) for name, value in values.items() if value is not None)


def _prompt(prompt: PromptUse) -> dict[str, Any]:
    told = {"name": prompt.name, "version": prompt.version, "template": prompt.template, "variables": prompt.variables}
    return {key: value for key, value in told.items() if value}
