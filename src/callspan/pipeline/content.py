"""What stays of a span when content is switched off: identity, timing, usage, models and outcomes; no text.

Attributes, events, tags and metadata stay too: they are there because somebody named them, not because we looked.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from callspan.model.events import ErrorFacts, Event
from callspan.model.facts import MISSING, Facts, PromptUse
from callspan.model.messages import Message, Part
from callspan.model.span import Span
from callspan.policy import Content

_OF_EXCEPTIONS: Final = ("exception.message", "exception.stacktrace")
_STRUCTURE: Final = ("type", "id", "name", "modality", "mime_type")


def strip_content(span: Span, level: Content = "none") -> None:
    """Take every prompt, answer, document, vector, variable and exception text out of the span's facts.

    With the level "metadata", what was there stays visible: roles, kinds of parts, names of arguments and tools, and
    the type and size of each value in place of the value. "full" changes nothing.
    """
    facts = span.facts
    assert facts is not None
    if level == "full":
        return
    if level == "metadata":
        _describe(facts)
    else:
        _drop(facts)
    facts.request.pop("stop_sequences", None)
    for documents in (facts.documents, facts.input_documents):
        for document in documents or ():
            document.pop("content", None)
            document.pop("metadata", None)
    if facts.feedback is not None:
        facts.feedback.comment = None
    _silence(span)


def without_content(span: Span, level: Content) -> Span:
    """Return a copy of which content is taken out; the span itself belongs to other exporters, too."""
    lean = copy.copy(span)
    facts = lean.facts = copy.copy(span.facts or Facts())
    for name in ("request", "extra", "feedback"):
        setattr(facts, name, copy.copy(getattr(facts, name)))
    for name in ("documents", "input_documents"):
        documents = getattr(facts, name)
        setattr(facts, name, documents and [{**document} for document in documents])
    if span.error is not None:
        lean.error = ErrorFacts(span.error.type, span.error.message, span.error.frames)
    if span.events is not None:
        lean.events = [Event(event.name, event.time_ns, {**(event.attributes or {})}) for event in span.events]
    strip_content(lean, level)
    return lean


def _silence(span: Span) -> None:
    """Take the texts of exceptions away, which may quote anything."""
    if span.error is not None:
        span.error.message = ""
    span.status_message = None
    for event in span.events or ():
        if event.name == "exception" and event.attributes:
            for key in _OF_EXCEPTIONS:
                event.attributes.pop(key, None)


def _drop(facts: Facts) -> None:
    facts.input = facts.output = MISSING
    facts.system_instructions = facts.input_messages = facts.output_messages = facts.tool_definitions = None
    facts.query = facts.embeddings = None
    facts.extra.clear()
    facts.prompts = [PromptUse("", {}, prompt.name, prompt.version) for prompt in facts.prompts]


def _describe(facts: Facts) -> None:
    facts.input, facts.output = _shapes(facts.input), _shapes(facts.output)
    facts.extra = _shapes(facts.extra)
    facts.system_instructions = facts.system_instructions and [_part(part) for part in facts.system_instructions]
    facts.input_messages = facts.input_messages and [_message(message) for message in facts.input_messages]
    facts.output_messages = facts.output_messages and [_message(message) for message in facts.output_messages]
    facts.tool_definitions = facts.tool_definitions and [
        {key: tool[key] for key in ("type", "name") if key in tool} for tool in facts.tool_definitions
    ]
    facts.query = facts.query and _shape(facts.query)
    facts.embeddings = facts.embeddings and [{"text": _shape(one.get("text"))} for one in facts.embeddings]
    facts.prompts = [
        PromptUse(_shape(prompt.template), _shapes(prompt.variables), prompt.name, prompt.version)
        for prompt in facts.prompts
    ]


def _message(message: Message) -> Message:
    described: Message = {"role": message["role"], "parts": [_part(part) for part in message["parts"]]}
    if "finish_reason" in message:
        described["finish_reason"] = message["finish_reason"]
    return described


def _part(part: Part) -> Part:
    return {key: value if key in _STRUCTURE else _shape(value) for key, value in part.items()}


def _shapes(tree: Any) -> Any:
    """Describe a value; of named ones, each by its name."""
    if type(tree) is dict:
        return {key: _shape(value) for key, value in tree.items()}
    return tree if tree is MISSING else _shape(tree)


def _shape(value: Any) -> Any:
    kind = type(value)
    if value is None:
        return None
    return f"<{kind.__name__} of {len(value)}>" if kind in (str, list, dict) else f"<{kind.__name__}>"
