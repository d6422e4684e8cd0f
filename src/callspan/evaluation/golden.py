"""Golden answers and relevant documents, read from a dataset: JSON Lines or CSV, one row a question."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callspan.errors import CallspanError, ReadError

_KEYS: Final = ("span_id", "trace_id", "question")
_LONGEST_FIELD: Final = 2**31 - 1


@dataclass(slots=True)
class Golden:
    """The right answers, and the relevant documents, each by span ID, trace ID or question.

    A question that has different answers in different rows has none: `ambiguous` counts such questions.
    """

    expected: dict[str, Any] = field(default_factory=dict)
    relevant: dict[str, Any] = field(default_factory=dict)
    ambiguous: int = 0

    @classmethod
    def read(cls, path: Path) -> Golden:
        """Read a file of rows with `span_id`, `trace_id` or `question`, and `expected` or `relevant`.

        `relevant` holds the IDs (or texts) of documents, or their grades by ID; in CSV as JSON, or parted by `;`.
        Rows with neither are passed over. Raises `CallspanError` that names the line of a row that cannot be read.
        """
        golden = cls()
        unclear: set[str] = set()
        for number, row in _rows(path):
            keys = _keys_of(row)
            if not keys:
                raise CallspanError(f"{path}, line {number}: a row needs one of {', '.join(_KEYS)}")
            if row.get("expected") not in (None, ""):
                _note(golden.expected, keys, row["expected"], unclear)
            if row.get("relevant") not in (None, ""):
                try:
                    documents = _documents(row["relevant"])
                except (ValueError, TypeError) as error:
                    raise CallspanError(f"{path}, line {number}: relevant: {error}") from None
                _note(golden.relevant, keys, documents, unclear)
        for key in unclear:
            golden.expected.pop(key, None)
            golden.relevant.pop(key, None)
        golden.ambiguous = len(unclear)
        if not golden.expected and not golden.relevant:
            raise CallspanError(f"{path}: no row has a value for `expected` or `relevant`")
        return golden


def _keys_of(row: dict[str, Any]) -> list[str]:
    """Return what a row is found by: the span, else the trace; and the question, which other spans may ask again."""
    told = {name: str(row[name]) for name in _KEYS if row.get(name)}
    if "span_id" in told:
        told.pop("trace_id", None)
    return list(told.values())


def _note(known: dict[str, Any], keys: list[str], value: Any, unclear: set[str]) -> None:
    for key in keys:
        if known.setdefault(key, value) != value:
            unclear.add(key)


def _documents(told: Any) -> Any:
    if isinstance(told, dict):
        return {str(name): float(grade) for name, grade in told.items()}
    if isinstance(told, list):
        return [str(name) for name in told]
    text = str(told).strip()
    if text[:1] in ("[", "{"):
        return _documents(json.loads(text))
    return [name.strip() for name in text.split(";") if name.strip()]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReadError(error.errno, error.strerror or type(error).__name__, str(path)) from None
    except UnicodeDecodeError as error:
        raise CallspanError(f"{path}: this is no UTF-8: {error}") from None
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path, text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CallspanError(f"{path}, line {number}: this is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise CallspanError(f"{path}, line {number}: a row is a JSON object")
        yield number, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    before = csv.field_size_limit(_LONGEST_FIELD)  # exported rows hold whole contexts
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise CallspanError(f"{path}, line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(before)
