from __future__ import annotations

import base64
import json
import math

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from callspan.dialects import json_text
from callspan.dialects.registry import resolve
from callspan.encoding import otlp_json, otlp_proto
from callspan.model.resource import describe
from callspan.model.span import ErrorFacts, Event, Link
from callspan.version import VERSION
from spans import FIXED, START_NS, finished

RESOURCE = describe("shop-bot")
GENAI = resolve("genai")

any_text = st.text(st.characters(exclude_categories=()))
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=15,
)


def strict(data):
    """Parse as the standard has it."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(data.decode("utf-8"), parse_constant=refuse)


def span_of(data):
    return strict(data)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


def told(span):
    """Return the attributes of a span as OTLP's JSON has them, by key."""
    pairs = span_of(otlp_json.request([span], RESOURCE, GENAI))["attributes"]
    return {pair["key"]: pair["value"] for pair in pairs}


def message_of(data):
    """Read OTLP's JSON with protobuf's own reader, which wants IDs in base64."""
    tree = strict(data)
    for span in tree["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for owner in (span, *span.get("links", ())):
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in owner:
                    owner[key] = base64.b64encode(bytes.fromhex(owner[key])).decode()
    return json_format.ParseDict(tree, ExportTraceServiceRequest())


# -- the form -------------------------------------------------------------------------------------------------------


def test_a_request_written_out():
    span = finished("tool", "add", parent_id=1, trace_state="vendor=1", status=1, input="1", output="2")

    assert strict(otlp_json.request([span], RESOURCE, resolve("openinference"))) == {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": "service.name", "value": {"stringValue": "shop-bot"}},
                        {"key": "telemetry.sdk.name", "value": {"stringValue": "callspan"}},
                        {"key": "telemetry.sdk.language", "value": {"stringValue": "python"}},
                        {"key": "telemetry.sdk.version", "value": {"stringValue": VERSION}},
                    ]
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "callspan", "version": VERSION},
                        "spans": [
                            {
                                "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
                                "spanId": "051581bf3cb55c13",
                                "traceState": "vendor=1",
                                "parentSpanId": "0000000000000001",
                                "flags": 1,
                                "name": "add",
                                "kind": 1,
                                "startTimeUnixNano": "1700000000000000000",
                                "endTimeUnixNano": "1700000001500000000",
                                "attributes": [
                                    {"key": "tool.name", "value": {"stringValue": "add"}},
                                    {"key": "input.value", "value": {"stringValue": "1"}},
                                    {"key": "input.mime_type", "value": {"stringValue": "text/plain"}},
                                    {"key": "output.value", "value": {"stringValue": "2"}},
                                    {"key": "output.mime_type", "value": {"stringValue": "text/plain"}},
                                    {"key": "openinference.span.kind", "value": {"stringValue": "TOOL"}},
                                    {"key": "callspan.outcome", "value": {"stringValue": "ok"}},
                                ],
                                "status": {"code": 1},
                            }
                        ],
                    }
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("value", "any_value"),
    [
        ("a", {"stringValue": "a"}),
        ("", {"stringValue": ""}),
        (True, {"boolValue": True}),
        (5, {"intValue": "5"}),
        (-(2**63), {"intValue": "-9223372036854775808"}),
        (2**63, {"stringValue": "9223372036854775808"}),
        (0.5, {"doubleValue": 0.5}),
        (math.nan, {"doubleValue": "NaN"}),
        (-math.inf, {"doubleValue": "-Infinity"}),
        ([1, None, "a"], {"arrayValue": {"values": [{"intValue": "1"}, {}, {"stringValue": "a"}]}}),
        ((), {"arrayValue": {"values": []}}),
        (
            {"a": {"b": 1.5}},
            {
                "kvlistValue": {
                    "values": [
                        {
                            "key": "a",
                            "value": {"kvlistValue": {"values": [{"key": "b", "value": {"doubleValue": 1.5}}]}},
                        }
                    ]
                }
            },
        ),
        ("\ud800\x00\u2028", {"stringValue": "\N{REPLACEMENT CHARACTER}\x00\u2028"}),
        (object, {"stringValue": "<type>"}),
    ],
)
def test_every_value_has_its_type(value, any_value):
    assert told(finished(attributes={"k": value}))["k"] == any_value


