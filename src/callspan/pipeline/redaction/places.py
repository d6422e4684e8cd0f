"""Rules that go by place: paths that may not leave, paths that alone may, and the user's own function.

A place is written with the names of `SpanRecord`: "input.customer.email", "input_messages.0.parts.0.content". This walk
knows where it is and is therefore slower than the gate's own; it happens only where such rules were given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.policy import Redaction

_CONTENT: Final = (  # what came from the user's code; all else is identity, usage and outcome
    "input",
    "output",
    "extra",
    "system_instructions",
    "input_messages",
    "output_messages",
    "tool_definitions",
    "query",
    "documents",
    "input_documents",
    "embeddings",
    "tool",
    "prompts",
    "feedback",
    "user_id",
    "tags",
    "metadata",
    "attributes",
)
_STRUCTURE: Final = (
    "role",
    "type",
    "modality",
    "finish_reason",
    "mime_type",
)  # keys without which nobody can read a message
_NAMES_OF: Final = {
    "tool": ("name", "type", "call_id"),
    "prompts": ("name", "version"),
    "feedback": ("name", "target", "score"),
}

_NOWHERE: Final = re.compile("(?!)")

Decide = Callable[[str, Any], "tuple[bool, Any]"]
"""Given a place and a value: whether it changes, and into what."""


class Places:
    """The rules of one gate that go by place."""

    def __init__(self, rules: Redaction) -> None:
        """Prepare the patterns of places."""
        self._never = _compiled(rules.paths)
        self._only = _compiled(rules.allow) or _NOWHERE if rules.allow is not None else None
        self._function = rules.function
        self._mark = "" if rules.by == "removal" else rules.mark

    def keep(self, span: Span, facts: Facts) -> int:
        """Replace values at forbidden places, and all outside the allowed ones; return how many."""
        return self._apply(span, facts, self._forbid) if self._never or self._only is not None else 0

    def ask(self, span: Span, facts: Facts) -> int:
        """Let the user's function see every text that is left; return how many it changed."""
        return self._apply(span, facts, self._ask) if self._function is not None else 0

    def _forbid(self, place: str, value: Any) -> tuple[bool, Any]:
        if (self._never is not None and self._never.fullmatch(place)) or (
            self._only is not None and not self._only.fullmatch(place)
        ):
            return (value is not None and value != self._mark), self._mark
        return False, value

    def _ask(self, place: str, value: Any) -> tuple[bool, Any]:
        if type(value) is not str or self._function is None:
            return False, value
        try:
            answer = self._function(value, place)
        except Exception as error:  # noqa: BLE001 - fail closed: the text goes, the span stays
            guard.note("redact.function", error)
            return True, self._mark
        if type(answer) is str:
            return answer != value, answer
        if answer is not None:
            guard.warn("redact.function", f"the redaction function returned {type(answer).__name__}, not a str or None")
        return True, self._mark

    def _apply(self, span: Span, facts: Facts, decide: Decide) -> int:
        count = 0
        for holder, field, place in _fields(span, facts):
            try:
                count += _visit(holder, field, place, decide, is_attribute=True)
            except Exception as error:  # noqa: BLE001 - fail closed
                value = getattr(holder, field)
                setattr(holder, field, [] if isinstance(value, list) else {} if isinstance(value, dict) else None)
                count += 1
                guard.note("the redaction gate", error)
        return count


def _compiled(paths: Iterable[str]) -> re.Pattern[str] | None:
    """Turn places with `*` into one expression; a place stands for all that is below it, too."""
    parts = ["[^\x00]*".join(map(re.escape, path.split("*"))) for path in paths]
    return re.compile("|".join(f"(?:{part})(?:\\..*)?" for part in parts), re.DOTALL) if parts else None


def _fields(span: Span, facts: Facts) -> Iterator[tuple[Any, str, str]]:
    for field in _CONTENT:
        if getattr(facts, field):
            yield facts, field, field
    if span.status_message:
        yield span, "status_message", "status_message"
    if span.error is not None and span.error.message:
        yield span.error, "message", "error.message"
    told_of: tuple[tuple[str, Sequence[Any] | None], ...] = (("events", span.events), ("links", span.links))
    for name, several in told_of:
        for index, told in enumerate(several or ()):
            if told.attributes:
                yield told, "attributes", f"{name}.{index}.attributes"


def _visit(holder: Any, key: Any, place: str, decide: Decide, *, is_attribute: bool) -> int:
    value = getattr(holder, key) if is_attribute else holder[key]
    kind = type(value)
    if kind is dict:
        return sum(
            _visit(value, name, f"{place}.{name}", decide, is_attribute=False)
            for name in list(value)
            if name not in _STRUCTURE or type(value[name]) is not str
        )
    if kind is list:
        return sum(_visit(value, i, f"{place}.{i}", decide, is_attribute=False) for i in range(len(value)))
    if slots := getattr(kind, "__slots__", ()):
        kept = _NAMES_OF.get(place.partition(".")[0], ())
        return sum(
            _visit(value, slot, f"{place}.{slot}", decide, is_attribute=True) for slot in slots if slot not in kept
        )
    changes, new = decide(place, value)
    if changes:
        if is_attribute:
            setattr(holder, key, new)
        else:
            holder[key] = new
    return int(changes)
