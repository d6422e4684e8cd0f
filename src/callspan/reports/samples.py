"""What a report shows in full: slow and dear calls, traces, conversations and retrievals, read from the files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from callspan.reading.feedback import GivenFeedback
from callspan.reading.rows import records_of
from callspan.reading.texts import document_text, messages_of, text_of
from callspan.reports.database import Database

if TYPE_CHECKING:
    from callspan.model.record import SpanRecord

Tree = dict[str, Any]

SHOWN: Final = 10
_TEXT_CHARACTERS: Final = 4_000
_SPANS_OF_A_TRACE: Final = 300
_TURNS: Final = 50
_DOCUMENTS: Final = 10
_PLACE: Final = "trace_id, span_id, file, line_offset, line_number"


class Samples:
    """Reads the records that a report shows; each text is cut to 4,000 characters, and says so."""

    def __init__(self, database: Database) -> None:
        """Look into a database."""
        self._database = database
        self._feedback = database.feedback.by_span()

    def slowest(self) -> list[Tree]:
        """Return the model calls that took longest."""
        return self._calls("duration_ms desc")

    def dearest(self) -> list[Tree]:
        """Return the model calls that cost most; where no cost is known, those with most tokens."""
        return self._calls("cost desc nulls last, coalesce(input_tokens, 0)::double + coalesce(output_tokens, 0) desc")

    def _calls(self, order: str) -> list[Tree]:
        question = f"select {_PLACE}, cost from calls where kind = 'llm' order by {order}, span_id limit {SHOWN}"  # noqa: S608
        costs = {(row["trace_id"], row["span_id"]): row["cost"] for row in self._database.rows(question)}
        return [
            {**self._call(record), "cost": costs[record.trace_id, record.span_id]} for record in self._records(question)
        ]

    def traces(self, also: Iterable[str] = ()) -> list[Tree]:
        """Return the slowest traces, the newest that failed, and those whose IDs begin as asked for, as waterfalls."""
        ids = self._database.rows(
            "(select trace_id, max(duration_ms) as most from calls where is_root group by 1"  # noqa: S608 - constants
            f" order by most desc, 1 limit {SHOWN}) union (select trace_id, max(duration_ms) from calls"
            f" where outcome = 'error' group by 1 order by max(start_time) desc limit {SHOWN})"
        )
        wanted = [row["trace_id"] for row in sorted(ids, key=lambda row: -(row["most"] or 0))]
        for prefix in also:
            wanted[:0] = [
                row["trace_id"]
                for row in self._database.rows(
                    "select distinct trace_id from calls where starts_with(trace_id, $prefix) limit 10", prefix=prefix
                )
            ]
        return [self.trace(trace_id) for trace_id in dict.fromkeys(wanted)]

    def trace(self, trace_id: str) -> Tree:
        """Return one trace: its spans by start, each with depth, offset, contents and feedback."""
        question = (
            f"select {_PLACE} from calls where trace_id = $trace_id order by start_time, duration_ms desc"  # noqa: S608
            f" limit {_SPANS_OF_A_TRACE}"
        )
        records = self._records(question, trace_id=trace_id)
        records.sort(key=lambda one: (one.start_time_unix_ns, -one.end_time_unix_ns))
        start = min((record.start_time_unix_ns for record in records), default=0)
        depths = _depths(records)
        return {
            "trace_id": trace_id,
            "start": start / 1e6,
            "duration_ms": (max((record.end_time_unix_ns for record in records), default=start) - start) / 1e6,
            "spans": [
                {
                    **self._call(record),
                    "depth": depths[record.span_id],
                    "offset_ms": (record.start_time_unix_ns - start) / 1e6,
                }
                for record in records
            ],
        }

    def conversations(self) -> list[Tree]:
        """Return the conversations with feedback, then the longest, as chats."""
        found = self._database.rows(
            "select conversation_id, count(distinct (trace_id, step)) as turns, max(epoch_ns(start_time)) as last,"  # noqa: S608
            " bool_or(trace_id in (select about_trace_id from feedback)"
            " or conversation_id in (select conversation_id from feedback)) as judged"
            " from calls where conversation_id is not null group by 1"
            f" order by judged desc, turns desc, last desc, 1 limit {SHOWN}"
        )
        whole = self._database.feedback.by_conversation()
        return [
            {
                "conversation_id": row["conversation_id"],
                "turns": self._turns(row["conversation_id"]),
                "feedback": [_feedback(one) for one in whole.get(row["conversation_id"], ())],
            }
            for row in found
        ]

    def _turns(self, conversation_id: str) -> list[Tree]:
        """Return the turns by start: what was asked at the outermost span, what came out, and all feedback below."""
        question = (
            f"select {_PLACE} from calls one where conversation_id = $id and not exists (select 1 from calls above"  # noqa: S608
            " where above.span_id = one.parent_id and above.trace_id = one.trace_id"
            f" and above.conversation_id = one.conversation_id) order by start_time limit {_TURNS}"
        )
        records = self._records(question, id=conversation_id)
        records.sort(key=lambda one: one.start_time_unix_ns)
        return [
            {
                "number": number,
                "step": record.step,
                "trace_id": record.trace_id,
                "start": record.start_time_unix_ns / 1e6,
                "duration_ms": record.duration_ms,
                "outcome": record.outcome,
                "asked": _cut(_last_said(record)),
                "answered": _cut(text_of(record, "out")),
                "feedback": [
                    _feedback(one)
                    for (trace_id, _), several in self._feedback.items()
                    if trace_id == record.trace_id
                    for one in several
                ],
            }
            for number, record in enumerate(records, 1)
        ]

    def retrievals(self) -> list[Tree]:
        """Return the newest retrievals: the query, and the documents under it with their scores."""
        question = (
            f"select {_PLACE} from calls where kind in ('retriever', 'reranker') order by start_time desc limit {SHOWN}"  # noqa: S608
        )
        return [
            {
                "trace_id": record.trace_id,
                "name": record.name,
                "duration_ms": record.duration_ms,
                "query": _cut(record.query or text_of(record, "in")),
                "documents": [
                    {
                        "id": document.get("id"),
                        "score": document.get("score"),
                        "text": _cut(document_text({**document, "id": None, "score": None})),
                    }
                    for document in (record.documents or [])[:_DOCUMENTS]
                ],
                "found": len(record.documents or ()),
            }
            for record in self._records(question)
        ]

    def feedback(self) -> list[Tree]:
        """Return the newest feedback."""
        newest = sorted(self._database.feedback.given, key=lambda one: -one.time_unix_ns)[: 2 * SHOWN]
        return [_feedback(one) for one in newest]

    def _records(self, question: str, **given: Any) -> list[SpanRecord]:
        placed = self._database.places(question, **given)
        return [record for record in records_of(placed) if record is not None]

    def _call(self, record: SpanRecord) -> Tree:
        usage, prompt = record.usage, record.prompts[0] if record.prompts else None
        error = record.error
        return {
            "trace_id": record.trace_id,
            "span_id": record.span_id,
            "name": record.name,
            "kind": record.kind,
            "component": record.component,
            "model": record.model,
            "outcome": record.outcome,
            "error": f"{error.type}: {error.message}" if error else record.status_message,
            "start": record.start_time_unix_ns / 1e6,
            "duration_ms": record.duration_ms,
            "first_chunk_ms": None if record.time_to_first_chunk_s is None else record.time_to_first_chunk_s * 1000,
            "input_tokens": usage.input_tokens if usage else None,
            "output_tokens": usage.output_tokens if usage else None,
            "is_estimated": usage.source == "estimated" if usage else False,
            "prompt": " ".join(filter(None, (prompt.name, prompt.version))) if prompt else None,
            "conversation_id": record.conversation_id,
            "user_id": record.user_id,
            "asked": [[role, _cut(text)] for role, text in messages_of(record, "in")] or _alone(text_of(record, "in")),
            "answered": [[role, _cut(text)] for role, text in messages_of(record, "out")]
            or _alone(text_of(record, "out")),
            "feedback": [_feedback(one) for one in self._feedback.get((record.trace_id, record.span_id), ())],
        }


def _last_said(record: SpanRecord) -> str:
    """Return what a turn began with: the last message of a user, else everything that went in."""
    said = [text for role, text in messages_of(record, "in") if role == "user"]
    if said:
        return said[-1]
    given = record.input
    if isinstance(given, dict) and len(given) == 1:
        (given,) = given.values()
    return given if isinstance(given, str) else text_of(record, "in")


def _alone(text: str) -> list[list[str]]:
    return [["", _cut(text)]] if text else []


def _cut(text: str) -> str:
    if len(text) <= _TEXT_CHARACTERS:
        return text
    return f"{text[:_TEXT_CHARACTERS]}… ({len(text) - _TEXT_CHARACTERS:,} more characters)"


def _feedback(one: GivenFeedback) -> Tree:
    return {
        "name": one.name,
        "score": one.score,
        "label": one.label,
        "comment": None if one.comment is None else _cut(one.comment),
        "annotator": one.annotator,
        "target": one.target,
        "time": one.time_unix_ns / 1e6,
        "trace_id": one.about[0] if one.about else None,
        "conversation_id": one.conversation_id,
        "is_known": one.is_known,
    }


def _depths(records: list[SpanRecord]) -> dict[str, int]:
    """Return how deep each span stands below the highest one of the trace that is there."""
    parents = {record.span_id: record.parent_id for record in records}
    depths: dict[str, int] = {}
    for span_id in parents:
        way: list[str] = []
        here: str | None = span_id
        while here in parents and here not in depths and here not in way:
            way.append(here)
            here = parents[here]
        depth = depths.get(here or "", -1)
        for below in reversed(way):
            depth += 1
            depths[below] = depth
    return depths
