from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callspan.dialects.registry import resolve
from callspan.encoding import otlp_proto
from callspan.encoding.stored import UnreadableError, head, pack, read_head, unpack
from callspan.model.facts import MISSING
from callspan.model.resource import Resource
from callspan.model.span import ErrorFacts, Event, Link
from spans import FIXED, finished

RESOURCE = Resource({"service.name": "shop-bot", "host.cores": 4, "tags": ["a", "b"]})


def line_of(tree: object) -> bytes:
    data = json.dumps(tree).encode()
    return b"%08x %b\n" % (zlib.crc32(data), data)


@pytest.mark.parametrize("kind", list(FIXED))
def test_a_span_comes_back_as_it_was(kind):
    span = FIXED[kind]
    back = unpack(pack(span))
    assert back.facts == span.facts
    for slot in ("name", "kind", "trace_id", "span_id", "parent_id", "start_ns", "end_ns", "status", "outcome"):
        assert getattr(back, slot) == getattr(span, slot)
    for names in ("genai", "openinference"):
        dialects = resolve(names)
        assert otlp_proto.request([back], RESOURCE, dialects) == otlp_proto.request([span], RESOURCE, dialects)


def test_the_providers_own_words_of_the_usage_come_back():
    raw = {"prompt_tokens": 40, "completion_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 3}}
    assert unpack(pack(FIXED["llm"])).facts.usage.raw == raw


def test_errors_events_links_and_the_trace_state_come_back():
    span = finished(
        "chain",
        "plan",
        status=2,
        status_message="it broke",
        outcome="error",
        component="workflow",
        usage_below=True,
        trace_state="vendor=1",
        error=ErrorFacts("shop.SoldOut", "no socks", [("shop.py", 7, "buy")]),
        events=[Event("picked", 5, {"n": 1}), Event("bare", 6, None)],
        links=[Link(1, 2, {"why": "retry"})],
    )
    back = unpack(pack(span))
    assert (back.status, back.status_message, back.outcome, back.component) == (2, "it broke", "error", "workflow")
    assert (back.usage_below, back.trace_state) == (True, "vendor=1")
    assert (back.error.type, back.error.message, back.error.frames) == (
        "shop.SoldOut",
        "no socks",
        [("shop.py", 7, "buy")],
    )
    assert [(it.name, it.time_ns, it.attributes) for it in back.events] == [("picked", 5, {"n": 1}), ("bare", 6, {})]
    assert [(it.trace_id, it.span_id, it.attributes) for it in back.links] == [(1, 2, {"why": "retry"})]


def test_none_empty_and_missing_stay_different():
    back = unpack(pack(finished("tool", "t", input=None, documents=[], step=0, query="")))
    assert back.facts.input is None
    assert back.facts.output is MISSING
    assert back.facts.documents == []
    assert back.facts.step == 0
    assert back.facts.query == ""
    assert back.facts.input_documents is None


def test_a_line_is_one_line_of_json_that_a_record_can_be_made_of():
    from callspan.model.record import SpanRecord

    line = pack(finished("tool", "a\nb", input={"text": "x\ny\u2028"}))
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    tree = json.loads(line[9:])
    assert tree["name"] == "a\nb"
    assert tree["input"] == {"text": "x\ny\u2028"}
    assert "output" not in tree
    record = SpanRecord.model_validate({**tree, "status": "unset"})
    assert (record.name, record.kind) == ("a\nb", "tool")


def test_odd_values_are_written_as_everywhere_else():
    span = finished("tool", "t", input=[float("nan"), 2**70, "\ud800", None])
    assert unpack(pack(span)).facts.input == ["NaN", "1180591620717411303424", "\ufffd", None]


def test_the_first_line_tells_whose_spans_they_are():
    resource, first = read_head(head(RESOURCE, 17))
    assert resource == RESOURCE
    assert first == 17


@pytest.mark.parametrize(
    "tree",
    [
        {"callspan_spool": 2, "first": 0, "resource": {}},
        {"callspan_spool": 1, "first": -1, "resource": {}},
        {"callspan_spool": 1, "first": "0", "resource": {}},
        {"callspan_spool": 1, "first": 0},
        {"first": 0, "resource": {}},
        [],
    ],
)
def test_a_first_line_of_another_format_is_not_read(tree):
    with pytest.raises(UnreadableError):
        read_head(line_of(tree))


WHOLE = {
    "trace_id": "1",
    "span_id": "2",
    "name": "n",
    "kind": "tool",
    "start_time_unix_ns": 1,
    "end_time_unix_ns": 2,
    "status": 0,
    "outcome": "ok",
}


def test_what_a_later_version_adds_is_left_out():
    more = {"colour": "red", "usage": {"input_tokens": 3, "thought_tokens": 9}, "tool": {"name": "t", "icon": "x"}}
    span = unpack(line_of({**WHOLE, **more}))
    assert span.facts.usage.input_tokens == 3
    assert span.facts.tool.name == "t"


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": "xyz"},
        {"trace_id": 7},
        {"kind": "dance"},
        {"name": 5},
        {"status": "ok"},
        {"start_time_unix_ns": "1"},
        {"events": [{"name": "no time"}]},
        {"links": [1]},
        {"error": []},
        {"tool": {}},
        {"prompts": 7},
    ],
)
def test_a_line_with_odd_fields_is_not_read(change):
    with pytest.raises(UnreadableError):
        unpack(line_of({**WHOLE, **change}))


@pytest.mark.parametrize("missing", list(WHOLE))
def test_a_line_without_a_field_that_every_span_has_is_not_read(missing):
    with pytest.raises(UnreadableError):
        unpack(line_of({name: value for name, value in WHOLE.items() if name != missing}))


@pytest.mark.parametrize("line", [b"", b"\n", b"0000", b"00000000 {}\n", line_of("text"), b"\0" * 200])
def test_what_is_no_line_is_not_read(line):
    with pytest.raises(UnreadableError):
        unpack(line)


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(position, bit):
    line = bytearray(pack(FIXED["retriever"]))
    position %= len(line) - 1  # the end of the line is the file's business
    line[position] ^= 1 << bit
    with pytest.raises(UnreadableError):
        unpack(bytes(line))
