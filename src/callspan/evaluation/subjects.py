"""What an evaluator looks at: the question, the answer and the context that a record and its trace tell of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callspan.model.record import SpanRecord

Reference = str | Mapping[str, Any] | Callable[[SpanRecord], Any] | None
"""Where the right answer is found: a text, a mapping by span ID, trace ID or question, or a function of the record."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A record, with the other spans of its trace or the turns of its conversation, as far as they are known."""

    record: SpanRecord
    spans: Sequence[SpanRecord] = ()
    turns: Sequence[SpanRecord] = ()

    @property
    def question(self) -> str:
        """What the user asked: the last message of a user, else the query, else the input."""
        return question_of(self.record)

    @property
    def answer(self) -> str:
        """What came out: the text of the answer, else the output."""
        return answer_of(self.record)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The documents of this span; where it has none, all that its trace retrieved, each once."""
        own = self.record.documents
        if own:
            return own
        return distinct(
            document
            for span in self.spans
            if span.kind in ("retriever", "reranker")
            for document in span.documents or ()
        )

    @property
    def context(self) -> str:
        """The texts of the documents, numbered; where there are none, what stands before the question in the prompt."""
        texts = [document["content"] for document in self.documents if document.get("content")]
        if texts:
            return "\n\n".join(f"[{number}] {text}" for number, text in enumerate(texts, 1))
        return instructions_of(self.record)

    @property
    def dialogue(self) -> str:
        """The conversation up to here, as `user:` and `assistant:` lines."""
        turns = self.turns or (self.record,)
        return "\n".join(f"user: {question_of(turn)}\nassistant: {answer_of(turn)}" for turn in turns)


def subject_of(record: SpanRecord | Subject) -> Subject:
    """Return a subject as it is, and a record as one that nothing is known around."""
    return record if isinstance(record, Subject) else Subject(record)


def expected_of(reference: Reference, subject: Subject) -> Any:
    """Return the right answer for a subject; None where there is none."""
    record = subject.record
    if callable(reference):
        return reference(record)
    if not isinstance(reference, Mapping):
        return reference
    for key in (record.span_id, record.trace_id, subject.question):
        if key in reference:
            return reference[key]
    return None


def question_of(record: SpanRecord) -> str:
    """Return what was asked, as text; empty when nothing was."""
    for message in reversed(record.input_messages or []):
        if message.get("role") == "user" and (text := _text_of([message])):
            return text
    return record.query or plain_text(record.input)


def answer_of(record: SpanRecord) -> str:
    """Return what came out, as text; empty when nothing did."""
    return _text_of(record.output_messages or []) or plain_text(record.output)


def instructions_of(record: SpanRecord) -> str:
    """Return what a model was told besides the question: system instructions and earlier messages."""
    told = [str(part["content"]) for part in record.system_instructions or () if part.get("content")]
    earlier = (record.input_messages or [])[:-1]
    return "\n\n".join([*told, *filter(None, [_text_of(earlier)])])


def plain_text(value: Any) -> str:
    """Return a value as a person would read it: texts as they are, a single argument alone, the rest as JSON."""
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def distinct(documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each document once, by its ID or its text, in the order they came."""
    seen: dict[Any, dict[str, Any]] = {}
    for document in documents:
        seen.setdefault(document.get("id") or document.get("content"), document)
    return [*seen.values()]


def _text_of(messages: Sequence[Mapping[str, Any]]) -> str:
    texts = [
        str(part["content"])
        for message in messages
        for part in message.get("parts") or ()
        if part.get("type") == "text" and part.get("content")
    ]
    return "\n".join(texts)
