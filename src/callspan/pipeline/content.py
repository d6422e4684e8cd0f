"""What stays of a span when content is switched off: identity, timing, usage, models and outcomes; no text.

Attributes, events, tags and metadata stay too: they are there because somebody named them, not because we looked.
"""

from __future__ import annotations

from callspan.model.facts import MISSING, PromptUse
from callspan.model.span import Span

_OF_EXCEPTIONS = ("exception.message", "exception.stacktrace")


def strip_content(span: Span) -> None:
    """Take every prompt, answer, document, vector, variable and exception text out of the span's facts."""
    facts = span.facts
    assert facts is not None
    facts.input = facts.output = MISSING
    facts.system_instructions = facts.input_messages = facts.output_messages = facts.tool_definitions = None
    facts.query = None
    facts.extra.clear()
    facts.request.pop("stop_sequences", None)
    for documents in (facts.documents, facts.input_documents):
        for document in documents or ():
            document.pop("content", None)
            document.pop("metadata", None)
    facts.embeddings = None
    facts.prompts = [PromptUse("", {}, prompt.name, prompt.version) for prompt in facts.prompts]
    if span.error is not None:
        span.error.message = ""
    span.status_message = None
    for event in span.events or ():
        if event.name == "exception":
            for key in _OF_EXCEPTIONS:
                event.attributes.pop(key, None)
