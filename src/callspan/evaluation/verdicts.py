"""Verdicts that were paid for, kept in one file, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from dataclasses import asdict
from typing import Any, Final

from callspan.evaluation.scores import Evaluator, Score
from callspan.evaluation.subjects import Subject

_TABLE: Final = "create table if not exists verdicts (key text primary key, score text not null)"


def key_of(evaluator: Evaluator, subject: Subject) -> str:
    """Return what a verdict is kept under: a hash of the evaluator's identity and of all that it can see."""
    record = subject.record
    seen = [evaluator.identity, subject.question, subject.answer, subject.context, subject.dialogue]
    if not any(seen[1:3]):
        seen.append(record.span_id)
    expected: Any = getattr(evaluator, "expected", None)
    if expected is not None:
        from callspan.evaluation.subjects import expected_of  # noqa: PLC0415

        seen.append(json.dumps(expected_of(expected, subject), default=str))
    return hashlib.sha256("\x00".join(seen).encode("utf-8", "surrogatepass")).hexdigest()


class Verdicts:
    """A file of verdicts, one transaction each. Errors are not kept: a later run tries them again."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file, or make it; readable by its owner only, since explanations quote what was judged."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._file = sqlite3.connect(path)
        self._file.execute("pragma journal_mode=wal")
        self._file.execute(_TABLE)

    def get(self, key: str) -> Score | None:
        """Return the verdict that was given before."""
        found = self._file.execute("select score from verdicts where key = ?", (key,)).fetchone()
        return Score(**json.loads(found[0])) if found else None

    def put(self, key: str, score: Score) -> None:
        """Keep a verdict, unless it is an error."""
        if score.error is None:
            with self._file:
                self._file.execute("insert or replace into verdicts values (?, ?)", (key, json.dumps(asdict(score))))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
