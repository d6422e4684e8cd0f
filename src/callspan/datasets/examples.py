"""One call as an example: what went in and came out, and what tells which call it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from callspan.reading import names
from callspan.reading.attributes import Attributes
from callspan.reading.contents import read_essentials
from callspan.reading.otlp import RawSpan, read_attributes
from callspan.reading.texts import whole

Tree = dict[str, Any]


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
    def of(cls, raw: RawSpan) -> Example:
        """Read the contents of a span, and nothing else of it."""
        attributes = Attributes(read_attributes(raw.attributes))
        kind, _ = names.read_kind(attributes)
        told = read_essentials(attributes)
        if kind == "retriever" and told["query"] is None and isinstance(told["input"], str):
            told["query"] = told["input"]  # OpenInference keeps the query as the input
        told["output"] = whole(told["output"], attributes.count(*names.CHUNKS))
        return cls(trace_id=raw.trace_id, span_id=raw.span_id, kind=kind, name=raw.name, facts={}, **told)


def hash_of(tree: Any) -> str:
    """Return a hash that is the same for the same content, whatever the order of keys."""
    text = json.dumps(tree, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
