"""Which calls a dataset is made of: conditions on the table of spans, and on the feedback about them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from callspan.errors import CallspanError, ReadError
from callspan.reports.database import NEEDED

Tree = dict[str, Any]

_CONDITION: Final = re.compile(r"\s*(?P<name>[^<>=!]+?)\s*(?:(?P<sign>>=|<=|!=|=|>|<)\s*(?P<value>.+?)\s*)?")
_COLUMNS: Final = {
    **{name: f"one.{name}" for name in ("trace_id", "span_id", "file", "line_offset", "line_number")},
    **{name: f"one.{name}" for name in ("conversation_id", "step", "model", "outcome", "kind")},
    **{name: f"one.{name}" for name in ("prompt_name", "prompt_version")},
    "feedback": "said.name",
    **{name: f"said.{name}" for name in ("score", "label", "comment")},
}
LOOKED_AT: Final = frozenset(
    (*NEEDED, *(value.removeprefix("one.") for value in _COLUMNS.values() if value.startswith("one.")))
)
"""Columns of the table of spans that are looked at."""
# Feedback on a root is about all that is below it; of several pieces on one call the newest counts.
_SAID: Final = """
select trace_id, span_id, unnest(max_by({{'name': name, 'score': score, 'label': label, 'comment': comment}}, time))
from (select one.trace_id, one.span_id, given.name, given.score, given.label, given.comment, given.time
  from feedback given join calls about on about.trace_id = given.about_trace_id and about.span_id = given.about_span_id
  join calls one on one.trace_id = about.trace_id and (about.is_root or one.span_id = about.span_id) {where})
group by trace_id, span_id"""


class Opinion(NamedTuple):
    """A condition on feedback: `helpful>=1`, `helpful=up` (a label) or `helpful` (any)."""

    name: str
    sign: str | None = None
    value: str | float | None = None

    @classmethod
    def parse(cls, text: str) -> Opinion:
        """Read a condition; raises `CallspanError` for one that cannot be meant."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise CallspanError(f"--feedback {text!r}: write a name, as in helpful, helpful>=0.5 or helpful=up")
        if match["sign"] is None:
            return cls(match["name"])
        try:
            return cls(match["name"], match["sign"], float(match["value"]))
        except ValueError:
            if match["sign"] not in ("=", "!="):
                raise CallspanError(f"--feedback {text!r}: a label is compared with = or !=") from None
            return cls(match["name"], match["sign"], match["value"])

    def in_sql(self) -> tuple[str, Tree]:
        """Return the condition on the columns of what was said, and its parameters."""
        if self.sign is None:
            return "true", {}
        column = "said.label" if isinstance(self.value, str) else "said.score"
        return f"coalesce({column} {self.sign} $opinion, false)", {"opinion": self.value}


@dataclass(frozen=True, slots=True)
class Selection:
    """What calls must be; no wish is always met. Times are texts such as `2026-11-01` or `2026-11-01 12:00`, in UTC.

    `calls` are trace IDs with span IDs behind them, as `calls_in` reads them.
    """

    kinds: tuple[str, ...] = ("llm",)
    opinion: Opinion | None = None
    conversation: str | None = None
    prompt: str | None = None
    version: str | None = None
    model: str | None = None
    since: str | None = None
    until: str | None = None
    has_failed: bool | None = None
    calls: frozenset[str] | None = None
    both_opinions: bool = field(default=False, kw_only=True)

    @property
    def is_of_kinds(self) -> bool:
        """Whether it asks for all calls of some kinds, and for nothing else."""
        return bool(self.kinds) and self == Selection(self.kinds)

    @property
    def is_narrow(self) -> bool:
        """Whether it asks for something that few calls may be, so that few are chosen of many."""
        wishes = (self.opinion, self.conversation, self.calls, self.since, self.until)
        return any(wish is not None for wish in wishes)

    def question(self, columns: Collection[str] = _COLUMNS.keys()) -> tuple[str, Tree]:
        """Return the question to ask a `Database`, and its parameters; the answer is in the order of the files.

        Its rows say where a call stands, and its facts, or what of that is in `columns`; `is_wanted` says whether the
        opinion is met.
        """
        wishes = {
            "list_contains($kinds, one.kind)": ("kinds", list(self.kinds) or None),
            "one.conversation_id = $conversation": ("conversation", self.conversation),
            "prompt_name = $prompt": ("prompt", self.prompt),
            "prompt_version = $version": ("version", self.version),
            "model = $model": ("model", self.model),
            "start_time >= $since::timestamptz": ("since", self.since),
            "start_time < $until::timestamptz": ("until", self.until),
            "(outcome = 'error') = $has_failed": ("has_failed", self.has_failed),
            "one.trace_id || one.span_id in (select unnest($calls))": (
                "calls",
                None if self.calls is None else sorted(self.calls),
            ),
        }
        conditions = [wish for wish, (_, value) in wishes.items() if value is not None]
        given: Tree = {name: value for name, value in wishes.values() if value is not None}
        wanted, where = "true", ""
        if self.opinion is not None:
            wanted, more = self.opinion.in_sql()
            given |= {**more, "opinion_name": self.opinion.name}
            where = "where given.name = $opinion_name"
            conditions.append("said.name is not null" if self.both_opinions else f"said.name is not null and {wanted}")
        told = {name: value for name, value in _COLUMNS.items() if name in columns}
        cells = ", ".join(f"{value} as {name}" for name, value in {**told, "is_wanted": wanted}.items())
        said = ""
        if self.opinion is not None or any(value.startswith("said.") for value in told.values()):
            said = (
                f"left join ({_SAID.format(where=where)}) said"
                " on said.trace_id = one.trace_id and said.span_id = one.span_id"
            )
        question = (
            f"select {cells} from calls one {said}"  # noqa: S608
            f" where {' and '.join(conditions) or 'true'} order by file, line_offset, line_number"
        )
        return question, given

    def labels(self) -> tuple[str, Tree]:
        """Return the question for the labels of calls that were judged, with places, and its parameters."""
        question, given = self.question({"file", "line_offset", "line_number", "feedback", "label"})
        return f"select file, line_offset, line_number, label from ({question}) where feedback is not null", given  # noqa: S608


def calls_in(path: Path, cluster: str | None = None) -> frozenset[str]:
    """Read which calls a file names: JSON Lines with trace_id and span_id, as `callspan clusters` writes them.

    cluster: a number, or `problems` for all clusters that are; None takes every line. Raises `CallspanError` that names
    the line which is nothing of this kind, and the error of a file that cannot be opened.
    """
    if cluster not in (None, "problems") and not re.fullmatch(r"-?\d+", cluster or ""):
        raise CallspanError(f"--cluster {cluster!r}: give the number of a cluster, or problems")
    found = set()
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ReadError(error.errno, error.strerror or str(error), str(path)) from None
    except UnicodeDecodeError:
        raise CallspanError(f"{path} is no text in UTF-8") from None
    for number, line in enumerate(lines, 1):
        try:
            told = json.loads(line)
            ids = told["trace_id"] + told["span_id"]
        except (ValueError, TypeError, KeyError):
            raise CallspanError(f"{path}, line {number}: no JSON object with trace_id and span_id") from None
        if cluster in (None, str(told.get("cluster"))) or (cluster == "problems" and told.get("is_problem") is True):
            found.add(ids)
    return frozenset(found)
