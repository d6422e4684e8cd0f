"""Files of spans to whole traces and to conversations, with their feedback: overviews first, records one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callspan.model.feedback import COMPONENT
from callspan.reading.feedback import GivenFeedback, Joined, join
from callspan.reading.files import LoadReport, files_of
from callspan.reading.overview import Row
from callspan.reading.rows import load_rows, records_of
from callspan.reading.trees import Trace, build_traces

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord


@dataclass(slots=True)
class Turn:
    """One turn of a conversation: what the outermost span in it did, and everything below.

    `number` counts by start time, from 1; `step` is the number that was recorded, which is a hint where several
    processes share a conversation. `spans` are in order of start, the outermost first.
    """

    number: int
    step: int | None
    trace_id: str
    spans: list[SpanRecord]
    feedback: list[GivenFeedback] = field(default_factory=list)

    @property
    def root(self) -> SpanRecord:
        """The outermost span of the turn."""
        return self.spans[0]


@dataclass(slots=True)
class Conversation:
    """A conversation: its turns in order, and what was thought of it as a whole."""

    conversation_id: str
    turns: list[Turn]
    feedback: list[GivenFeedback] = field(default_factory=list)


def traces(path: str | os.PathLike[str], *, report: LoadReport | None = None) -> Iterator[Trace[SpanRecord]]:
    """Yield the traces of a file, a folder or a glob by start time, each with its spans as a tree.

    All spans are known by half a kilobyte each; the records are read trace by trace. Raises `ReadError` as `load` does.
    """
    found = build_traces(load_rows(files_of(path), LoadReport() if report is None else report))
    records = records_of(node.span for trace in found for node, _ in trace.walk())
    for trace in found:
        told = [next(records) for _ in trace.walk()]
        rebuilt = build_traces(record for record in told if record is not None)
        if rebuilt:  # else the file has changed in the meantime
            yield rebuilt[0]


def conversations(path: str | os.PathLike[str], *, report: LoadReport | None = None) -> Iterator[Conversation]:
    """Yield the conversations of a file, a folder or a glob by their beginning, turns in order, feedback joined.

    Memory and errors are those of `traces`.
    """
    rows = {
        (row.trace_id, row.span_id): row
        for row in load_rows(files_of(path), LoadReport() if report is None else report)
    }
    yield from conversations_of(rows.values(), join(rows.values()))


def conversations_of(rows: Iterable[Row], joined: Joined) -> Iterator[Conversation]:
    """Yield the conversations among the rows."""
    by_id: dict[str, dict[tuple[str, int | None], list[Row]]] = {}
    for row in rows:
        if row.conversation_id is not None and row.component != COMPONENT:
            turns = by_id.setdefault(row.conversation_id, {})
            turns.setdefault((row.trace_id, row.step), []).append(row)
    ordered = {one: [_in_order(turn) for turn in turns.values()] for one, turns in by_id.items()}
    for turns_of_one in ordered.values():
        turns_of_one.sort(key=lambda turn: turn[0].start_time_unix_ns)
    whole = sorted(ordered.items(), key=lambda item: item[1][0][0].start_time_unix_ns)
    records = records_of(row for _, turns in whole for turn in turns for row in turn)
    by_span, about_all = joined.by_span(), joined.by_conversation()
    for conversation_id, told in whole:
        found: list[Turn] = []
        for turn in told:
            spans = [record for record in [next(records) for _ in turn] if record is not None]
            feedback = [one for row in turn for one in by_span.get((row.trace_id, row.span_id), ())]
            if spans:
                found.append(Turn(len(found) + 1, turn[0].step, turn[0].trace_id, spans, feedback))
        yield Conversation(conversation_id, found, about_all.get(conversation_id, []))


def _in_order(turn: list[Row]) -> list[Row]:
    """Put the outermost span first; two that start at once are told apart by who names whom as a parent."""
    ids = {row.span_id for row in turn}
    return sorted(turn, key=lambda row: (row.parent_id in ids, row.start_time_unix_ns))
