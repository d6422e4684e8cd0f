import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from callspan.exporters.answers import Receipt, read_otlp
from callspan.exporters.outcomes import Answer

PROTOBUF = "application/x-protobuf"
JSON = "application/json; charset=utf-8"
WHOLE = Receipt()
SUSPICIOUS = Receipt(is_suspicious=True)
NOTICE = Receipt(is_notice=True)


def protobuf(rejected=0, message=""):
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


def read(body, content_type, count=5):
    return read_otlp(Answer("taken", content_type=content_type, body=body), count)


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON, "", "text/html", "text/plain"])
def test_an_empty_body_is_a_whole_success(content_type):
    assert read(b"", content_type) == WHOLE


@pytest.mark.parametrize(
    ("rejected", "message", "expected"),
    [
        *(
            (0, "", WHOLE),
            (0, "use gzip", NOTICE),
            (2, "", Receipt(2)),
            (2, "too old", Receipt(2)),
            (5, "", Receipt(5)),
        ),
        *((6, "", Receipt(5)), (2**62, "", Receipt(5)), (-1, "", WHOLE), (-(2**63), "hm", NOTICE)),
    ],
)
def test_partial_success_is_counted_and_never_beyond_the_spans_there_were(rejected, message, expected):
    assert read(protobuf(rejected, message), PROTOBUF) == expected
    assert read(protobuf(rejected, message), "") == expected
    told = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}}
    assert read(json.dumps(told).encode(), JSON) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        *(("{}", WHOLE), ('{"partialSuccess":{}}', WHOLE), ('{"partialSuccess":null}', WHOLE)),
        ('{"partial_success":{"rejected_spans":3}}', Receipt(3)),
        ('{"partialSuccess":{"rejectedSpans":null,"errorMessage":"hm"}}', NOTICE),
        ('{"partialSuccess":{"rejectedSpans":3,"more":[1]}}', Receipt(3)),
        # what no OTLP receiver says
        *(("[]", SUSPICIOUS), ("null", SUSPICIOUS), ('"ok"', SUSPICIOUS), ('{"status":"ok"}', SUSPICIOUS)),
        *(('{"error":"no such route"}', SUSPICIOUS), ('{"partialSuccess":[1]}', SUSPICIOUS), ("{", SUSPICIOUS)),
        *(('{"partialSuccess":{"rejectedSpans":', SUSPICIOUS), ("<html>", SUSPICIOUS), ("\xff", SUSPICIOUS)),
        ('{"partialSuccess":{"rejectedSpans":true}}', SUSPICIOUS),
        ('{"partialSuccess":{"rejectedSpans":1.5}}', SUSPICIOUS),
        ('{"partialSuccess":{"rejectedSpans":"many"}}', SUSPICIOUS),
        ('{"partialSuccess":{"rejectedSpans":' + "9" * 5000 + "}}", SUSPICIOUS),
        ('{"partialSuccess":{"rejectedSpans":"' + "9" * 5000 + '"}}', SUSPICIOUS),
        ("[" * 100_000, SUSPICIOUS),
    ],
)
def test_json_that_comes_back(body, expected):
    assert read(body.encode("latin-1"), JSON) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # fields of tomorrow: one of every wire type, around and within the partial success
        (b"\x10\x01" + b"\x19" + b"8" * 8 + b"\x25" + b"4444" + b"\x2a\x01x" + protobuf(2), Receipt(2)),
        (b"\x0a\x05\x08\x03\x18\x01\x20"[:7] + b"\x01", SUSPICIOUS),
        (b"\x0a\x04\x08\x03\x18\x01", Receipt(3)),
        *((b"\x08\x07", WHOLE), (b"\x0a\x02\x10\x01", WHOLE), (b"\x0a\x03\x0a\x01x", WHOLE)),
        # what no OTLP receiver says
        *((b"<!doctype html><html></html>", SUSPICIOUS), (b"{}", SUSPICIOUS), (b"OK", SUSPICIOUS)),
        *((protobuf(2, "too old")[:-1], SUSPICIOUS), (b"\x00\x01", SUSPICIOUS), (b"\x0b", SUSPICIOUS)),
        *((b"\x0a", SUSPICIOUS), (b"\x0a\x08\x08" + b"\xff" * 7, SUSPICIOUS), (b"\x08" + b"\xff" * 11, SUSPICIOUS)),
        *((b"\x25444", SUSPICIOUS), (b"\x0a\x7fx", SUSPICIOUS)),
    ],
)
def test_protobuf_that_comes_back(body, expected):
    assert read(body, PROTOBUF) == expected


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "text/plain", "application/octet-stream"])
def test_another_content_type_is_suspicious_whatever_it_holds(content_type):
    assert read(protobuf(2), content_type) == SUSPICIOUS


def test_a_body_that_broke_off_is_suspicious():
    assert read(None, PROTOBUF) == SUSPICIOUS


@settings(deadline=None)  # a busy machine is no fault
@given(st.binary(max_size=64), st.sampled_from([PROTOBUF, JSON, ""]))
def test_nothing_that_comes_back_raises(body, content_type):
    assert 0 <= read(body, content_type).rejected <= 5


@given(st.integers(-(2**63), 2**63 - 1), st.text())
def test_protobuf_is_read_as_it_is_written(rejected, message):
    receipt = read(protobuf(rejected, message), PROTOBUF, count=2**63)
    assert receipt.rejected == max(rejected, 0)
    assert receipt.is_notice == (rejected <= 0 and message != "")
