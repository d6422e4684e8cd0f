"""The columns of the table of spans: names, types and meanings, the same in Arrow, Parquet and SQL.

`python -m callspan.reading.columns` prints them as the table of `callspan.reading.columns`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callspan.reading.rows import Row

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST: Final = 2**63 - 1
_MESSAGE_CHARACTERS: Final = 1_000


class Column(NamedTuple):
    """One column. `type` is `text`, `word` (a text of few values), `time`, `int`, `float`, `flag` or `texts`."""

    name: str
    type: str
    read: Callable[[Row], Any]
    meaning: str


def _message(row: Row) -> str | None:
    return None if row.error_message is None else row.error_message[:_MESSAGE_CHARACTERS]


COLUMNS: Final[tuple[Column, ...]] = (
    Column("trace_id", "text", lambda row: row.trace_id, "32 hexadecimal digits"),
    Column("span_id", "text", lambda row: row.span_id, "16 hexadecimal digits"),
    Column("parent_id", "text", lambda row: row.parent_id, "the span above; null at a root"),
    Column("name", "word", lambda row: row.name, "what was called"),
    Column("kind", "word", lambda row: row.kind, "one of the nine kinds: `llm`, `chain`, `tool`, …"),
    Column("component", "word", lambda row: row.component, "a finer word than the kind; `feedback` for feedback"),
    Column("service", "word", lambda row: row.service, "who made the span"),
    Column("start_time", "time", lambda row: row.start_time_unix_ns, "when it began, in UTC"),
    Column("duration_ms", "float", lambda row: row.duration_ns / 1e6, "how long it took"),
    Column("outcome", "word", lambda row: row.outcome, "`ok`, `error`, `cancelled`, `abandoned` or `incomplete`"),
    Column("error_type", "word", lambda row: row.error_type, "the class of what was raised"),
    Column("error_message", "text", _message, "its text, at most 1,000 characters"),
    Column("provider", "word", lambda row: row.provider, "who runs the model, by its GenAI name"),
    Column("model", "word", lambda row: row.model, "the model that answered, else the one asked for"),
    Column("input_tokens", "int", lambda row: row.input_tokens, "tokens sent, cached ones included"),
    Column("output_tokens", "int", lambda row: row.output_tokens, "tokens received"),
    Column("is_estimated", "flag", lambda row: row.estimated, "whether callspan counted the tokens, not the provider"),
    Column("cost", "float", lambda row: row.cost, "US dollars; null where no price is known"),
    Column("time_to_first_chunk_s", "float", lambda row: row.time_to_first_chunk_s, "of a stream"),
    Column("finish_reason", "word", lambda row: row.finish_reason, "why the first choice ended"),
    Column("prompt_name", "word", lambda row: row.prompt_name, "the first prompt template of the call"),
    Column("prompt_version", "word", lambda row: row.prompt_version, "its version"),
    Column("conversation_id", "text", lambda row: row.conversation_id, "the conversation it belongs to"),
    Column("step", "int", lambda row: row.step, "the turn of the conversation as it was recorded, from 1"),
    Column("user_id", "text", lambda row: row.user_id, "for whom it ran"),
    Column("tags", "texts", lambda row: row.tags, "the tags of the span"),
    Column("metadata", "text", lambda row: row.metadata, "the metadata of the span, as a JSON text"),
    Column("feedback_name", "word", lambda row: row.feedback_name, "of a feedback span: what was judged"),
    Column("feedback_target", "word", lambda row: row.feedback_target, "`span`, `trace`, `conversation` or `key`"),
    Column("feedback_score", "float", lambda row: row.feedback_score, "by convention 0 is bad and 1 good"),
    Column("feedback_label", "word", lambda row: row.feedback_label, "a word, such as `up`"),
    Column("feedback_comment", "text", lambda row: row.feedback_comment, "what was written"),
    Column("feedback_annotator", "word", lambda row: row.feedback_annotator, "`human`, `llm`, `code`, or who it was"),
    Column("feedback_id", "text", lambda row: row.feedback_id, "the idempotency key"),
    Column("feedback_key", "text", lambda row: row.feedback_key, "the business key it is about"),
    Column("file", "word", lambda row: str(row.place.file), "where the span was read"),
    Column("line_offset", "int", lambda row: row.place.offset, "the byte its line starts at, unpacked"),
    Column("line_number", "int", lambda row: row.place.number, "its number among the spans of the line, from 0"),
)


def schema() -> pa.Schema:
    """Return the Arrow schema; each field carries its meaning as metadata."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types = {
        "text": pa.string(),
        "word": pa.dictionary(pa.int32(), pa.string()),
        "time": pa.timestamp("ns", tz="UTC"),
        "int": pa.int64(),
        "float": pa.float64(),
        "flag": pa.bool_(),
        "texts": pa.list_(pa.string()),
    }
    return pa.schema(
        [pa.field(column.name, types[column.type], metadata={"meaning": column.meaning}) for column in COLUMNS]
    )


def batch_of(rows: list[Row], shape: pa.Schema) -> pa.RecordBatch:
    """Turn rows into columns."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    arrays = []
    for column, field in zip(COLUMNS, shape, strict=True):
        values = [column.read(row) for row in rows]
        if column.type in ("int", "time"):
            values = [value if value is None or value <= _LARGEST else None for value in values]
        try:
            arrays.append(pa.array(values, field.type))
        except UnicodeError:  # half characters, which JSON can write and Arrow cannot hold
            arrays.append(pa.array([_whole(value) for value in values], field.type))
    return pa.record_batch(arrays, schema=shape)


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


if __name__ == "__main__":
    for one in COLUMNS:
        print(f"| `{one.name}` | {one.type} | {one.meaning} |")  # noqa: T201
