"""One call as an example: what went in and came out, and what tells which call it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from callspan.reading import names
from callspan.reading.attributes import Attributes
from callspan.reading.contents import is_essential, read_essentials
from callspan.reading.otlp import LeanSpan
from callspan.reading.parse import sorted_json
from callspan.reading.texts import whole

Tree = dict[str, Any]
BESIDES: Final = frozenset((*names.KIND, *names.OPERATION, *names.COMPONENT, *names.CHUNKS))
"""Attributes that are no contents, but tell how to read them."""


@dataclass(slots=True)
class Example:
    """Fields are those of a `SpanRecord`; `facts` holds what the row of the table says: feedback, prompt, model."""

    trace_id: str
    span_id: str
    kind: str
    name: str
    input: Any
    output: Any
    system_instructions: list[Tree] | None
    input_messages: list[Tree] | None
    output_messages: list[Tree] | None
    tool_definitions: list[Tree] | None
    query: str | None
    documents: list[Tree] | None
    facts: Tree

    @classmethod
    def of(cls, span: LeanSpan) -> Example:
        """Read the contents of a span, which is used up by that, and nothing else of it."""
        trace_id, span_id, name, left = span
        attributes = Attributes(left)
        kind, _ = names.read_kind(attributes)
        told = read_essentials(attributes)
        if kind == "retriever" and told["query"] is None and isinstance(told["input"], str):
            told["query"] = told["input"]  # OpenInference keeps the query as the input
        if told["output"] is not None:
            told["output"] = whole(told["output"], attributes.count(*names.CHUNKS))
        return cls(trace_id=trace_id, span_id=span_id, kind=kind, name=name, facts={}, **told)

    @classmethod
    def holding(cls, told: Tree) -> Example:
        """Hold what is told of a call beside its contents, so that it is cleaned as they are."""
        return cls("", "", "chain", "", told, *(None,) * 7, facts={})


@lru_cache(maxsize=4096)
def is_looked_at(name: str) -> bool:
    """Return whether `Example.of` looks at an attribute."""
    return name in BESIDES or is_essential(name)


def digest_of(tree: Any) -> bytes:
    """Return 16 bytes that are the same for the same content, whatever the order of keys."""
    return hashlib.sha256(sorted_json(tree)).digest()[:16]
