from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.trace import TraceState

from callspan.dialects.merge import attributes
from callspan.dialects.registry import resolve
from callspan.encoding import otlp_proto
from callspan.encoding.otlp_proto import request
from callspan.model.resource import Resource, describe
from callspan.model.span import ErrorFacts, Event, Link
from encoding import reference
from spans import END_NS, FIXED, PARENT_ID, START_NS, finished

RESOURCE = describe("shop-bot", {"host.cpus": 2, "team": ["a", "b"]})
KINDS = {"llm": 3, "embedding": 3, "retriever": 3}

any_text = st.text(st.characters(exclude_categories=()))


def trees(texts):
    return st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=15,
    )


class Bare:
    """A dialect that adds nothing, so that a test says all attributes itself."""

    name = "bare"
    schema_url = None

    def attributes(self, span):
        return {}


BARE = (Bare(),)


def own(kind):
    return {"openinference.span.kind": kind.upper(), "callspan.outcome": "ok"}


def encoded(span, resource=RESOURCE, dialects=BARE):
    return request([span], resource, dialects)


def decoded(span):
    return ExportTraceServiceRequest.FromString(encoded(span)).resource_spans[0].scope_spans[0].spans[0]


# -- byte for byte --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["genai", "openinference", "genai,openinference"])
def test_all_kinds_are_byte_for_byte_what_opentelemetry_writes(names):
    dialects = resolve(names)
    parents = {"llm": {"parent_span_id": PARENT_ID.to_bytes(8, "big")}}
    spans = [
        reference.bare(span, attributes(span, dialects), KINDS.get(kind, 1), **parents.get(kind, {}))
        for kind, span in FIXED.items()
    ]

    expected = reference.request(spans, RESOURCE.attributes).SerializeToString(deterministic=True)
    assert request(list(FIXED.values()), RESOURCE, dialects) == expected


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(), trees(st.text()).filter(lambda tree: tree is not None), max_size=6), st.text())
def test_any_attributes_are_byte_for_byte_what_opentelemetry_writes(told, name):
    told = {key: value for key, value in told.items() if key not in own("tool")}
    span = finished("tool", name, attributes=told)

    message = reference.bare(span, {**told, **own("tool")}, 1)
    assert encoded(span) == reference.request([message], RESOURCE.attributes).SerializeToString(deterministic=True)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(any_text, trees(any_text), max_size=6), any_text)
def test_any_text_at_all_can_be_read_and_is_written_in_the_one_canonical_way(told, name):
    data = encoded(finished("tool", name, attributes=told))

    assert ExportTraceServiceRequest.FromString(data).SerializeToString(deterministic=True) == data


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(list(FIXED)), max_size=8), st.sampled_from(["genai", "genai-1.41"]))
def test_any_number_of_spans(kinds, name):
    dialects = resolve(name)
    spans = [FIXED[kind] for kind in kinds]
    for span in spans:
        span.parent_id = None

    messages = [reference.bare(span, attributes(span, dialects), KINDS.get(span.kind, 1)) for span in spans]
    expected = reference.request(messages, RESOURCE.attributes, dialects[0].schema_url or "")
    assert request(spans, RESOURCE, dialects) == expected.SerializeToString(deterministic=True)


def test_events_links_status_and_trace_state_are_byte_for_byte_what_opentelemetry_writes():
    span = finished(
        "chain",
        "plan",
        status=2,
        outcome="error",
        trace_state=TraceState([("vendor", "1")]),
        error=ErrorFacts("ValueError", "no", [("a.py", 1, "f"), ("b.py", 2, "g")]),
        events=[Event("picked", START_NS + 5, {"n": 1}), Event("empty", START_NS + 6, None)],
        links=[Link(1, 2, {"why": "retry"}), Link(3, 4, None)],
    )
    stack = "a.py:1 in f\nb.py:2 in g"
    raised = {"exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": stack}
    told = {**own("chain"), "callspan.outcome": "error", "error.type": "ValueError"}

    message = reference.bare(
        span,
        told,
        1,
        trace_state="vendor=1",
        status=Status(code=2, message="ValueError: no"),
        events=[
            ProtoSpan.Event(time_unix_nano=START_NS + 5, name="picked", attributes=reference.pairs({"n": 1})),
            ProtoSpan.Event(time_unix_nano=START_NS + 6, name="empty"),
            ProtoSpan.Event(time_unix_nano=END_NS, name="exception", attributes=reference.pairs(raised)),
        ],
        links=[
            ProtoSpan.Link(
                trace_id=(1).to_bytes(16, "big"),
                span_id=(2).to_bytes(8, "big"),
                attributes=reference.pairs({"why": "retry"}),
            ),
            ProtoSpan.Link(trace_id=(3).to_bytes(16, "big"), span_id=(4).to_bytes(8, "big")),
        ],
    )
    assert encoded(span) == reference.request([message], RESOURCE.attributes).SerializeToString(deterministic=True)


def test_a_long_text_is_written_whole():
    text = "é" * 3_000_000
    span = finished("tool", attributes={"big": text})

    message = reference.bare(span, {"big": text, **own("tool")}, 1)
    assert encoded(span) == reference.request([message], RESOURCE.attributes).SerializeToString(deterministic=True)


def test_no_spans_and_no_resource():
    assert request([], Resource(), BARE) == reference.request([], {}).SerializeToString(deterministic=True)


# -- what protobuf could not hold -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        ("a\ud800", "a\N{REPLACEMENT CHARACTER}"),
        ("\ud83d\ude00" + "x" * 40, "\N{GRINNING FACE}" + "x" * 40),
        (object, "<type>"),
    ],
)
def test_values_that_have_no_place_are_told_as_texts(value, text):
    assert decoded(finished(attributes={"k": value})).attributes[0].value.string_value == text


def test_an_integer_of_thousands_of_digits_is_a_text():
    assert decoded(finished(attributes={"k": 2**20000})).attributes[0].value.string_value.startswith("0x1000")


def test_nan_stays_a_double():
    assert math.isnan(decoded(finished(attributes={"k": math.nan})).attributes[0].value.double_value)


def test_a_tree_that_readers_would_refuse_continues_as_json():
    tree = {"deep": math.nan}
    for _ in range(40):
        tree = [tree]
    value = decoded(finished(attributes={"k": tree})).attributes[0].value

    for _ in range(16):
        value = value.array_value.values[0]
    assert value.string_value == "[" * 24 + '{"deep":"NaN"}' + "]" * 24


def test_a_key_that_is_no_text_is_written_as_one():
    value = decoded(finished(attributes={"k": {1: "a"}})).attributes[0].value

    assert value.kvlist_value.values[0].key == "1"


# -- memory ---------------------------------------------------------------------------------------------------------


def test_what_is_remembered_is_small_and_bounded():
    known = otlp_proto._known[otlp_proto._9]
    known.clear()
    attributes = {"k" * 1000: 1, "m" * 1000: "short", "long": "v" * 1000, "pair": "short", "list": ["a"], "two": [1, 2]}
    encoded(finished(attributes=attributes), Resource())

    assert {name: list(seen) for name, (_, seen, _) in known.items()} == {
        "long": [],
        "pair": ["short"],
        "list": [("a",)],
        "two": [],
        "openinference.span.kind": ["LLM"],
        "callspan.outcome": ["ok"],
    }

    for number in range(1100):
        encoded(finished(attributes={f"key {number}": "text", "pair": f"text {number}"}), Resource())

    assert len(known) <= 1024
    assert all(len(seen) <= 64 for _, seen, _ in known.values())
