"""The figures of a report: counts, latencies, tokens and cost, by whatever tells calls apart, and over time."""

from __future__ import annotations

from typing import Any, Final

from callspan.reports.database import Database

Tree = dict[str, Any]

GROUPS_SHOWN: Final = 50
_BUCKETS: Final = ((3 * 3600, "minute"), (5 * 86400, "hour"), (400 * 86400, "day"))  # up to so many seconds

# What a group is called, and which calls count: `where` all that belong, `request` those that are counted and timed.
GROUPS: Final[dict[str, tuple[str, str, str]]] = {
    "model": ("model", "model is not null and kind in ('llm', 'embedding', 'reranker')", "true"),
    "kind": ("kind", "true", "true"),
    "name": ("kind || ' ' || calls.name", "true", "true"),
    "prompt": (
        "concat_ws(' ', prompt_name, prompt_version)",
        "prompt_name is not null or prompt_version is not null",
        "true",
    ),
    "user": ("calls.user_id", "calls.user_id is not null", "is_root"),
    "conversation": ("calls.conversation_id", "calls.conversation_id is not null", "is_root"),
}
_FIGURES: Final = """
  count(*) filter (where {request}) as requests,
  count(*) filter (where {request} and outcome = 'error') as errors,
  quantile_cont(duration_ms, [0.5, 0.95, 0.99]) filter (where {request}) as latencies,
  quantile_cont(time_to_first_chunk_s * 1000, [0.5, 0.95, 0.99]) filter (where time_to_first_chunk_s is not null)
    as first_chunks,
  sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
  coalesce(bool_or(is_estimated and input_tokens is not null), false) as is_estimated,
  sum(cost) as cost"""
_QUANTILES: Final = ("p50", "p95", "p99")


def totals(database: Database) -> Tree:
    """Return the figures over all, and how far in time the spans go."""
    found = database.one(
        f"select count(*) as spans, count(distinct trace_id) as traces, {_figures('is_root')},"  # noqa: S608 - constants
        " count(distinct conversation_id) as conversations, count(distinct user_id) as users,"
        " min(start_time)::varchar as first, max(start_time)::varchar as last from calls"
    )
    given = database.feedback
    return {
        **_row(found),
        "feedback": len(given.given),
        "feedback_repeated": given.repeated,
        "feedback_unknown": given.unknown,
    }


def group(database: Database, name: str, limit: int = GROUPS_SHOWN) -> list[Tree]:
    """Return the figures by one of `GROUPS`, the largest groups first, with the mean of every feedback."""
    key, where, request = GROUPS[name]
    found = database.rows(
        f"select {key} as key, {_figures(request)} from calls where ({where}) group by 1"  # noqa: S608 - constants
        f" order by requests desc, key limit {limit}"
    )
    scores = _scores(database, name)
    return [{**_row(row), "feedback": scores.get(row["key"], {})} for row in found]


def _scores(database: Database, name: str) -> dict[str, dict[str, Tree]]:
    """Return the mean of the scores by group and by what was judged; feedback on a trace is on all that is in it."""
    if not database.feedback.given:
        return {}
    key, where, _ = GROUPS[name]
    whole = " union select conversation_id, name, score, time from feedback where about_trace_id is null"
    found = database.rows(
        "select key, name, count(*) as count, avg(score) as mean from ("  # noqa: S608 - constants
        f"select distinct {key} as key, given.name as name, given.score as score, given.time as time"
        " from calls join feedback given on given.about_trace_id = trace_id"
        f" where {where}{whole if name == 'conversation' else ''}) where key is not null group by 1, 2 order by 1, 2"
    )
    scores: dict[str, dict[str, Tree]] = {}
    for row in found:
        scores.setdefault(row["key"], {})[row["name"]] = {"count": row["count"], "mean": row["mean"]}
    return scores


def over_time(database: Database) -> Tree:
    """Return the figures of roots by minute, hour, day or month, whichever gives at most a few hundred."""
    span = database.one("select date_diff('second', min(start_time), max(start_time)) as seconds from calls")
    seconds = span["seconds"] or 0
    unit = next((unit for most, unit in _BUCKETS if seconds <= most), "month")
    found = database.rows(
        f"select date_trunc('{unit}', start_time)::varchar as key, {_figures('is_root')} from calls"  # noqa: S608 - constants
        " where start_time is not null group by 1 order by 1"
    )
    return {"unit": unit, "buckets": [_row(row) for row in found]}


def errors(database: Database, limit: int = GROUPS_SHOWN) -> list[Tree]:
    """Return what failed, by type and name: where an error began, not where it passed through."""
    return database.rows(
        "select error_type, kind || ' ' || name as key, count(*) as count, any_value(error_message) as message,"
        " arg_max(trace_id, start_time) as trace_id from calls one where outcome = 'error'"
        " and not exists (select 1 from calls below where below.parent_id = one.span_id"
        " and below.trace_id = one.trace_id and below.outcome = 'error')"
        " group by 1, 2 order by count desc, key limit $limit",
        limit=limit,
    )


def given_feedback(database: Database) -> list[Tree]:
    """Return the feedback by what was judged: how many, the mean score, and how often each label."""
    found = database.rows(
        "select name as key, count(*) as count, avg(score) as mean from feedback group by 1 order by 2 desc, 1"
    )
    labels = database.rows("select name, label, count(*) as count from feedback where label is not null group by 1, 2")
    for row in found:
        row["labels"] = {one["label"]: one["count"] for one in labels if one["name"] == row["key"]}
    return found


def _figures(request: str) -> str:
    return _FIGURES.format(request=request)


def _row(row: Tree) -> Tree:
    told = {key: value for key, value in row.items() if key not in ("latencies", "first_chunks")}
    told["latency_ms"] = _named(row["latencies"])
    told["first_chunk_ms"] = _named(row["first_chunks"])
    return told


def _named(values: list[float] | None) -> dict[str, float] | None:
    return None if values is None else dict(zip(_QUANTILES, values, strict=True))
