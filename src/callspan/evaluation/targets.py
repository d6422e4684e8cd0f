"""What is judged at each level: spans, the roots of traces, the last turns of conversations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callspan.evaluation.scores import Level
from callspan.evaluation.subjects import Subject
from callspan.model.record import SpanRecord
from callspan.reading.trees import build_traces


class Targets:
    """The spans of some files, sorted so that each level can be asked for. Feedback and evaluations are left out."""

    def __init__(self, records: Iterable[SpanRecord]) -> None:
        """Take the records in; all are held in memory."""
        traces = build_traces(record for record in records if record.feedback is None)
        self._traces = [[node.span for node, _ in trace.walk()] for trace in traces]

    def at(self, level: Level, kinds: Sequence[str] = ("llm",), trace_prefix: str = "") -> list[Subject]:
        """Return what an evaluator of this level judges, by start time.

        kinds: of the spans, at the level of spans; empty for all. A framework's call of a model that has the provider's
        own call below it is the same call and is left out. trace_prefix: only traces whose ID begins so.
        """
        traces = [spans for spans in self._traces if spans[0].trace_id.startswith(trace_prefix)]
        if level == "conversation":
            return _last_turns(traces)
        if level == "trace":
            return [Subject(spans[0], spans) for spans in traces]
        return [
            Subject(span, spans)
            for spans in traces
            for span in spans
            if not kinds or (span.kind in kinds and not span.usage_below)
        ]


def _last_turns(traces: Sequence[Sequence[SpanRecord]]) -> list[Subject]:
    """Return the last turn of each conversation, with all its turns: the outermost span of each trace in it."""
    turns: dict[str, list[tuple[SpanRecord, Sequence[SpanRecord]]]] = {}
    for spans in traces:
        seen: dict[tuple[str, int | None], SpanRecord] = {}
        for span in spans:
            if span.conversation_id is not None:
                seen.setdefault((span.conversation_id, span.step), span)
        for (conversation_id, _), span in seen.items():
            turns.setdefault(conversation_id, []).append((span, spans))
    found = []
    for told in turns.values():
        told.sort(key=lambda turn: turn[0].start_time_unix_ns)
        last, spans = told[-1]
        found.append(Subject(last, spans, [turn for turn, _ in told]))
    return found