def test_text_of_a_subclass_is_text():
    class Prompt(str):
        __slots__ = ()

    assert told(finished(attributes={"k": Prompt("hi")}))["k"] == {"stringValue": "hi"}


def test_events_links_and_status():
    span = finished(
        status=2,
        error=ErrorFacts("ValueError", "", []),
        events=[Event("picked", START_NS + 1, {"n": 1}), Event("empty", START_NS + 2, None)],
        links=[Link(1, 2, {"why": "retry"}), Link(3, 4, None)],
    )
    found = span_of(otlp_json.request([span], RESOURCE, GENAI))

    assert found["events"] == [
        {
            "timeUnixNano": "1700000000000000001",
            "name": "picked",
            "attributes": [{"key": "n", "value": {"intValue": "1"}}],
        },
        {"timeUnixNano": "1700000000000000002", "name": "empty"},
        {
            "timeUnixNano": "1700000001500000000",
            "name": "exception",
            "attributes": [
                {"key": "exception.type", "value": {"stringValue": "ValueError"}},
                {"key": "exception.message", "value": {"stringValue": ""}},
            ],
        },
    ]
    assert found["links"] == [
        {
            "traceId": "00000000000000000000000000000001",
            "spanId": "0000000000000002",
            "attributes": [{"key": "why", "value": {"stringValue": "retry"}}],
        },
        {"traceId": "00000000000000000000000000000003", "spanId": "0000000000000004"},
    ]
    assert found["status"] == {"message": "ValueError", "code": 2}


def test_a_tree_that_readers_would_refuse_continues_as_json():
    tree = "x"
    for _ in range(40):
        tree = [tree]
    value = told(finished(attributes={"k": tree}))["k"]

    for _ in range(16):
        value = value["arrayValue"]["values"][0]
    assert value == {"stringValue": "[" * 24 + '"x"' + "]" * 24}


@pytest.mark.parametrize(("names", "url"), [("genai-1.41", "https://opentelemetry.io/schemas/1.41.0"), ("genai", None)])
def test_the_schema_is_named_where_there_is_one(names, url):
    scope_spans = strict(otlp_json.request([], RESOURCE, resolve(names)))["resourceSpans"][0]["scopeSpans"][0]

    assert scope_spans.get("schemaUrl") == url
    assert scope_spans["spans"] == []


# -- one line a span ------------------------------------------------------------------------------------------------


def test_a_line_is_a_whole_request_and_one_line():
    around = otlp_json.envelope(RESOURCE, GENAI)
    span = finished(name="two\nlines\r\n\u2028", attributes={"k\n": "v\r"})
    line = otlp_json.line(span, around, GENAI)

    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert line == otlp_json.request([span], RESOURCE, GENAI) + b"\n"


def test_lines_of_several_dialects_name_no_schema():
    dialects = resolve("genai-1.41,openinference")

    assert b"schemaUrl" not in otlp_json.line(FIXED["llm"], otlp_json.envelope(RESOURCE, dialects), dialects)


# -- both encodings say the same ------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["genai", "genai-1.41", "genai,openinference"])
def test_json_and_protobuf_are_the_same_message(names):
    spans, dialects = list(FIXED.values()), resolve(names)
    spans[0].status, spans[0].error = 2, ErrorFacts("E", "m", [("f.py", 3, "g")])
    spans[1].links = [Link(1, 2, {"a": [1]})]

    expected = ExportTraceServiceRequest.FromString(otlp_proto.request(spans, RESOURCE, dialects))
    assert message_of(otlp_json.request(spans, RESOURCE, dialects)) == expected


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(any_text, trees, max_size=5), any_text)
def test_json_and_protobuf_are_the_same_message_whatever_the_attributes(attributes, name):
    spans = [finished("llm", name, attributes=attributes)]

    expected = ExportTraceServiceRequest.FromString(otlp_proto.request(spans, RESOURCE, GENAI))
    assert message_of(otlp_json.request(spans, RESOURCE, GENAI)) == expected


def test_without_orjson_the_same_is_written(monkeypatch):
    spans = list(FIXED.values())
    expected = strict(otlp_json.request(spans, RESOURCE, GENAI))

    monkeypatch.setattr(json_text, "_orjson", lambda: None)
    assert strict(otlp_json.request(spans, RESOURCE, GENAI)) == expected
