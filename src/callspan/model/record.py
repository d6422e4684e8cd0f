"""A finished span as people meet it: in `callspan.testing.capture()`, `MemoryExporter().spans`, HTTP export and files.

Imports pydantic, so the rest of callspan imports this module only where a record is made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticSerializationError
from typing_extensions import Annotated, Self  # noqa: UP035 - pydantic reads annotations at run time on Python 3.10

from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.feedback import Feedback, FeedbackTarget
from callspan.model.kinds import Kind
from callspan.model.resource import Resource
from callspan.model.span import ErrorFacts, Outcome, Span
from callspan.model.usage import Usage, UsageSource

SCHEMA_VERSION: Final = 1
"""Raised when a field changes its meaning or goes; a new field does not raise it."""

Status = Literal["unset", "ok", "error"]
STATUS_WORDS: Final[tuple[Status, ...]] = ("unset", "ok", "error")

TraceId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Tree = dict[str, Any]
_MAX_JSON_DEPTH: Final = 200  # of what JSON readers can be trusted with


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UsageRecord(_Part):
    """Token counts, with the meaning they have in `callspan.model.usage.Usage`; None is "not reported"."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    text_input_tokens: int | None = None
    text_output_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    source: UsageSource = "reported"
    tokenizer: str | None = None
    raw: Tree | None = None


class FrameRecord(_Part):
    """One place in the code that an exception passed."""

    file: str
    line: int
    function: str


class ErrorRecord(_Part):
    """What was raised: its qualified type, its text, and where, innermost frame last."""

    type: str
    message: str = ""
    frames: list[FrameRecord] = []


class ToolRecord(_Part):
    """The tool a tool span ran. Its arguments are the record's `input`, its result the record's `output`."""

    name: str
    description: str | None = None
    parameters: Tree | None = None
    call_id: str | None = None
    type: str = "function"


class PromptRecord(_Part):
    """A prompt template that went into the call, with the values of its variables.

    `template` is None in files of tools that record only a prompt's name.
    """

    template: str | None = None
    variables: Tree = {}
    name: str | None = None
    version: str | None = None


class FeedbackRecord(_Part):
    """What somebody thought of a call; the fields of `callspan.model.feedback.Feedback`."""

    name: str
    target: FeedbackTarget = "span"
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    annotator: str = "human"
    id: str | None = None
    key: str | None = None


class EventRecord(_Part):
    """Something that happened during the span, at a time in nanoseconds since 1970."""

    name: str
    time_unix_ns: int
    attributes: Tree = {}


class LinkRecord(_Part):
    """A reference to another span."""

    trace_id: TraceId
    span_id: SpanId
    attributes: Tree = {}


