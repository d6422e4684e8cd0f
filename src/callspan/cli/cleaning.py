"""Passes the contents of examples through the gate, since files of other tools may never have met it."""

from __future__ import annotations

from typing import Final

from callspan.datasets.examples import Example
from callspan.datasets.making import Clean
from callspan.model.facts import MISSING, Facts
from callspan.model.finished import finished_span
from callspan.model.kinds import kind_of
from callspan.pipeline.redaction.gate import Gate

_CONTENTS: Final = (
    *("input", "output", "system_instructions", "input_messages", "output_messages"),
    *("tool_definitions", "query", "documents"),
)


def cleaner() -> Clean:
    """Return what takes secrets out of an example, by the default rules."""
    gate = Gate(capture_content=True)
    span = finished_span("chain", "", Facts())  # one for all: an example has nothing but contents

    def clean(example: Example) -> int:
        facts = span.facts = Facts()
        span.kind = kind_of(example.kind, None)[0]
        for field in _CONTENTS:
            value = getattr(example, field)
            setattr(facts, field, MISSING if value is None and field in ("input", "output") else value)
        gate.clean(span)
        for field in _CONTENTS:
            value = getattr(facts, field)
            setattr(example, field, None if value is MISSING else value)
        return int(facts.redacted_count)

    return clean
