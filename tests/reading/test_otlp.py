from __future__ import annotations

import copy
import json

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from callspan.reading.otlp import read_attributes, read_id, read_int, read_request, read_value
from span_files import foreign

TRACE = "0af7651916cd43dd8448eb211c80319c"


def read(tree):
    complaints = []
    return list(read_request(tree, complaints.append)), complaints


def test_one_span():
    tree = foreign({"a": "b"}, parentSpanId="00f067aa0ba902b7", status={"code": 2, "message": "no"})
    tree["resourceSpans"][0]["resource"] = {
        "attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}],
    }

    (span,), complaints = read(tree)

    assert complaints == []
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, "b7ad6b7169203331", "00f067aa0ba902b7")
    assert (span.name, span.start_ns, span.end_ns) == ("call", 1_700_000_000_000_000_000, 1_700_000_000_250_000_000)
    assert (span.status, span.status_message) == (2, "no")
    assert span.resource == {"service.name": "shop"}
    assert read_attributes(span.attributes) == {"a": "b"}


def test_several_resources_scopes_and_spans_in_one_request():
    one, two = foreign()["resourceSpans"][0], foreign(spanId="00f067aa0ba902b7")["resourceSpans"][0]
    one["scopeSpans"][0]["spans"] *= 2
    one["scopeSpans"].append(copy.deepcopy(two["scopeSpans"][0]))

    spans, complaints = read({"resourceSpans": [one, two]})

    assert [span.span_id[:4] for span in spans] == ["b7ad", "b7ad", "00f0", "00f0"]
    assert complaints == []


@pytest.mark.parametrize("snake_case", [True, False])
def test_what_the_protobuf_library_prints(snake_case):
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    span = scope.spans.add(
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex("b7ad6b7169203331"),
        parent_span_id=bytes.fromhex("00f067aa0ba902b7"),
        name="call",
        kind=3,
        start_time_unix_nano=5,
        end_time_unix_nano=9,
    )
    span.status.code = 2
    span.attributes.add(key="n").value.int_value = 7
    span.attributes.add(key="list").value.array_value.values.add().double_value = 0.5
    printed = json_format.MessageToDict(message, preserving_proto_field_name=snake_case)

    (read_span,), complaints = read(json.loads(json.dumps(printed)))

    assert complaints == []
    assert (read_span.trace_id, read_span.span_id, read_span.parent_id) == (
        TRACE,
        "b7ad6b7169203331",
        "00f067aa0ba902b7",
    )
    assert (read_span.start_ns, read_span.end_ns, read_span.status) == (5, 9, 2)
    assert read_attributes(read_span.attributes) == {"n": 7, "list": [0.5]}


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ([], "not an OTLP trace request"),
        ("text", "not an OTLP trace request"),
        ({}, "not an OTLP trace request"),
        ({"resourceSpans": {}}, "not an OTLP trace request"),
        ({"resourceSpans": ["text"]}, "not an OTLP trace request"),
        ({"resourceLogs": []}, "OTLP metrics or logs, no spans"),
        ({"resourceMetrics": []}, "OTLP metrics or logs, no spans"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]}, "not a span"),
        (foreign(traceId="abc"), "span without valid IDs"),
        (foreign(traceId="0" * 32), "span without valid IDs"),
        (foreign(spanId=None), "span without valid IDs"),
        (foreign(startTimeUnixNano=None), "span without a start time"),
        (foreign(startTimeUnixNano="soon"), "span without a start time"),
    ],
)
def test_what_is_no_span_is_told(tree, complaint):
    spans, complaints = read(tree)

    assert [span for span in spans if span] == []
    assert complaints == [complaint]


def test_odd_parts_of_a_span_are_left_out():
    tree = foreign(name=7, endTimeUnixNano=None, status="bad", events=None, parentSpanId="")
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = {"a": 1}

    (span,), complaints = read(tree)

    assert complaints == []
    assert (span.name, span.end_ns, span.status, span.parent_id) == ("", 1_700_000_000_000_000_000, 0, None)
    assert (span.attributes, span.events) == ([], [])
    assert read({"resourceSpans": [{"scopeSpans": ["x", {"spans": None}]}, {"resource": 1}]}) == ([], [])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"code": "STATUS_CODE_ERROR"}, 2),
        ({"code": "STATUS_CODE_OK"}, 1),
        ({"code": 1}, 1),
        ({"code": "2"}, 2),
        ({"code": 7}, 0),
        ({"code": [2]}, 0),
        ({}, 0),
    ],
)
def test_status_as_number_or_name(status, code):
    ((span,), _) = read(foreign(status=status))

    assert (span.status, span.status_message) == (code, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"intValue": "9223372036854775807"}, 9_223_372_036_854_775_807),
        ({"intValue": 5}, 5),
        ({"int_value": 5.0}, 5),
        ({"intValue": "five"}, None),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"doubleValue": 1}, 1.0),
        ({"doubleValue": "wide"}, None),
        ({"doubleValue": None}, None),
        ({"boolValue": False}, False),
        ({"boolValue": "no"}, None),
        ({"bytesValue": "AAE="}, "AAE="),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {}]}}, ["a", None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}, {"a": True}),
        ({"futureValue": 1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_values(value, expected):
    told = read_value(value)

    assert (type(told), told) == (type(expected), expected)


def test_attributes_that_are_none():
    assert read_attributes(None) == {}
    assert read_attributes([None, {"key": 5, "value": {"intValue": 1}}, {"value": {}}]) == {}
    assert read_attributes([{"key": "a", "value": {"intValue": 1}}, {"key": "b"}], {"b"}) == {"b": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B7AD6B7169203331", "b7ad6b7169203331"),
        ("t61rcWkgMzE=", "b7ad6b7169203331"),
        ("0000000000000000", None),
        ("b7ad6b716920333", None),
        ("+7ad6b7169203331", None),
        ("b7ad_b7169203331", None),
        ("zzzzzzzzzzzzzzzz", None),
        ("", None),
        (7, None),
    ],
)
def test_ids(text, expected):
    assert read_id(text, 16) == expected


def test_numbers():
    assert [read_int(value) for value in ("12", 12, 12.0, "1e3", float("inf"), None, True)] == [
        12,
        12,
        12,
        None,
        None,
        None,
        None,
    ]


def test_numbers_of_more_than_64_bits_are_none():
    assert [read_int(value) for value in (2**64 - 1, str(2**64 - 1))] == [2**64 - 1] * 2
    assert [read_int(value) for value in (2**64, "9" * 400, 1e300, -(10**400))] == [None] * 4
