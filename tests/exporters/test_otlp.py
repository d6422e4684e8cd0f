from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from opentelemetry import context as otel_context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

import callspan
from callspan.encoding import otlp_proto
from callspan.errors import ConfigurationError
from callspan.exporters.contract import Batch, Exporter, ExportResult
from callspan.exporters.otlp import OTLPExporter
from callspan.model.kinds import KINDS
from callspan.model.resource import describe
from receiver import Receiver, Reply, closed_port
from spans import FIXED, finished

PROTOBUF = {"Content-Type": "application/x-protobuf"}
RESOURCE = describe("shop-bot")


@contextmanager
def exporter(*arguments, **named):
    made = OTLPExporter(*arguments, **named)
    try:
        yield made
    finally:
        made.close()


def batch(*names, **given):
    return Batch([finished("chain", name, **given) for name in names], RESOURCE)


def partly(rejected=0, message=""):
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return Reply(200, ExportTraceServiceResponse(partial_success=partial).SerializeToString(), PROTOBUF)


def test_it_is_an_exporter_for_a_thread_of_its_own():
    with exporter() as made:
        assert isinstance(made, Exporter)
        assert (made.name, made.local, made.endpoint) == ("otlp", False, "http://localhost:4318/v1/traces")


def test_protobuf_goes_out_as_the_encoder_writes_it():
    spans = [FIXED[kind] for kind in KINDS]
    with Receiver() as receiver, exporter(receiver.url, headers={"x-key": "k"}) as made:
        assert made.export(Batch(spans, RESOURCE)) == ExportResult(delivered=9)
        (request,) = receiver.requests
        assert request.path == "/v1/traces"
        assert (request.headers["content-type"], request.headers["x-key"]) == ("application/x-protobuf", "k")
        assert request.body == otlp_proto.request(spans, RESOURCE, made._dialects)
        assert receiver.names() == [span.name for span in spans]
        (resource_spans,) = request.decoded().resource_spans
        told = {pair.key: pair.value.string_value for pair in resource_spans.resource.attributes}
        assert told["service.name"] == "shop-bot"
        assert resource_spans.scope_spans[0].scope.name == "callspan"


def test_json_goes_out_on_demand():
    with Receiver() as receiver, exporter(f"{receiver.url}/in", protocol="http/json", compression="gzip") as made:
        assert made.export(batch("a", "b")) == ExportResult(delivered=2)
        (request,) = receiver.requests
    assert (request.path, request.headers["content-type"]) == ("/in", "application/json")
    (scope_spans,) = json.loads(request.content)["resourceSpans"][0]["scopeSpans"]
    assert [span["name"] for span in scope_spans["spans"]] == ["a", "b"]


def test_the_environment_says_where_to(monkeypatch):
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{receiver.url}/otlp/")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t")
        with exporter() as made:
            made.export(batch("a"))
        (request,) = receiver.requests
    assert (request.path, request.headers["authorization"]) == ("/otlp/v1/traces", "Bearer t")


@pytest.mark.parametrize(
    ("dialects", "names"),
    [
        ("genai", {"gen_ai.request.model"}),
        ("openinference", {"llm.model_name"}),
        (["genai", "openinference"], {"gen_ai.request.model", "llm.model_name"}),
    ],
)
def test_spans_are_spelt_as_chosen(dialects, names):
    with Receiver() as receiver, exporter(receiver.url, dialects=dialects) as made:
        made.export(Batch([FIXED["llm"]], RESOURCE))
        told = {pair.key for pair in receiver.spans()[0].attributes}
    assert told & {"gen_ai.request.model", "llm.model_name"} == names


# -- answers (D5, D6) --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected", "told"),
    [
        (partly(), ExportResult(delivered=3), None),
        (partly(2), ExportResult(delivered=1, rejected=2, reason="partial success"), "{} rejected 2 of 3 spans"),
        (partly(9, "s3cret"), ExportResult(rejected=3, reason="partial success"), "{} rejected 3 of 3 spans"),
        (partly(0, "s3cret"), ExportResult(delivered=3), "{} has a notice, which is not shown"),
        (Reply(202), ExportResult(delivered=3), None),
        (Reply(204), ExportResult(delivered=3), None),
        (
            Reply(200, b"<!doctype html>s3cret", {"Content-Type": "text/html"}),
            ExportResult(delivered=3, suspicious=1),
            "{} takes spans with an answer that is no OTLP (21 bytes); is it the right address?",
        ),
        (
            Reply(200, b"s3cret" * 1000, PROTOBUF, drop="half"),
            ExportResult(delivered=3, suspicious=1),
            "{} takes spans with an answer that cannot be read; is it the right address?",
        ),
    ],
)
def test_what_a_receiver_says_is_counted_and_said_once(reply, expected, told, said):
    with Receiver(reply) as receiver, exporter(receiver.url) as made:
        for _ in range(2):
            assert made.export(batch("a", "b", "c")) == expected
        messages = [f"otlp: {told.format(made.endpoint)}"] if told else []
        assert list(dict.fromkeys(said())) == messages
        assert len(receiver.requests) == 2


