"""Examples are the same whether a line is read only as far as they need, or in full."""

from __future__ import annotations

import json

import pytest

from callspan.datasets.examples import Example, digest_of, is_looked_at
from callspan.model.span import Event
from callspan.reading.files import LoadReport, files_of, read_lines
from callspan.reading.lean import lean_spans
from callspan.reading.load import spans_of
from callspan.reading.otlp import LeanSpan
from span_files import foreign, write, write_requests
from spans import FIXED, finished

pytest.importorskip("msgspec")


def both_ways(path):
    """Return the examples of a file: read leanly, None for a line that is not, and in full."""
    lines = list(read_lines(files_of(path), LoadReport()))
    lean = [lean_spans(line.text, is_looked_at) for line in lines]
    full = [[LeanSpan.of(raw, is_looked_at) for _, raw in spans_of(line, LoadReport())] for line in lines]
    return tuple([spans and [Example.of(span) for span in spans] for spans in side] for side in (lean, full))


@pytest.mark.parametrize("dialects", ["genai", "genai-1.41", "openinference", "genai,openinference"])
def test_spans_of_our_own(tmp_path, dialects):
    streamed = finished("chain", output=["Sock", "rates"], chunk_count=2)
    lean, full = both_ways(write(tmp_path / "spans.jsonl", [*FIXED.values(), streamed], dialects))

    assert [one for one in lean if one] == [told for one, told in zip(lean, full, strict=True) if one]
    assert sum(one is not None for one in lean) >= len(full) - 1, "one of the fixed spans failed"
    assert full[-1][0].output == "Sockrates"


def test_spans_of_others(tmp_path):
    told = {
        "traceloop.span.kind": "tool",
        "traceloop.entity.input": '{"a": 1}',
        "gen_ai.tool.call.result": {"b": [1, None]},
        "callspan.stream.chunks": 3,
        "x": [1.5],
    }
    several = foreign(told)
    scope = several["resourceSpans"][0]["scopeSpans"][0]
    scope["spans"] = [{**scope["spans"][0], "spanId": f"{number:016X}"} for number in (10, 11)]

    lean, full = both_ways(write_requests(tmp_path / "foreign.jsonl", several))

    assert lean == full
    assert [(one.span_id, one.kind, one.input, one.output) for one in lean[0]] == [
        ("000000000000000a", "tool", {"a": 1}, {"b": [1, None]}),
        ("000000000000000b", "tool", {"a": 1}, {"b": [1, None]}),
    ]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(foreign(traceId="0" * 32)).encode(),  # counts, though it is no span
        json.dumps(foreign({"output.value": "\ud83d"})).encode(),
        b"broken",
        b"[" * 5_000,
    ],
)
def test_what_is_unusual_is_read_in_full(line):
    assert lean_spans(line, is_looked_at) is None


@pytest.mark.parametrize(
    ("name", "is_lean"),
    [("picked", True), ("gen_ai.evaluation.result", False), ("gen_ai.\\u0065valuation.result", False)],
)
def test_events_that_may_be_spans_of_their_own_are_read_in_full(tmp_path, name, is_lean):
    path = write(tmp_path / "spans.jsonl", [finished("tool", events=[Event("what", 5, {"a": 1})])])
    line = path.read_bytes().replace(b'"what"', f'"{name}"'.encode())
    assert (lean_spans(line, is_looked_at) is not None) == is_lean


def test_a_digest_is_of_the_content():
    assert digest_of({"a": 1, "b": ["x"]}) == digest_of({"b": ["x"], "a": 1})
    assert digest_of({"a": "\ud83d", "b": 2**70}) == digest_of({"b": 2**70, "a": "\ud83d"})
    assert len({digest_of(one) for one in ({}, [], {"a": 1}, {"a": "1"}, {"a": [1]}, {"a": "\ud83d"})}) == 6
