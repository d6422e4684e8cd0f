"""What other tools say of a call in a `gen_ai.evaluation.result` event: feedback, as if it had been given with ours.

GenAI has it as an event of the span that was judged, or as a log record that names that span. Either way it becomes a
span of its own below that one, which is how feedback stands in our files; an event stays where it is, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from callspan.model.feedback import COMPONENT
from callspan.reading import names
from callspan.reading.otlp import Complain, RawSpan, read_attributes, read_id, read_int, read_request, under

Tree = dict[str, Any]

_EVENT: Final = "gen_ai.evaluation.result"
_UNKNOWN: Final = "unknown"  # no convention says who judged


class Evaluation(RawSpan):
    """A span that is none in the file."""

    __slots__ = ()


def read_spans(tree: object, complain: Complain) -> Iterator[RawSpan | None]:
    """Yield every span of a request as `read_request` does, each before what its events say of it.

    Log records that are evaluations are read as well; a request that holds none of them has no spans.
    """
    judged = list(_of_records(tree))
    if judged:
        yield from judged
        return
    for raw in read_request(tree, complain):
        if raw is None or not raw.events:
            yield raw
            continue
        if _is_feedback(raw):
            raw.events = [event for event in raw.events if not _is_evaluation(event)]
        yield raw
        yield from _of_events(raw)


def _is_evaluation(event: Any) -> bool:
    return isinstance(event, dict) and event.get("name") == _EVENT


def _is_feedback(raw: RawSpan) -> bool:
    """Return whether a span is feedback in our own words, which its event only repeats."""
    if not any(map(_is_evaluation, raw.events)):
        return False
    return read_attributes(raw.attributes, set(names.COMPONENT)).get(names.COMPONENT[0]) == COMPONENT


def _of_events(raw: RawSpan) -> Iterator[Evaluation]:
    for number, event in enumerate(raw.events):
        if _is_evaluation(event):
            time_ns = read_int(event.get("timeUnixNano", event.get("time_unix_nano")))
            own_id = _own_id(raw.trace_id, raw.span_id, number)
            made = _evaluation(event, (raw.trace_id, own_id, raw.span_id), raw.end_ns if time_ns is None else time_ns)
            if made is not None:
                made.resource_attributes = raw.resource_attributes
                yield made


def _of_records(tree: object) -> Iterator[Evaluation]:
    for entry in under(tree, "resourceLogs", "resource_logs"):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        for scope in under(entry, "scopeLogs", "scope_logs"):
            for record in under(scope, "logRecords", "log_records"):
                made = _of_record(record) if isinstance(record, dict) else None
                if made is not None:
                    made.resource_attributes = resource.get("attributes") if isinstance(resource, dict) else None
                    yield made


def _of_record(record: Tree) -> Evaluation | None:
    told = read_attributes(record.get("attributes"), {"event.name"})
    name = record.get("eventName", record.get("event_name")) or told.get("event.name")
    trace_id = read_id(record.get("traceId", record.get("trace_id")), 32)
    span_id = read_id(record.get("spanId", record.get("span_id")), 16)
    times = [record.get(one) for one in ("timeUnixNano", "time_unix_nano", "observedTimeUnixNano")]
    time_ns = next((time for one in times if (time := read_int(one))), None)
    if name != _EVENT or trace_id is None or span_id is None or time_ns is None:
        return None
    own_id = _own_id(trace_id, span_id, repr((time_ns, record.get("attributes"))))
    return _evaluation(record, (trace_id, own_id, span_id), time_ns)


def _evaluation(event: Tree, ids: tuple[str, str, str], time_ns: int) -> Evaluation | None:
    """Make the span of an event; None for one that does not say what was judged."""
    pairs = event.get("attributes")
    name = read_attributes(pairs, names.FEEDBACK).get(names.FEEDBACK[0])
    if not isinstance(name, str) or not name:
        return None
    span = Evaluation()
    span.trace_id, span.span_id, span.parent_id = ids
    span.name, span.start_ns, span.end_ns = f"{COMPONENT} {name}", time_ns, time_ns
    span.status, span.status_message = 0, None
    ours = {names.KIND[0]: "EVALUATOR", names.COMPONENT[0]: COMPONENT, names.FEEDBACK_ANNOTATOR[0]: _UNKNOWN}
    span.attributes = [{"key": key, "value": {"stringValue": value}} for key, value in ours.items()]
    span.attributes += pairs if isinstance(pairs, list) else []
    span.events, span.links = [], []
    return span


def _own_id(trace_id: str, span_id: str, told: object) -> str:
    """Return an ID that is the same for the same event, wherever and however often it is read."""
    return hashlib.sha256(f"{trace_id} {span_id} {told}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
