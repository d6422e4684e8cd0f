"""The columns of the table of spans: names, types and meanings, the same in Arrow, Parquet and SQL.

`python -m callspan.reading.columns` prints them as the table of `callspan.reading.columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from callspan.reading.overview import Row

_LARGEST: Final = 2**63 - 1
_MESSAGE_CHARACTERS: Final = 1_000


class Column(NamedTuple):
    """One column. `type` is `text`, `word` (a text of few values), `time`, `int`, `float`, `flag` or `texts`.

    `field` is where its values stand in a `Row`; `make` makes the values of those.
    """

    name: str
    type: str
    field: str
    meaning: str
    make: Callable[[Sequence[Any]], Sequence[Any]] | None = None


def _milliseconds(durations_ns: Sequence[Any]) -> Sequence[Any]:
    return [duration_ns / 1e6 for duration_ns in durations_ns]


def _messages(messages: Sequence[Any]) -> Sequence[Any]:
    return [message and message[:_MESSAGE_CHARACTERS] for message in messages]


COLUMNS: Final[tuple[Column, ...]] = (
    Column("trace_id", "text", "trace_id", "32 hexadecimal digits"),
    Column("span_id", "text", "span_id", "16 hexadecimal digits"),
    Column("parent_id", "text", "parent_id", "the span above; null at a root"),
    Column("name", "word", "name", "what was called"),
    Column("kind", "word", "kind", "one of the nine kinds: `llm`, `chain`, `tool`, …"),
    Column("component", "word", "component", "a finer word than the kind; `feedback` for feedback"),
    Column("service", "word", "service", "who made the span"),
    Column("start_time", "time", "start_time_unix_ns", "when it began, in UTC"),
    Column("duration_ms", "float", "duration_ns", "how long it took", _milliseconds),
    Column("outcome", "word", "outcome", "`ok`, `error`, `cancelled`, `abandoned` or `incomplete`"),
    Column("error_type", "word", "error_type", "the class of what was raised"),
    Column("error_message", "text", "error_message", "its text, at most 1,000 characters", _messages),
    Column("provider", "word", "provider", "who runs the model, by its GenAI name"),
    Column("model", "word", "model", "the model that answered, else the one asked for"),
    Column("input_tokens", "int", "input_tokens", "tokens sent, cached ones included"),
    Column("output_tokens", "int", "output_tokens", "tokens received"),
    Column("is_estimated", "flag", "estimated", "whether callspan counted the tokens, not the provider"),
    Column("cost", "float", "cost", "US dollars; null where no price is known"),
    Column("time_to_first_chunk_s", "float", "time_to_first_chunk_s", "of a stream"),
    Column("finish_reason", "word", "finish_reason", "why the first choice ended"),
    Column("prompt_name", "word", "prompt_name", "the first prompt template of the call"),
    Column("prompt_version", "word", "prompt_version", "its version"),
    Column("conversation_id", "text", "conversation_id", "the conversation it belongs to"),
    Column("step", "int", "step", "the turn of the conversation as it was recorded, from 1"),
    Column("user_id", "text", "user_id", "for whom it ran"),
    Column("tags", "texts", "tags", "the tags of the span"),
    Column("metadata", "text", "metadata", "the metadata of the span, as a JSON text"),
    Column("feedback_name", "word", "feedback_name", "of a feedback span: what was judged"),
    Column("feedback_target", "word", "feedback_target", "`span`, `trace`, `conversation` or `key`"),
    Column("feedback_score", "float", "feedback_score", "by convention 0 is bad and 1 good"),
    Column("feedback_label", "word", "feedback_label", "a word, such as `up`"),
    Column("feedback_comment", "text", "feedback_comment", "what was written"),
    Column("feedback_annotator", "word", "feedback_annotator", "`human`, `llm`, `code`, or who it was"),
    Column("feedback_id", "text", "feedback_id", "the idempotency key"),
    Column("feedback_key", "text", "feedback_key", "the business key it is about"),
    Column("file", "word", "place.file", "where the span was read", lambda files: [*map(str, files)]),
    Column("line_offset", "int", "place.offset", "the byte its line starts at, unpacked"),
    Column("line_number", "int", "place.number", "its number among the spans of the line, from 0"),
)


_CELLS: Final = attrgetter(*(column.field for column in COLUMNS))


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
    by_column: Iterable[Sequence[Any]] = zip(*map(_CELLS, rows), strict=True) if rows else [()] * len(COLUMNS)
    for column, field, cells in zip(COLUMNS, shape, by_column, strict=True):
        values = column.make(cells) if column.make else cells
        try:
            arrays.append(pa.array(values, field.type))
        except (UnicodeError, OverflowError, pa.ArrowInvalid):
            arrays.append(pa.array([_held(value) for value in values], field.type))
    return pa.record_batch(arrays, schema=shape)


def _held(value: Any) -> Any:
    """Return what Arrow can hold of a value: JSON can write half characters, and numbers of any size."""
    if isinstance(value, list):
        return [_held(item) for item in value]
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


if __name__ == "__main__":
    for one in COLUMNS:
        print(f"| `{one.name}` | {one.type} | {one.meaning} |")  # noqa: T201
