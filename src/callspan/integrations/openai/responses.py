"""The Responses API: what a request says, what came back, and how it ended. In the worker."""

from __future__ import annotations

from typing import Any, Final

from callspan.integrations.openai import items
from callspan.integrations.openai.request import leave, take_output_type, take_parameters, take_tools
from callspan.integrations.openai.response import Tree, read_head
from callspan.model.events import ErrorFacts
from callspan.model.facts import MISSING, Facts, PromptUse
from callspan.model.span import STATUS_ERROR, Span

_PARAMETERS: Final[dict[str, str]] = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_output_tokens": "max_tokens",
    "stream": "stream",
    "service_tier": "service_tier",
    "previous_response_id": "previous_response_id",
}
# Why a response stopped, in the words of chat completions.
_REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}
_CALLS: Final = ("tool_call",)


def read_request(facts: Facts, body: Tree) -> None:
    """Read the body of a request for a response."""
    rest = dict(body)
    messages = items.read_input(rest.get("input"))
    if messages is not None:
        facts.input_messages = messages
        del rest["input"]
    if isinstance(rest.get("instructions"), str):
        facts.system_instructions = [{"type": "text", "content": rest.pop("instructions")}]
    take_tools(facts, rest, "tools")
    wanted = rest.get("text")
    take_output_type(facts, wanted.get("format") if isinstance(wanted, dict) else None)
    reasoning = rest.get("reasoning")
    if isinstance(reasoning, dict) and isinstance(reasoning.get("effort"), str):
        facts.request["reasoning_level"] = reasoning["effort"]
    if facts.provider == "openai":
        facts.request["api_type"] = "responses"
    _take_prompt(facts, rest)
    _take_conversation(facts, rest.get("conversation"))
    take_parameters(facts, rest, _PARAMETERS)
    leave(facts, rest, "input")


def _take_prompt(facts: Facts, rest: Tree) -> None:
    """Take a prompt that the provider keeps: its template is not here, its name, version and variables are."""
    prompt = rest.get("prompt")
    if not isinstance(prompt, dict) or not isinstance(prompt.get("id"), str):
        return
    variables, version = prompt.get("variables"), prompt.get("version")
    known = variables if isinstance(variables, dict) else {}
    facts.prompts.append(PromptUse("", known, prompt["id"], version if isinstance(version, str) else None))
    del rest["prompt"]


def _take_conversation(facts: Facts, conversation: Any) -> None:
    """Take the provider's conversation where the application named none of its own."""
    identity = conversation.get("id") if isinstance(conversation, dict) else conversation
    if facts.conversation_id is None and isinstance(identity, str):
        facts.conversation_id = identity


def read_answer(facts: Facts, answer: Tree) -> None:
    """Read a response, whole or as far as it came."""
    read_head(facts, answer)
    _take_conversation(facts, answer.get("conversation"))
    message = items.read_output(answer.get("output"))
    reason = _reason(answer, [part["type"] for part in message["parts"]] if message is not None else [])
    if message is not None:
        facts.output_messages = [message]
    if reason is not None:
        facts.response["finish_reasons"] = [reason]
        if message is not None:
            message["finish_reason"] = reason
    if isinstance(answer.get("status"), str):
        facts.response["status"] = answer["status"]
    if message is not None or reason is not None or "output" in answer:
        facts.output = MISSING


def _reason(answer: Tree, kinds: list[str]) -> str | None:
    status = answer.get("status")
    if status == "completed":
        return "tool_calls" if any(kind in _CALLS for kind in kinds) else "stop"
    if status == "incomplete":
        details = answer.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        return _REASONS.get(reason, reason) if isinstance(reason, str) else "incomplete"
    return {"failed": "error", "cancelled": "cancelled"}.get(str(status))


def judge(span: Span, answer: Tree) -> None:
    """Let the span end as the provider says that the response ended: what came as a 200 may be a failure."""
    status = answer.get("status")
    if span.outcome not in ("ok", "abandoned"):
        return
    if status == "incomplete":
        span.outcome = "incomplete"
    elif status == "cancelled":
        span.outcome = "cancelled"
    elif status == "failed":
        told = answer.get("error")
        error = told if isinstance(told, dict) else {}
        span.outcome, span.status = "error", STATUS_ERROR
        span.error = ErrorFacts(str(error.get("code") or "response_failed"), str(error.get("message") or ""), [])


def read_nothing(_: Facts, __: Tree) -> None:
    """Leave a request as it is: it names a response, and says nothing else."""


def read_fetched(facts: Facts, answer: Tree) -> None:
    """Read a response that was fetched: the request is told of by the span that made it."""
    read_answer(facts, answer)
    if isinstance(answer.get("model"), str):
        facts.request.setdefault("model", answer["model"])
