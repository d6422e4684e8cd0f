from __future__ import annotations

import pytest

from callspan.errors import ConfigurationError
from callspan.exporters import MemoryExporter
from callspan.exporters.contract import Batch, ExportResult
from callspan.guard import guard
from callspan.model.resource import describe
from spans import FIXED, finished


def batch(*spans) -> Batch:
    return Batch(spans, describe("shop"))


def test_spans_are_kept_in_order_and_forgotten_on_request():
    memory = MemoryExporter()
    assert memory.export(batch(FIXED["llm"], FIXED["tool"])) == ExportResult(delivered=2)
    memory.close()
    memory.export(batch(FIXED["chain"]))
    assert [span.name for span in memory.spans] == ["chat gpt-4o", "weather", "plan"]
    assert memory.spans[0].resource["service.name"] == "shop"
    memory.clear()
    assert memory.spans == []


def test_the_last_ones_are_kept():
    memory = MemoryExporter(max_spans=2, name="recent")
    memory.export(batch(*(finished(name=str(number)) for number in range(5))))
    assert (memory.name, [span.name for span in memory.spans]) == ("recent", ["3", "4"])


def test_a_span_that_cannot_be_kept_costs_no_other():
    guard.strict = False
    bad = finished(name="bad")
    bad.facts = object()
    memory = MemoryExporter()
    result = memory.export(batch(finished(name="a"), bad, finished(name="b")))
    assert result == ExportResult(delivered=2, rejected=1, reason="a span cannot be kept")
    assert [span.name for span in memory.spans] == ["a", "b"]


@pytest.mark.parametrize("max_spans", [0, -1, 1.5, "10", None, True])
def test_a_bound_that_is_none_is_refused(max_spans):
    with pytest.raises(ConfigurationError, match=r"max_spans: got \w+; give a whole number from 1"):
        MemoryExporter(max_spans)


def test_a_huge_bound_is_fine():
    assert MemoryExporter(10**30).spans == []


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_name_is_a_string(name):
    with pytest.raises(ConfigurationError, match=r"name: got \w+; give a string that is not empty"):
        MemoryExporter(name=name)
