"""Calls to what is written of them: contents read, cleaned, put into the form that is asked for, and known by a digest.

All that takes time is here, and needs nothing but the files, so it can be done by several processes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from callspan.datasets.chat import Refused, chat_line
from callspan.datasets.evaluation_rows import COLUMNS, evaluation_row
from callspan.datasets.examples import Example, digest_of, is_looked_at
from callspan.reading.load import Place
from callspan.reading.rows import Placed, made_of

Tree = dict[str, Any]
Clean = Callable[[Example], int]
"""Takes secrets out of an example, in place, and returns how many."""

FORMATS: Final = ("openai-chat", "preference", "csv", "jsonl", "parquet")
_CHAT: Final = ("openai-chat", "preference")
_UNWRITTEN: Final = ("preference", "parquet")  # made of several lines at once
_IDENTITY: Final = frozenset(
    ("trace_id", "span_id", "conversation_id", "step", "feedback", "score", "label", "comment")
)
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


class Made(NamedTuple):
    """What became of one call.

    `content` is what is written: bytes, or the line itself where the form is made of several. It is None for a call
    that was `refused`, and for one that is not in its file any more. `digest` tells same contents from others.
    """

    content: Any
    digest: bytes
    redacted: int = 0
    refused: str | None = None


def make(rows: Sequence[Tree], form: str, clean: Clean) -> list[Made]:
    """Make the calls in the rows, which are those of `Selection.question`, in one of `FORMATS`."""
    files = {row["file"]: Path(row["file"]) for row in rows}  # a path of its own for each call would cost much
    placed = (
        Placed(Place(files[row["file"]], row["line_offset"], row["line_number"]), row["trace_id"], row["span_id"])
        for row in rows
    )
    found = zip(rows, made_of(placed, Example.of, is_looked_at), strict=True)
    return [Made(None, b"") if example is None else _made(row, example, form, clean) for row, example in found]


def _made(row: Tree, example: Example, form: str, clean: Clean) -> Made:
    example.facts = row
    redacted = clean(example)
    try:
        line = chat_line(example) if form in _CHAT else evaluation_row(example)
    except Refused as reason:
        return Made(None, b"", redacted, str(reason))
    if form == "preference":
        return Made(line, b"", redacted)
    return Made(line if form in _UNWRITTEN else written(line, form), digest_of(content_of(line)), redacted)


def content_of(line: Tree) -> Tree:
    """Return of a line what makes two calls the same example."""
    return {key: value for key, value in line.items() if key not in _IDENTITY}


def written(line: Tree, form: str) -> bytes:
    """Write a line as text: as one of a CSV file, or as JSON. Half characters, which UTF-8 has not, become `?`."""
    text = csv_line([line[column] for column in COLUMNS]) if form == "csv" else _encode(line) + "\n"
    return text.encode("utf-8", "replace")


def csv_line(cells: Sequence[Any]) -> str:
    """Write one line of CSV, as RFC 4180 has it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()
