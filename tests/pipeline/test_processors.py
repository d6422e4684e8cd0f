from __future__ import annotations

import threading
from typing import Any

import pytest

import callspan
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from callspan.pipeline.processors import process
from programs import check_conserved
from spans import finished


def test_processors_run_in_order_and_see_one_another():
    span = finished(attributes={"a": 1})

    def double(given: Any) -> Any:
        given.facts.attributes["a"] *= 2
        return given

    def add(given: Any) -> Any:
        given.facts.attributes["a"] += 1
        return given

    assert process(span, [double, add, double])
    assert span.facts.attributes == {"a": 6}


def test_one_refusal_is_enough():
    seen = []
    assert not process(finished(), [lambda span: None, seen.append])
    assert seen == []


def test_one_that_fails_or_answers_nonsense_changes_nothing():
    guard.strict = False
    span = finished(attributes={"a": 1})
    assert process(span, [lambda given: given.missing, lambda given: True, lambda given: given])
    assert guard.counts["a processor"] == 1


def test_they_run_in_the_worker_on_what_is_redacted_and_what_they_write_is_redacted_too():
    memory = MemoryExporter()
    threads = set()

    def lift(span: Any) -> Any:
        threads.add(threading.current_thread().name)
        span.facts.attributes["seen"] = span.facts.input["password"]
        span.facts.attributes["written"] = "api_key=abc1"
        span.facts.attributes["quiet"] = str(callspan.current_span())
        return span

    callspan.configure(exporters=[memory], processors=[lift])

    @callspan.tool
    def login(password: str) -> None:
        """Log in."""

    login("hush")
    callspan.shutdown()
    (record,) = memory.spans
    assert record.attributes["seen"] == "[redacted]"
    assert record.attributes["written"] == "api_key=[redacted]"
    assert threads == {"callspan-worker"}


def test_what_is_refused_is_counted_and_no_loss():
    memory = MemoryExporter()
    callspan.configure(
        exporters=[memory], processors=[lambda span: span if span.name != "no" else None], flush_on="never"
    )
    for name in ("yes", "no", "yes", "no", "no"):
        with callspan.span(name, kind="chain"):
            pass
    result = callspan.flush()
    assert result.ok, result
    assert [record.name for record in memory.spans] == ["yes", "yes"]
    stats = callspan.stats()
    check_conserved(stats)
    assert stats["memory"]["dropped"] == {"refused by a processor": 3}


@pytest.mark.parametrize("given", [[1], "abc", {"a": max}, 7, [max, None]])
def test_wrong_processors_are_named(given):
    with pytest.raises(callspan.ConfigurationError, match="processors"):
        callspan.configure(exporters=["memory"], processors=given)
