"""A span of a file to a `SpanRecord`: the inverse of our dialects and encoding, and a fair guess at everyone else's."""

from __future__ import annotations

from typing import Any

from callspan.model.record import (
    STATUS_WORDS,
    EventRecord,
    FeedbackRecord,
    LinkRecord,
    PromptRecord,
    SpanRecord,
    ToolRecord,
    UsageRecord,
    error_record,
)
from callspan.reading.attributes import Attributes
from callspan.reading.contents import read_contents
from callspan.reading.failures import own_message, read_events, take_error
from callspan.reading.names import (
    ERROR_TYPE,
    read_call,
    read_feedback,
    read_kind,
    read_outcome,
    read_place,
    read_usage,
)
from callspan.reading.otlp import RawSpan, read_attributes, read_id

Tree = dict[str, Any]


def record_of(raw: RawSpan) -> SpanRecord:
    """Make the record of a span; never fails on odd attributes, which stay in `attributes` as they are."""
    attributes = Attributes(read_attributes(raw.attributes))
    status = STATUS_WORDS[raw.status]
    kind, component = read_kind(attributes)
    outcome = read_outcome(attributes, status)
    events = read_events(raw.events)
    error = take_error(raw, attributes.text(*ERROR_TYPE), outcome, events)
    usage = read_usage(attributes)
    feedback = read_feedback(attributes)
    values = {**read_call(attributes), **read_place(attributes), **read_contents(attributes, kind)}
    _settle_query(kind, values)
    if component == "workflow" and attributes.left.get("gen_ai.workflow.name") == raw.name:
        del attributes.left["gen_ai.workflow.name"]
    tool = values.pop("tool")
    return SpanRecord.model_construct(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        name=raw.name,
        kind=kind,
        component=component,
        start_time_unix_ns=raw.start_ns,
        end_time_unix_ns=raw.end_ns,
        status=status,
        status_message=own_message(raw.status_message, error),
        outcome=outcome,
        error=error_record(error),
        usage=UsageRecord.model_construct(**usage) if usage else None,
        tool=ToolRecord.model_construct(**tool) if tool else None,
        feedback=FeedbackRecord.model_construct(**feedback) if feedback else None,
        prompts=[PromptRecord.model_construct(**prompt) for prompt in values.pop("prompts")],
        events=[
            EventRecord.model_construct(name=event.name, time_unix_ns=event.time_ns, attributes=event.attributes)
            for event in events
        ],
        links=[link for item in raw.links if (link := _link(item)) is not None],
        resource=raw.resource,
        attributes=attributes.left,
        **values,
    )


def _settle_query(kind: str, values: Tree) -> None:
    """Put a retriever's query where it belongs: OpenInference keeps it as the input, GenAI's other numbers aside."""
    if kind != "retriever":
        return
    if isinstance(values["input"], str) and values["query"] in (None, values["input"]):
        values["query"], values["input"] = values["input"], None
    top_k = values["request"].get("top_k")
    if values["top_k"] is None and isinstance(top_k, int | float) and float(top_k).is_integer():
        values["top_k"] = int(values["request"].pop("top_k"))


def _link(tree: object) -> LinkRecord | None:
    if not isinstance(tree, dict):
        return None
    trace_id = read_id(tree.get("traceId", tree.get("trace_id")), 32)
    span_id = read_id(tree.get("spanId", tree.get("span_id")), 16)
    if trace_id is None or span_id is None:
        return None
    return LinkRecord.model_construct(
        trace_id=trace_id, span_id=span_id, attributes=read_attributes(tree.get("attributes"))
    )
