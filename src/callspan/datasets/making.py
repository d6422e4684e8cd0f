"""Calls to what is written of them: contents read, cleaned, put into the form that is asked for, and known by a digest.

All that takes time is here, and needs nothing but the files, so it can be done by several processes.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from callspan.datasets.chat import Refused, chat_line
from callspan.datasets.evaluation_rows import COLUMNS, FACTS, evaluation_row
from callspan.datasets.examples import Example, digest_of, is_looked_at
from callspan.reading.load import Place
from callspan.reading.parse import written_json
from callspan.reading.rows import Placed, lean_spans_of

Tree = dict[str, Any]
Calls = dict[str, Sequence[Any]]
"""Calls by the columns of `Selection.question`, in its order."""
Clean = Callable[[Sequence[Example]], int]
"""Takes secrets out of examples, in place, and returns how many."""

FORMATS: Final = ("openai-chat", "preference", "csv", "jsonl", "parquet")
PLACES: Final = ("file", "line_offset", "line_number", "trace_id", "span_id")
_CHAT: Final = ("openai-chat", "preference")
_UNWRITTEN: Final = ("preference", "parquet")  # made of several lines at once
_IDENTITY: Final = frozenset(
    ("trace_id", "span_id", "conversation_id", "step", "feedback", "score", "label", "comment")
)
_AT_ONCE: Final = 32  # few enough that what was read is still near when it is written


class Made(NamedTuple):
    """What became of calls.

    `contents` has one for each: what is written, in bytes, or the line itself where the form is made of several; None
    for a call that was refused, for a reason that `refused` counts, and for one that is not in its file any more.
    `digests` tell same contents from others.
    """

    contents: list[Any]
    digests: list[bytes]
    redacted: int
    refused: dict[str, int]


def columns_for(form: str) -> tuple[str, ...]:
    """Return which columns `make` needs."""
    return PLACES if form in _CHAT else (*PLACES, *FACTS)


def make(calls: Calls, form: str, clean: Clean) -> Made:
    """Make calls in one of `FORMATS`."""
    files = {file: Path(file) for file in set(calls["file"])}  # a path of its own for each call would cost much
    placed = [
        Placed(Place(files[file], offset, number), trace_id, span_id)
        for file, offset, number, trace_id, span_id in zip(*(calls[name] for name in PLACES), strict=True)
    ]
    facts = zip(*(calls[name] for name in FACTS), strict=True) if form not in _CHAT else None
    spans = lean_spans_of(placed, is_looked_at)
    contents: list[Any] = []
    digests: list[bytes] = []
    redacted, refused = 0, Counter[str]()
    for _ in range(0, len(placed), _AT_ONCE):
        examples = [span and Example.of(span) for span in islice(spans, _AT_ONCE)]
        redacted += clean([example for example in examples if example])
        for example in examples:
            told = next(facts) if facts is not None else ()
            content, digest = None, b""
            if example is not None:
                example.facts = dict(zip(FACTS, told, strict=False))
                try:
                    content, digest = _made(example, form)
                except Refused as reason:
                    refused[str(reason)] += 1
            contents.append(content)
            digests.append(digest)
    return Made(contents, digests, redacted, dict(refused))


def _made(example: Example, form: str) -> tuple[Any, bytes]:
    """Return what is written of an example, and its digest."""
    if form not in _CHAT:
        row = evaluation_row(example)
        return row if form == "parquet" else written(row, form), digest_of(content_of(row))
    line = chat_line(example)
    if form == "preference":
        return line, b""
    text = written(line, form)
    # But for what tools are described by, keys have one order.
    return text, digest_of(line) if "tools" in line else hashlib.sha256(text).digest()[:16]


def content_of(line: Tree) -> Tree:
    """Return of a line what makes two calls the same example."""
    return {key: value for key, value in line.items() if key not in _IDENTITY}


def written(line: Tree, form: str) -> bytes:
    """Write a line as text: as one of a CSV file, or as JSON. Half characters, which UTF-8 has not, become `?`."""
    if form == "csv":
        return csv_line([line[column] for column in COLUMNS]).encode("utf-8", "replace")
    return written_json(line) + b"\n"


def csv_line(cells: Sequence[Any]) -> str:
    """Write one line of CSV, as RFC 4180 has it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()
