"""Files of spans back to spans, traces, conversations and tables; nothing here is imported by what records.

>>> from callspan.reading import LoadReport, load
>>> report = LoadReport()
>>> for record in load("traces.jsonl", report=report):  # doctest: +SKIP
...     print(record.name, record.duration_ms)
"""

from __future__ import annotations

from callspan.reading.conversations import Conversation, Turn, conversations, traces
from callspan.reading.feedback import GivenFeedback
from callspan.reading.files import LoadReport
from callspan.reading.load import load
from callspan.reading.tables import to_arrow
from callspan.reading.trees import Node, Trace

__all__ = [
    "Conversation",
    "GivenFeedback",
    "LoadReport",
    "Node",
    "Trace",
    "Turn",
    "conversations",
    "load",
    "to_arrow",
    "traces",
]
