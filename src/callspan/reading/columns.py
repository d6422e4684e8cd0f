"""The columns of the table of spans: names, types and meanings, the same in Arrow, Parquet and SQL.

`python -m callspan.reading.columns` prints them as the table of `callspan.reading.columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from callspan.reading.overview import Row

_LARGEST: Final = 2**63 - 1
_MESSAGE_CHARACTERS: Final = 1_000


class Column(NamedTuple):
    """One column. `type` is `text`, `word` (a text of few values), `time`, `int`, `float`, `flag` or `texts`.

    `field` is where its values stand in a `Row`; `make` makes the values of those. `facts` are what the attributes of a
    span have to tell for it, where that is not the one fact of the field's name.
    """

    name: str
    type: str
    field: str
    meaning: str
    make: Callable[[Sequence[Any]], Sequence[Any]] | None = None
    facts: tuple[str, ...] = ()


def _milliseconds(durations_ns: Sequence[Any]) -> Sequence[Any]:
    return [duration_ns / 1e6 for duration_ns in durations_ns]


def _messages(messages: Sequence[Any]) -> Sequence[Any]:
    return [message and message[:_MESSAGE_CHARACTERS] for message in messages]


COLUMNS: Final[tuple[Column, ...]] = (
    Column("trace_id", "text", "trace_id", "32 hexadecimal digits"),
    Column("span_id", "text", "span_id", "16 hexadecimal digits"),
    Column("parent_id", "text", "parent_id", "the span above; null at a root"),
    Column("name", "word", "name", "what was called"),
    Column("kind", "word", "kind", "one of the nine kinds: `llm`, `chain`, `tool`, …", facts=("kind", "operation")),
    Column(
        *("component", "word", "component", "a finer word than the kind; `feedback` for feedback"),
        facts=("component", "kind", "operation"),
    ),
    Column("service", "word", "service", "who made the span"),
    Column("start_time", "time", "start_time_unix_ns", "when it began, in UTC"),
    Column("duration_ms", "float", "duration_ns", "how long it took", _milliseconds),
    Column("outcome", "word", "outcome", "`ok`, `error`, `cancelled`, `abandoned` or `incomplete`"),
    Column("error_type", "word", "error_type", "the class of what was raised"),
    Column("error_message", "text", "error_message", "its text, at most 1,000 characters", _messages),
    Column(
        *("provider", "word", "provider", "who runs the model, by its GenAI name"), facts=("provider", "host", "system")
    ),
    Column("model", "word", "model", "the model that answered, else the one asked for"),
    Column("input_tokens", "int", "input_tokens", "tokens sent, cached ones included"),
    Column("output_tokens", "int", "output_tokens", "tokens received"),
    Column(
        *("is_estimated", "flag", "estimated", "whether callspan counted the tokens, not the provider"),
        facts=("usage_source",),
    ),
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


_BY_NAME: Final = {column.name: column for column in COLUMNS}
_ALWAYS_READ: Final = ("outcome", "error_type")  # they say whether there is more to read


def facts_for(columns: Collection[str]) -> frozenset[str]:
    """Return which facts, by the names in `callspan.reading.overview`, rows need for these columns."""
    wanted = [column for column in COLUMNS if column.name in columns]
    return frozenset(_ALWAYS_READ).union(*(column.facts or (column.field,) for column in wanted))


def schema(columns: Collection[str] | None = None) -> pa.Schema:
    """Return the Arrow schema of these columns, else of all; each field carries its meaning as metadata."""
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
        [
            pa.field(column.name, types[column.type], metadata={"meaning": column.meaning})
            for column in COLUMNS
            if columns is None or column.name in columns
        ]
    )


def batch_of(rows: list[Row], shape: pa.Schema) -> pa.RecordBatch:
    """Turn rows into the columns of a schema."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    arrays = []
    columns = [_BY_NAME[name] for name in shape.names]
    for column, field, cells in zip(columns, shape, _cells(rows, columns), strict=True):
        values = column.make(cells) if column.make else cells
        try:
            arrays.append(pa.array(values, field.type))
        except (UnicodeError, OverflowError, pa.ArrowInvalid):
            arrays.append(pa.array([_held(value) for value in values], field.type))
    return pa.record_batch(arrays, schema=shape)


def _cells(rows: list[Row], columns: list[Column]) -> Iterable[Sequence[Any]]:
    if not rows:
        return [()] * len(columns)
    told = zip(*map(_getter(tuple([column.field for column in columns])), rows), strict=True)
    next(told)
    return told


@lru_cache(maxsize=16)
def _getter(fields: tuple[str, ...]) -> Callable[[Row], Sequence[Any]]:
    return attrgetter("place", *fields)  # of one more: of a single one it would make no tuple


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
