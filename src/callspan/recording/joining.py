"""Joins the facts of a framework's span with those of the provider's call inside it; see `recording.claims`."""

from __future__ import annotations

from callspan.model.events import Event
from callspan.model.facts import MISSING, Facts
from callspan.model.span import Span


def join_call(span: Span, facts: Facts) -> None:
    """Merge what the provider's call inside this span says into its facts."""
    call = span.provider_call
    has_call = type(call) is Span and call.end_ns
    if has_call and span.usage_below:  # one of several: nobody could tell its tokens from those of the others
        call.provider_call.let_go(call)
        has_call = False
    if not has_call or not call.provider_call.take():
        span.provider_call = None  # none, or one that is told of as a child
        return
    told = call.open_facts()
    _take_over(facts, told)
    _complete(facts, told)
    if told.usage is not None:
        facts.usage = told.usage
    if call.outcome in ("incomplete", "abandoned") and span.outcome == "ok":
        span.outcome = call.outcome
    if call.error is not None and span.error is None:
        details = {"exception.type": call.error.type, "exception.message": call.error.message}
        span.events = [*(span.events or ()), Event("exception", call.end_ns, details)]


def _take_over(facts: Facts, told: Facts) -> None:
    """Let the provider's word count for what only the provider knows."""
    for name in ("operation", "provider", "server_address", "retries", "time_to_first_chunk_s", "chunk_count"):
        value = getattr(told, name)
        if value is not None:
            setattr(facts, name, value)
    if told.server_address is not None:
        facts.server_port = told.server_port
    for tree, more in ((facts.request, told.request), (facts.response, told.response), (facts.extra, told.extra)):
        tree.update(more)


def _complete(facts: Facts, told: Facts) -> None:
    """Add what the framework left open."""
    for name in ("system_instructions", "input_messages", "output_messages", "tool_definitions"):
        if not getattr(facts, name):
            setattr(facts, name, getattr(told, name))
    if not facts.embeddings or not any("vector" in one or "vector_hash" in one for one in facts.embeddings):
        facts.embeddings = told.embeddings or facts.embeddings
    if facts.dimensions is None:
        facts.dimensions = told.dimensions
    if facts.conversation_id is None:
        facts.conversation_id = told.conversation_id
    if facts.input is MISSING and facts.input_messages is None:
        facts.input = told.input
    if facts.output is MISSING and facts.output_messages is None:
        facts.output = told.output
    facts.prompts += [use for use in told.prompts if use not in facts.prompts]
    facts.attributes = {**told.attributes, **facts.attributes}
    facts.truncated = {**told.truncated, **facts.truncated}