# -- faults (D3, D4, D9) -----------------------------------------------------------------------------------------------


def test_what_is_worth_a_retry_comes_back():
    spans = batch("a", "b")
    with Receiver(Reply(429, headers={"Retry-After": "30"})) as receiver, exporter(receiver.url) as made:
        expected = ExportResult(retry=spans.spans, retry_after_s=30.0, reason="HTTP 429")
        assert made.export(spans) == expected
    with exporter(f"http://127.0.0.1:{closed_port()}") as made:
        assert made.export(spans) == ExportResult(retry=spans.spans, reason="connection refused")


def test_what_is_not_is_rejected(said):
    with Receiver(Reply(401)) as receiver, exporter(receiver.url, headers={"x-key": "k3y"}, name="vendor") as made:
        for _ in range(2):
            assert made.export(batch("a", "b")) == ExportResult(rejected=2, reason="HTTP 401")
        assert said() == [f"vendor: {made.endpoint}: HTTP 401; check the headers that hold the credentials"]


class Limited(Receiver):
    """Takes requests of up to 100 kB."""

    def take(self, request):
        super().take(request)
        return Reply(413 if len(request.content) > 100_000 else 200)


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_a_receiver_with_a_limit_gets_smaller_requests(protocol):
    names = [f"span-{number}" for number in range(8)]
    with Limited() as receiver, exporter(receiver.url, protocol=protocol) as made:
        assert made.export(batch(*names, input="x" * 40_000)) == ExportResult(delivered=8)
        sizes = [len(request.body) for request in receiver.requests]
        assert sum(size > 100_000 for size in sizes) == 1  # half of it is too large too, by what was learnt
        assert sum(size <= 100_000 for size in sizes) == 4
        assert made.export(batch(*names, input="x" * 40_000)) == ExportResult(delivered=8)
        assert all(len(request.body) <= 100_000 for request in receiver.requests[5:])


def test_a_single_span_above_it_loses_its_values_and_says_so():
    with Limited() as receiver, exporter(receiver.url) as made:
        assert made.export(batch("big", input="x" * 200_000, output="y")) == ExportResult(delivered=1)
        whole, lean = receiver.spans()
    told = {pair.key: pair.value.string_value for pair in lean.attributes}
    assert told["callspan.truncated"] == '{"input":200000}'
    assert told["output.value"] == "y"
    assert "input.value" not in told
    assert (lean.name, lean.trace_id, lean.span_id) == (whole.name, whole.trace_id, whole.span_id)


def test_a_batch_above_five_mebibytes_is_never_sent_whole():
    names = [f"span-{number}" for number in range(6)]
    with Receiver() as receiver, exporter(receiver.url) as made:
        assert made.export(batch(*names, input="x" * 2_000_000)) == ExportResult(delivered=6)
        assert max(len(request.body) for request in receiver.requests) <= 5 * 1_048_576
        assert receiver.names() == names


# -- configuration (F2, F3, F4) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"endpoint": "s3cret"}, "^endpoint: got str"),
        ({"headers": {"x-key": "s3cret\r\nevil: 1"}}, r"^headers\['x-key'\]: got str"),
        ({"dialects": "s3cret"}, "^dialects: got str"),
        ({"name": ""}, "^name: got str; give a string that is not empty"),
        ({"name": 7}, "^name: got int"),
        ({"timeout_s": -1}, "^timeout_s: got int"),
    ],
)
def test_wrong_arguments_raise_and_are_not_repeated(given, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        OTLPExporter(**given)
    assert "s3cret" not in str(caught.value)


def test_a_wrong_environment_does_not_raise(monkeypatch, said):
    for name in ("ENDPOINT", "HEADERS", "PROTOCOL", "COMPRESSION", "TIMEOUT", "CERTIFICATE"):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", "s3cret")
    OTLPExporter()
    assert len(said()) == 6 + 1  # the pair without a name, and the variable that holds no other
    assert not [message for message in said() if "s3cret" in message]


def test_what_is_shown_of_an_endpoint_holds_no_secret():
    with exporter("https://me:p4ss@h/in?key=k3y") as made:
        assert made.endpoint == "https://***@h/in?***"


# -- nothing of ours is traced (D14) -----------------------------------------------------------------------------------


def test_an_http_client_that_is_traced_makes_no_spans_of_the_delivery(monkeypatch):
    import httpx

    suppressed = []
    original = httpx.HTTPTransport.handle_request

    @callspan.tool
    def traced(*arguments):
        suppressed.append(otel_context.get_value("suppress_instrumentation"))
        return original(*arguments)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", traced)
    with Receiver() as receiver, exporter(receiver.url) as made:
        callspan.configure(exporters=[made])
        with callspan.span("mine"):
            pass
        assert callspan.flush()
        assert callspan.flush()
        stats = callspan.stats()["otlp"]
        callspan.shutdown()
        assert receiver.names() == ["mine"]
    assert suppressed == [True]
    assert (stats["ended"], stats["delivered"]) == (1, 1)
