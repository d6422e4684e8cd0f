"""Passes contents through the gate before they go into a file or to a model: files of others may never have met it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from callspan.datasets.examples import Example
from callspan.model.facts import MISSING, Facts
from callspan.model.finished import finished_span
from callspan.model.kinds import kind_of
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.redaction.suspicion import plain_parts

Tree = dict[str, Any]

_CONTENTS: Final = (
    *("input", "output", "system_instructions", "input_messages", "output_messages"),
    *("tool_definitions", "query", "documents"),
)
_NOTHING: Final = (None,) * 5


def cleaned(texts: Sequence[str]) -> list[str]:
    """Return texts as they may be sent to a model: without secrets, by the default rules."""
    holders = [{"text": text} for text in texts]
    Gate(keep_media=True).clean_texts(holders, "text", "llm")
    return [holder["text"] for holder in holders]


class Cleaner:
    """Takes secrets out of what examples are made of, by the default rules: a `callspan.datasets.making.Clean`."""

    def __init__(self) -> None:
        """Take the default rules."""
        self._gate = Gate(capture_content=True)
        self._span = finished_span("chain", "", Facts())  # one for all: an example has nothing but contents

    def texts(self, messages: Sequence[Tree], key: str) -> int | None:
        """Clean the text that each message has under `key`; None, and nothing is done, where one may hold media."""
        return self._gate.clean_texts(messages, key, "llm")

    def examples(self, examples: Sequence[Example]) -> int:
        """Clean examples, those of nothing but texts all at once."""
        parts: list[Tree] = []
        others = []
        for example in examples:
            own = _texts_of(example)
            if own is None:
                others.append(example)
            else:
                parts += own
        count = self.texts(parts, "content")
        if count is None:
            return sum(map(self._clean_one, examples))
        return count + sum(map(self._clean_one, others))

    def _clean_one(self, example: Example) -> int:
        span = self._span
        facts = span.facts = Facts()
        span.kind = kind_of(example.kind, None)[0]
        for field in _CONTENTS:
            value = getattr(example, field)
            setattr(facts, field, MISSING if value is None and field in ("input", "output") else value)
        self._gate.clean(span)
        for field in _CONTENTS:
            value = getattr(facts, field)
            setattr(example, field, None if value is MISSING else value)
        return int(facts.redacted_count)


def _texts_of(example: Example) -> list[Tree] | None:
    """Return the parts of all messages where nothing else is there that could hold a secret."""
    others = (example.input, example.output, example.tool_definitions, example.query, example.documents)
    if example.kind != "llm" or others != _NOTHING:
        return None
    return plain_parts(example.system_instructions, example.input_messages, example.output_messages)
