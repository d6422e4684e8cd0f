"""The table of spans as a database of this process: DuckDB over Arrow, with feedback joined and tokens counted once.

Three views: `spans` has the columns of `callspan.reading.columns`; `calls` is the spans without feedback, where
`is_root` says that nothing of the files is above, and tokens and cost are null where spans below tell of the same ones;
`feedback` has one row for each piece that was given.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from callspan.errors import CallspanError
from callspan.reading.columns import COLUMNS
from callspan.reading.feedback import Candidate, GivenFeedback, Joined, join_candidates
from callspan.reading.load import Place
from callspan.reading.rows import Placed
from callspan.reading.tables import import_arrow

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Self

NEEDED: Final = (
    *("trace_id", "span_id", "parent_id", "component", "start_time", "conversation_id", "step", "tags", "metadata"),
    *(column.name for column in COLUMNS if column.name.startswith("feedback_")),
    *("file", "line_offset", "line_number"),
)
"""Columns that a table has to have for calls to be told from feedback, to have places, and to be judged."""
_MEMORY: Final = "400MB"  # beside the table itself; what needs more goes to the disk
_FETCHED: Final = 10_000
_HAS_TOKENS: Final = "({0}.input_tokens is not null or {0}.output_tokens is not null or {0}.cost is not null)"
_TYPES: Final = {
    "text": "varchar",
    "word": "varchar",
    "time": "timestamptz",
    "int": "bigint",
    "float": "double",
    "flag": "boolean",
    "texts": "varchar[]",
}
_LOADED: Final = "create temp view loaded as select *{missing} from read_table"
_SPANS: Final = "create temp view spans as select * from loaded where {where}"
# Some tools repeat the sum of what is below on chains and agents, also where spans without a sum are in between. `way`
# leads over those in between, and is there only for traces in which a span with a sum has one without below it.
_WAY: Final = f"""
create temp table way as select trace_id, span_id, parent_id as above from spans one
where not {_HAS_TOKENS.format("one")} and parent_id is not null and trace_id in (
  select above.trace_id from spans above join spans below
    on above.span_id = below.parent_id and above.trace_id = below.trace_id
  where {_HAS_TOKENS.format("above")} and not {_HAS_TOKENS.format("below")})"""  # noqa: S608 - constants
_LONGER: Final = """
create or replace temp table way as select one.trace_id, one.span_id, coalesce(next.above, one.above) as above
from way one left join way next on one.trace_id = next.trace_id and one.above = next.span_id"""
_LINKED: Final = """
select count(*) from way one join way next on one.trace_id = next.trace_id and one.above = next.span_id"""
_REPEATED: Final = f"""
create temp table repeated as select distinct above.trace_id, above.span_id
from spans below left join way on below.trace_id = way.trace_id and below.parent_id = way.span_id
join spans above on above.trace_id = below.trace_id and above.span_id = coalesce(way.above, below.parent_id)
where {_HAS_TOKENS.format("above")} and {_HAS_TOKENS.format("below")}"""  # noqa: S608 - constants
_DOUBLED: Final = 30  # times: more spans than any file has; in a ring of spans no way comes to an end
_ORPHANS: Final = """
create temp table orphans as select trace_id, span_id from spans one where parent_id is not null
  and not exists (select 1 from spans above where above.span_id = one.parent_id and above.trace_id = one.trace_id)"""
_CALLS: Final = """
create temp view calls as select * exclude (input_tokens, output_tokens, cost),
  parent_id is null or (trace_id, span_id) in (select (trace_id, span_id) from orphans) as is_root,
  case when not again then input_tokens end as input_tokens,
  case when not again then output_tokens end as output_tokens,
  case when not again then cost end as cost
from (select *, (trace_id, span_id) in (select (trace_id, span_id) from repeated) as again from spans
      where component is distinct from 'feedback')"""
# Hashes, since texts would take twice as long; whether two are the same is asked only where two hashes are.
_IS_REPEATED: Final = """
select count(*) > count(distinct hash(trace_id, span_id)) from read_table where component is distinct from 'feedback'"""
_LAST: Final = """
select max(number) from numbered group by trace_id, span_id, case when component = 'feedback' then number end
order by 1"""
_GIVEN: Final = """
select feedback_name, feedback_target, feedback_score, feedback_label, feedback_comment, feedback_annotator,
  feedback_id, feedback_key, conversation_id, step, user_id, trace_id, parent_id, span_id, epoch_ns(start_time)
