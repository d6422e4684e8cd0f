"""A whole report as one tree of plain data: what `--json` prints and the page shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from callspan.reading.files import LoadReport
from callspan.reports import figures
from callspan.reports.database import Database
from callspan.reports.samples import Samples

Tree = dict[str, Any]

SCHEMA_VERSION: Final = 1
"""Raised when a field changes its meaning or goes; a new field does not raise it."""


def make_figures(database: Database, report: LoadReport) -> Tree:
    """Return the figures: `totals`, `by` every group, `over_time`, `errors`, `feedback`, and what was `read`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "read": {
            "spans": report.read,
            "repeated": database.repeated,
            "files": len(report.lines),
            "unreadable": dict(report.bad),
            "first_unreadable": [list(place) for place in report.first_bad],
        },
        "totals": figures.totals(database),
        "by": {name: figures.group(database, name) for name in figures.GROUPS},
        "over_time": figures.over_time(database),
        "errors": figures.errors(database),
        "feedback": figures.given_feedback(database),
    }


def make_samples(database: Database, traces: Iterable[str] = ()) -> Tree:
    """Return what a page shows beside the figures: calls, traces, conversations, retrievals and feedback in full."""
    samples = Samples(database)
    return {
        "slowest": samples.slowest(),
        "dearest": samples.dearest(),
        "traces": samples.traces(traces),
        "conversations": samples.conversations(),
        "retrievals": samples.retrievals(),
        "newest_feedback": samples.feedback(),
    }
