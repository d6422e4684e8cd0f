"""Two templates or two models on the same inputs: each row is answered twice, and both answers become records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from callspan.errors import CallspanError
from callspan.evaluation.asking import ask, used_by
from callspan.evaluation.scores import Level, Score
from callspan.evaluation.subjects import Subject, question_of, subject_of
from callspan.model.prompt import PromptTemplate
from callspan.model.record import SpanRecord

Row = Mapping[str, Any]

_OVERHEAD_TOKENS: Final = 64


@dataclass(frozen=True)
class Side:
    """What answers: a model, and the template its prompt is made with; without one, the row's `question` is asked."""

    name: str
    model: str
    template: PromptTemplate | None = None

    @property
    def title(self) -> str:
        """The model with the template's name and version."""
        template = self.template
        return f"{self.model}, {template.name or 'prompt'}@{template.version}" if template else self.model

    def prompt_of(self, row: Row, number: int) -> str:
        """Render the prompt of a row. Raises `CallspanError` that names the row, and the column that is missing."""
        names = ("question",) if self.template is None else self.template.variable_names
        missing = [name for name in names if row.get(name) is None]
        if missing:
            raise CallspanError(
                f"row {number} of the inputs has no {' and no '.join(missing)}, which {self.name} asks for"
            )
        if self.template is None:
            return str(row["question"])
        return str(self.template.format(**{name: row[name] for name in names}))


@dataclass(frozen=True)
class Answering:
    """Asks a model, as an evaluator that the runner runs: so limits, budget, retries and cache are the same ones.

    The answer is the score's `explanation`; there is no score.
    """

    side: Side
    client: Any = field(repr=False)
    max_tokens: int = 1024
    level: Level = "span"

    is_costly = True

    @property
    def name(self) -> str:
        """That of the side."""
        return self.side.name

    @property
    def identity(self) -> str:
        """The model; the prompt is what is looked at."""
        return f"answer:{self.side.model}:{self.max_tokens}"

    async def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Ask; an empty answer is an error."""
        answer = await ask(self.client, self._request(record))
        text = answer.choices[0].message.content if answer.choices else None
        if not text:
            return Score(self.name, None, None, None, "the model answered nothing", "llm", *used_by(answer))
        return Score(self.name, None, None, text, None, "llm", *used_by(answer))

    def bound_tokens(self, record: SpanRecord | Subject) -> int:
        """Return how many tokens one call may use at the most: no token is shorter than a byte."""
        return len(json.dumps(self._request(record)).encode()) + self.max_tokens + _OVERHEAD_TOKENS

    def _request(self, record: SpanRecord | Subject) -> dict[str, Any]:
        messages = [{"role": "user", "content": question_of(subject_of(record).record)}]
        return {"model": self.side.model, "messages": messages, "max_tokens": self.max_tokens}


def asked(side: Side, rows: Iterable[Row]) -> list[SpanRecord]:
    """Return a record for each row, with the prompt and without an answer."""
    return [_record(side, number, side.prompt_of(row, number)) for number, row in enumerate(rows, 1)]


def answered(record: SpanRecord, score: Score, row: Row) -> Subject:
    """Return the record with its answer, as judges see it: they are shown the row's question and context."""
    shown = record.model_copy(
        update={
            "input_messages": [
                *([_message("system", str(row["context"]))] if row.get("context") else []),
                _message("user", str(row.get("question") or question_of(record))),
            ],
            "output_messages": [_message("assistant", score.explanation or "")],
        }
    )
    return Subject(shown)


def expected_in(records: Sequence[SpanRecord], rows: Sequence[Row]) -> dict[str, Any]:
    """Return the right answers that the rows hold under `expected`, by span ID."""
    return {
        record.span_id: row["expected"]
        for record, row in zip(records, rows, strict=True)
        if row.get("expected") is not None
    }


def _record(side: Side, number: int, prompt: str) -> SpanRecord:
    span_id = hashlib.sha256(f"{number}{side.name}".encode()).hexdigest()[:16]
    return SpanRecord(
        trace_id=f"{number:032x}",
        span_id=span_id,
        name=f"answer {side.name}",
        kind="llm",
        start_time_unix_ns=number,
        end_time_unix_ns=number,
        request={"model": side.model},
        input_messages=[_message("user", prompt)],
    )


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}