from loaded where feedback_name is not null"""
_CANDIDATES: Final = """
select trace_id, span_id, parent_id, epoch_ns(start_time), conversation_id, step, tags, metadata from loaded
where component is distinct from 'feedback' and (
  trace_id in (select trace_id from loaded where feedback_name is not null)
  or conversation_id in (select conversation_id from loaded where feedback_name is not null)
  or ($has_keys and (tags is not null or metadata is not null)))"""


class Database:
    """Answers questions about a table of spans. Close it, or use it in a `with`."""

    def __init__(self, table: pa.Table, where: str | None = None, *, is_once: bool = False) -> None:
        """Look at the rows of `table` for which the SQL condition `where` holds; a wrong one raises `CallspanError`.

        Feedback is always there: which of it matters follows from the spans it is about. Columns that the table has not
        are null. With `is_once`, only the last of spans with the same IDs is there, and `repeated` counts the others.
        """
        import_arrow()
        import duckdb  # noqa: PLC0415 - an extra

        self._folder = tempfile.TemporaryDirectory(prefix="callspan-report-")
        self._connection = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": self._folder.name})
        self._error: type[Exception] = duckdb.Error
        self._connection.register("read_table", table)
        self.repeated = self._leave_out_repeated(table) if is_once else 0
        missing = [column for column in COLUMNS if column.name not in table.column_names]
        nulls = "".join(f", null::{_TYPES[column.type]} as {column.name}" for column in missing)
        self._connection.execute(_LOADED.format(missing=nulls))
        # What is asked for comes from a command line: it may look at the table, and at nothing else.
        self._connection.execute("set enable_external_access = false; set timezone = 'UTC'")
        try:
            self._connection.execute(_SPANS.format(where=f"({where}) or component = 'feedback'" if where else "true"))
            self._find_repeated()
        except duckdb.Error as error:
            self.close()
            raise CallspanError(f"--where {where}: {str(error).splitlines()[0]}") from None
        self._connection.execute(_ORPHANS)
        self._connection.execute(_CALLS)
        self.feedback = self._join()
        self._connection.register("feedback", _feedback_table(self.feedback))

    def rows(self, question: str, **given: Any) -> list[dict[str, Any]]:
        """Return the answer to a SQL question, a dictionary a row."""
        cursor = self._connection.execute(question, given or None)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, question: str, **given: Any) -> dict[str, Any]:
        """Return the only row of an answer."""
        (row,) = self.rows(question, **given)
        return row

    def count(self, question: str, given: dict[str, Any]) -> int:
        """Return how many rows the answer has; a value that cannot be compared raises `CallspanError`."""
        try:
            return int(self.one(f"select count(*) as rows from ({question})", **given)["rows"])  # noqa: S608 - ours
        except self._error as error:
            raise CallspanError(str(error).splitlines()[0]) from None

    def places(self, question: str, **given: Any) -> Iterator[Placed]:
        """Yield where the spans of an answer stand; it must have trace_id, span_id, file, line_offset, line_number."""
        for row in self.stream(question, **given):
            place = Place(Path(row["file"]), row["line_offset"], row["line_number"])
            yield Placed(place, row["trace_id"], row["span_id"])

    def stream(self, question: str, **given: Any) -> Iterator[dict[str, Any]]:
        """Yield the answer to a question row by row; nothing else may be asked until it is at its end."""
        cursor = self._connection.execute(question, given or None)
        names = [column[0] for column in cursor.description or ()]
        while some := cursor.fetchmany(_FETCHED):
            for row in some:
                yield dict(zip(names, row, strict=True))

    def columns(self, question: str, sizes: Iterable[int], **given: Any) -> Iterator[dict[str, Sequence[Any]]]:
        """Yield the answer to a question by its columns, as `stream` does; `sizes` are how many rows each time."""
        cursor = self._connection.execute(question, given or None)
        names = [column[0] for column in cursor.description or ()]
        for size in sizes:
            some = cursor.fetchmany(size)
            if not some:
                return
            yield dict(zip(names, zip(*some, strict=True), strict=True))

    def close(self) -> None:
        """Let go of memory and disk."""
        self._connection.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _leave_out_repeated(self, table: pa.Table) -> int:
        """Read no more than the last of spans that are there several times; return how many others there are."""
        execute = self._connection.execute
        (is_repeated,) = execute(_IS_REPEATED).fetchall()[0]
        if not is_repeated:
            return 0
        pa = import_arrow()
        named = table.select(["trace_id", "span_id", "component"])
        self._connection.register("numbered", named.append_column("number", pa.array(range(table.num_rows))))
        kept = [number for (number,) in execute(_LAST).fetchall()]
        self._connection.unregister("numbered")
        self._connection.register("read_table", table.take(pa.array(kept, pa.int64())))
        return int(table.num_rows) - len(kept)

    def _find_repeated(self) -> None:
        """Find the spans whose tokens are told again below; each step doubles the ways over those in between."""
        execute = self._connection.execute
        execute(_WAY)
        for _ in range(_DOUBLED):
            if execute(_LINKED).fetchall() == [(0,)]:
                break
            execute(_LONGER)
        execute(_REPEATED)

    def _join(self) -> Joined:
        given = [GivenFeedback(*row) for row in self._connection.execute(_GIVEN).fetchall()]
        if not given:
            return Joined()
        has_keys = any(one.key for one in given)
        cursor = self._connection.execute(_CANDIDATES, {"has_keys": has_keys})

        def candidates() -> Iterator[Candidate]:
            while some := cursor.fetchmany(_FETCHED):
                yield from (Candidate(*row) for row in some)

        return join_candidates(given, candidates())


def _feedback_table(joined: Joined) -> pa.Table:
    """Return the feedback with the names of `GivenFeedback`, and the span that is meant in two columns."""
    pa = import_arrow()
    texts = "name target label comment annotator id key conversation_id user_id".split()  # noqa: SIM905
    shape = pa.schema(
        [(name, pa.string()) for name in (*texts, "about_trace_id", "about_span_id")]
        + [
            ("score", pa.float64()),
            ("step", pa.int64()),
            ("time", pa.timestamp("ns", tz="UTC")),
            ("is_known", pa.bool_()),
        ]
    )
    rows = [
        {
            **{name: getattr(one, name) for name in texts},
            "about_trace_id": one.about[0] if one.about else None,
            "about_span_id": one.about[1] if one.about else None,
            "score": one.score,
            "step": one.step,
            "time": one.time_unix_ns,
            "is_known": one.is_known,
        }
        for one in joined.given
    ]
    return pa.Table.from_pylist(rows, schema=shape)