class SpanRecord(BaseModel):
    """One finished span: plain data, the same whether it was caught in memory or read back from a file.

    Times are nanoseconds since 1970. Messages, documents and embeddings have the shapes of `callspan.model.messages`
    and `callspan.model.retrieval`; `request` holds every parameter sent to the model, by its GenAI name where there is
    one; `attributes` holds what no other field took, the user's own and those of other tools.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION
    trace_id: TraceId
    span_id: SpanId
    parent_id: SpanId | None = None
    name: str
    kind: Kind = "chain"
    component: str | None = None
    start_time_unix_ns: int
    end_time_unix_ns: int
    # how it ended
    status: Status = "unset"
    status_message: str | None = None
    outcome: Outcome = "ok"
    error: ErrorRecord | None = None
    # what went in and came out, unless a finer field below took it
    input: Any = None
    output: Any = None
    # the model call
    operation: str | None = None
    provider: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    request: Tree = {}
    response: Tree = {}
    system_instructions: list[Tree] | None = None
    input_messages: list[Tree] | None = None
    output_messages: list[Tree] | None = None
    tool_definitions: list[Tree] | None = None
    usage: UsageRecord | None = None
    usage_below: bool = False
    retries: int | None = None
    time_to_first_chunk_s: float | None = None
    chunk_count: int | None = None
    # retrieval, reranking, embedding
    query: str | None = None
    top_k: int | None = None
    documents: list[Tree] | None = None
    input_documents: list[Tree] | None = None
    embeddings: list[Tree] | None = None
    dimensions: int | None = None
    # tool, agent, prompts
    tool: ToolRecord | None = None
    agent_name: str | None = None
    feedback: FeedbackRecord | None = None
    prompts: list[PromptRecord] = []
    # where the call stands
    conversation_id: str | None = None
    step: int | None = None
    user_id: str | None = None
    tags: list[str] = []
    metadata: Tree = {}
    # the rest, and what was done to the data
    attributes: Tree = {}
    events: list[EventRecord] = []
    links: list[LinkRecord] = []
    truncated: dict[str, int] = {}
    redacted_count: int = 0
    resource: Tree = {}

    @property
    def duration_ms(self) -> float:
        """How long the call took, in milliseconds."""
        return (self.end_time_unix_ns - self.start_time_unix_ns) / 1e6

    @property
    def model(self) -> str | None:
        """The model that answered, else the one that was asked for."""
        return self.response.get("model") or self.request.get("model")

    @property
    def finish_reasons(self) -> list[str]:
        """Why the model stopped, one reason per choice; empty when it did not say."""
        return self.response.get("finish_reasons") or []

    def to_json(self) -> str:
        """Write the record as one line of strict JSON, whatever its trees hold.

        Numbers that are not finite become null; half characters (lone surrogates) are escaped; what lies deeper than
        200 levels is left out as "…".
        """
        try:
            line = self.model_dump_json()
        except PydanticSerializationError:
            line = ""
        # Pydantic before 2.7 writes numbers that are not finite by their names, which JSON does not know.
        if line and "Infinity" not in line and "NaN" not in line:
            return line
        return json.dumps(_strict(self.model_dump(), _MAX_JSON_DEPTH), separators=(",", ":"))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Name kind, name, duration and outcome: a record in a log or a failed assertion never shows its contents."""
        yield "kind", self.kind
        yield "name", self.name
        yield "duration_ms", round(self.duration_ms, 3)
        yield "outcome", self.outcome

    @classmethod
    def from_span(cls, span: Span, resource: Resource | Mapping[str, Any] | None = None) -> Self:
        """Make a record of a finished span whose `facts` are filled; trees are shared with it, not copied.

        Nothing is validated: the span is ours, and odd values in it are the user's to see.
        """
        facts = span.facts or Facts()
        values = {name: getattr(facts, name) for name in _SAME_IN_FACTS}
        values.update((name, None if value is MISSING else value) for name, value in _in_and_out(facts))
        return cls.model_construct(
            schema_version=SCHEMA_VERSION,
            trace_id=f"{span.trace_id:032x}",
            span_id=f"{span.span_id:016x}",
            parent_id=None if span.parent_id is None else f"{span.parent_id:016x}",
            name=span.name,
            kind=span.kind,
            component=span.component,
            start_time_unix_ns=span.start_ns,
            end_time_unix_ns=span.end_ns,
            status=STATUS_WORDS[span.status],
            status_message=span.status_message,
            outcome=span.outcome,
            error=error_record(span.error),
            request={**facts.extra, **facts.request},
            usage=usage_record(facts.usage),
            usage_below=span.usage_below,
            tool=_tool_record(facts.tool),
            feedback=_feedback_record(facts.feedback),
            prompts=[_prompt_record(prompt) for prompt in facts.prompts],
            events=[
                EventRecord.model_construct(name=event.name, time_unix_ns=event.time_ns, attributes=_opened(event))
                for event in span.events or ()
            ],
            links=[
                LinkRecord.model_construct(
                    trace_id=f"{link.trace_id:032x}", span_id=f"{link.span_id:016x}", attributes=_opened(link)
                )
                for link in span.links or ()
            ],
            truncated=facts.truncated or span.truncated or {},
            resource=resource.attributes if isinstance(resource, Resource) else dict(resource or {}),
            **values,
        )


_SAME_IN_FACTS: Final = tuple(
    field.name
    for field in fields(Facts)
    if field.name not in {"input", "output", "request", "extra", "usage", "tool", "feedback", "prompts", "truncated"}
)
_USAGE_FIELDS: Final = tuple(field.name for field in fields(Usage))


def _in_and_out(facts: Facts) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("input", facts.input), ("output", facts.output)


def usage_record(usage: Usage | None) -> UsageRecord | None:
    """Turn token counts into their record."""
    if usage is None:
        return None
    return UsageRecord.model_construct(None, **{name: getattr(usage, name) for name in _USAGE_FIELDS})


def error_record(error: ErrorFacts | None) -> ErrorRecord | None:
    """Turn what was raised into its record."""
    if error is None:
        return None
    frames = [
        FrameRecord.model_construct(file=file, line=line, function=function) for file, line, function in error.frames
    ]
    return ErrorRecord.model_construct(type=error.type, message=error.message, frames=frames)


def _tool_record(tool: ToolFacts | None) -> ToolRecord | None:
    if tool is None:
        return None
    return ToolRecord.model_construct(
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        call_id=tool.call_id,
        type=tool.type,
    )


def _feedback_record(feedback: Feedback | None) -> FeedbackRecord | None:
    if feedback is None:
        return None
    return FeedbackRecord.model_construct(
        None, **{name: getattr(feedback, name) for name in FeedbackRecord.model_fields}
    )


def _prompt_record(prompt: PromptUse) -> PromptRecord:
    return PromptRecord.model_construct(
        template=prompt.template, variables=prompt.variables, name=prompt.name, version=prompt.version
    )


def _strict(tree: Any, depth: int) -> Any:
    if isinstance(tree, float) and not math.isfinite(tree):
        return None
    if not isinstance(tree, dict | list):
        return tree
    if depth == 0:
        return "…"
    if isinstance(tree, list):
        return [_strict(item, depth - 1) for item in tree]
    return {key: _strict(value, depth - 1) for key, value in tree.items()}


def _opened(item: Any) -> Tree:
    """Return the attributes of an event or link; a snapshot that nobody opened has none to show."""
    return item.attributes if isinstance(item.attributes, dict) else {}
