"""Calls to what is written of them: contents read, cleaned, put into the form that is asked for, and known by a digest.

All that takes time is here, and needs nothing but the files, so it can be done by several processes.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from callspan.datasets.chat import Refused, chat_line, check
from callspan.datasets.evaluation_rows import COLUMNS, FACTS, evaluation_row
from callspan.datasets.examples import Example, digest_of, is_looked_at
from callspan.datasets.plain_chats import plain_messages
from callspan.reading.files import Again
from callspan.reading.load import Place
from callspan.reading.otlp import LeanSpan
from callspan.reading.parse import written_json
from callspan.reading.rows import Placed, lean_spans_of

Tree = dict[str, Any]
Calls = dict[str, Sequence[Any]]
"""Calls by the columns of `Selection.question`, in its order."""
FORMATS: Final = ("openai-chat", "preference", "csv", "jsonl", "parquet")
PLACES: Final = ("file", "line_offset", "line_number", "trace_id", "span_id")
_CHAT: Final = ("openai-chat", "preference")
_UNWRITTEN: Final = ("preference", "parquet")  # made of several lines at once
_IDENTITY: Final = frozenset(
    ("trace_id", "span_id", "conversation_id", "step", "feedback", "score", "label", "comment")
)
_WRITTEN_BESIDE: Final = ("name", "conversation_id", "comment", "label")
_AT_ONCE: Final = 32  # few enough that what was read is still near when it is written


class Clean(Protocol):
    """Takes secrets out of what examples are made of, in place, and returns how many."""

    def examples(self, examples: Sequence[Example]) -> int:
        """Clean examples."""

    def texts(self, messages: Sequence[Tree], key: str) -> int | None:
        """Clean the text that each message has under `key`; None, and nothing is done, where that may not be all."""


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


def make(calls: Calls, form: str, clean: Clean, again: Again) -> Made:
    """Make calls in one of `FORMATS`, of what is read through `again`."""
    files = {file: Path(file) for file in set(calls["file"])}  # a path of its own for each call would cost much
    placed = [
        Placed(Place(files[file], offset, number), trace_id, span_id)
        for file, offset, number, trace_id, span_id in zip(*(calls[name] for name in PLACES), strict=True)
    ]
    spans = lean_spans_of(placed, is_looked_at, again)
    maker = Maker(form, clean)
    for start in range(0, len(placed), _AT_ONCE):
        some = [*islice(spans, _AT_ONCE)]
        if form in _CHAT:
            maker.make_chats(some)
        else:
            maker.make_rows(some, [calls[name][start : start + _AT_ONCE] for name in FACTS])
    return maker.made()


class Maker:
    """Makes some calls after the other, and collects what was made."""

    def __init__(self, form: str, clean: Clean) -> None:
        """Take one of `FORMATS`, and what cleans."""
        self._form = form
        self._clean = clean
        self._contents: list[Any] = []
        self._digests: list[bytes] = []
        self._redacted = 0
        self._refused: Counter[str] = Counter()

    def made(self) -> Made:
        """Return what was made since this was asked for last."""
        made = Made(self._contents, self._digests, self._redacted, dict(self._refused))
        self._contents, self._digests, self._redacted, self._refused = [], [], 0, Counter()
        return made

    def make_chats(self, spans: Sequence[LeanSpan | None]) -> None:
        """Make lines for chat models, of plain chats without examples in between."""
        chats = [None if span is None else plain_messages(span.attributes) for span in spans]
        count = self._clean.texts([message for chat in chats if chat for message in chat], "content")
        if count is None:
            chats = [None] * len(spans)
        self._redacted += count or 0
        examples = iter(self._examples([span for span, chat in zip(spans, chats, strict=True) if chat is None]))
        for chat in chats:
            example = next(examples) if chat is None else None
            try:
                if chat is not None:
                    line: Tree | None = check({"messages": chat})
                else:
                    line = None if example is None else chat_line(example)
            except Refused as reason:
                self._refused[str(reason)] += 1
                line = None
            self._add(line)

    def make_rows(self, spans: Sequence[LeanSpan | None], facts: Sequence[Sequence[Any]]) -> None:
        """Make rows for evaluation; `facts` are the columns `FACTS`."""
        for example, told in zip(self._examples(spans), zip(*facts, strict=True), strict=True):
            if example is not None:
                example.facts = dict(zip(FACTS, told, strict=True))
            self._add(None if example is None else self._cleaned(evaluation_row(example)))

    def _cleaned(self, row: Tree) -> Tree:
        """Clean what people and programs wrote beside the contents, which is no part of them."""
        beside = Example.holding({column: row[column] for column in _WRITTEN_BESIDE if row[column] is not None})
        self._redacted += self._clean.examples([beside])
        return {**row, **beside.input}

    def _examples(self, spans: Sequence[LeanSpan | None]) -> list[Example | None]:
        examples = [None if span is None else Example.of(span) for span in spans]
        self._redacted += self._clean.examples([example for example in examples if example is not None])
        return examples

    def _add(self, line: Tree | None) -> None:
        form = self._form
        content: Any = line
        digest = b""
        if line is not None:
            if form not in _UNWRITTEN:
                content = written(line, form)
            if form == "openai-chat" and "tools" not in line:
                digest = hashlib.sha256(content).digest()[:16]  # its keys are always in the same order
            elif form != "preference":  # pairs have digests of their own
                digest = digest_of(content_of(line))
        self._contents.append(content)
        self._digests.append(digest)


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
