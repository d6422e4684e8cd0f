"""D14, D15, D18: our own HTTP client traced, logging that calls back, clocks that jump; G15: headers from outside."""

from __future__ import annotations

import pytest

from programs import run, span_names
from receiver import Receiver

pytestmark = pytest.mark.faults


# -- D14: nothing of the delivery is traced ----------------------------------------------------------------------------


def test_d14_a_client_that_everybody_traces_makes_no_span_of_the_delivery(tmp_path):
    """By OpenTelemetry's way to say so, by a decorated transport of ours, and by threads that carry contexts."""
    program = """
        import sys
        import httpx
        from opentelemetry import trace
        from opentelemetry import context as otel_context
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from programs import report
        import callspan
        from callspan.exporters import HTTPExporter, OTLPExporter

        foreign = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(foreign))
        tracer = provider.get_tracer("http client")
        send = httpx.HTTPTransport.handle_request

        @callspan.tool
        def traced(transport, request):
            if otel_context.get_value("suppress_instrumentation"):
                return send(transport, request)
            with tracer.start_as_current_span("POST"):
                return send(transport, request)

        httpx.HTTPTransport.handle_request = lambda transport, request: traced(transport, request)
        callspan.instrument()
        callspan.configure(exporters=[OTLPExporter(sys.argv[1]), HTTPExporter(sys.argv[1] + "/records")])
        for number in range(20):
            with tracer.start_as_current_span("request"), callspan.span("mine"):
                pass
            assert callspan.flush(9)
        assert callspan.flush(9)
        report()
        assert [span.name for span in foreign.get_finished_spans()] == ["request"] * 20
    """
    with Receiver() as receiver:
        ended = run(program, tmp_path, receiver.url)
        sent = [request for request in receiver.requests if request.path == "/v1/traces"]
        names = [
            span.name
            for request in sent
            for resource in request.decoded().resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    assert names == ["mine"] * 20
    assert {stats["ended"] for stats in ended.stats.values()} == {20}
    assert {stats["delivered"] for stats in ended.stats.values()} == {20}


def test_d14_an_exporter_that_calls_a_model_makes_no_loop(tmp_path):
    program = """
        import time
        from programs import report
        import callspan
        from callspan.exporters import ExportResult, FileExporter

        @callspan.llm
        def ask(question):
            return "yes"

        class Judging:
            local = False
            def __init__(self, name, local):
                self.name, self.local, self.calls = name, local, 0
            def export(self, batch):
                for span in batch.spans:
                    ask(span.name)
                    with callspan.span("inside the exporter"):
                        self.calls += 1
                return ExportResult(delivered=len(batch.spans))
            def close(self):
                pass

        judges = Judging("there", False), Judging("here", True)
        callspan.configure(exporters=[*judges, FileExporter("spans.jsonl")])
        for _ in range(100):
            ask("?")
        assert callspan.flush(9)
        time.sleep(0.7)
        assert callspan.flush(9)
        assert [judge.calls for judge in judges] == [100, 100]
        report()
    """
    ended = run(program, tmp_path)
    assert span_names(tmp_path / "spans.jsonl") == ["ask"] * 100
    assert {(stats["ended"], stats["delivered"]) for stats in ended.stats.values()} == {(100, 100)}


# -- D15: logging ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["decorated", "network", "lock"])
def test_d15_a_logging_handler_that_calls_back_makes_no_loop_and_no_deadlock(tmp_path, kind):
    program = """
        import logging, sys, threading, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter, OTLPExporter

        records, lock = [], threading.RLock()

        @callspan.tool
        def note(message):
            records.append(message)

        class Calling(logging.Handler):
            def emit(self, record):
                message = record.getMessage()
                if record.name.startswith("http") and sys.argv[2] == "network":
                    return  # its own requests are logged, too
                if sys.argv[2] == "decorated":
                    note(message)
                elif sys.argv[2] == "network":
                    with callspan.span("sending a log"):
                        import httpx
                        try:
                            httpx.post(sys.argv[1] + "/logs", content=message.encode(), timeout=5)
                        except httpx.HTTPError:
                            pass
                        records.append(message)
                else:
                    with lock:
                        callspan.flush(0.05)
                        records.append(message)

        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        root.addHandler(Calling())
        callspan.configure(exporters=[OTLPExporter("http://127.0.0.1:1"), FileExporter("spans.jsonl")])

        @callspan.chain
        def work(number):
            logging.getLogger("app").debug("working on %s", number)

        for number in range(30):
            work(number)
        began = time.monotonic()
        callspan.flush(1.5)
        assert time.monotonic() - began < 4
        time.sleep(1)
        assert len(records) < 400, len(records)
        report()
        callspan.shutdown(1)
    """
    with Receiver() as receiver:
        ended = run(program, tmp_path, receiver.url, kind, timeout_s=40)
    names = span_names(tmp_path / "spans.jsonl")
    assert names.count("work") == 30
    inner = {"decorated": "note", "network": "sending a log", "lock": "none"}[kind]
    assert names.count(inner) >= (0 if kind == "lock" else 30)
    assert len(names) < 300  # what we say ourselves, and httpx on our behalf, is not traced again and again
    assert ended.stats["file"]["delivered"] == len(names)


# -- D18: clocks -------------------------------------------------------------------------------------------------------


def test_d18_a_wall_clock_that_jumps_makes_no_duration_negative_and_delays_nothing(tmp_path):
    program = """
        import json, time
        real, shift = time.time_ns, [0]
        time.time_ns = lambda: real() + shift[0]
        time.time = lambda: time.time_ns() / 1e9
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])

        hour = 3_600 * 10**9
        for number, jump in enumerate((hour, -hour, -2 * hour, 30 * 365 * 24 * hour, 0, -hour)):
            with callspan.span(f"over {number}"):
                shift[0] += jump
                time.sleep(0.01)
            with callspan.span(f"after {number}"):
                pass
            began = time.monotonic()
            assert callspan.flush(9)
            assert time.monotonic() - began < 3
        began = time.monotonic()
        with callspan.span("unasked"):
            pass
        while callspan.stats()["file"]["buffered"]:
            assert time.monotonic() - began < 5
            time.sleep(0.01)
        report()
    """
    import json

    ended = run(program, tmp_path)
    spans = [
        json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        for line in (tmp_path / "spans.jsonl").read_bytes().splitlines()
    ]
    assert len(spans) == 13
    for span in spans:
        took_ns = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
        assert (10_000_000 if span["name"].startswith("over") else 0) <= took_ns < 5_000_000_000
        assert int(span["startTimeUnixNano"]) > 0
    assert ended.stats["file"]["delivered"] == 13


def test_d18_a_wall_clock_that_jumps_does_not_hold_up_what_waits_for_a_retry(tmp_path):
    program = """
        import sys, time
        real, shift = time.time_ns, [0]
        time.time_ns = lambda: real() + shift[0]
        time.time = lambda: time.time_ns() / 1e9
        from programs import report
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])])
        with callspan.span("one"):
            pass
        while not callspan.stats()["otlp"]["retries"]:
            callspan.flush(0.05)
            shift[0] -= 3_600 * 10**9
        assert callspan.flush(9)
        report()
    """
    from receiver import Reply

    with Receiver(Reply(503), Reply(503), Reply()) as receiver:
        ended = run(program, tmp_path, receiver.url)
        assert len(receiver.requests) == 3
    assert ended.stats["otlp"]["delivered"] == 1


# -- G15: headers from outside -----------------------------------------------------------------------------------------


def test_g15_headers_from_outside_cost_little_and_are_believed_within_limits_only(tmp_path):
    program = """
        import os, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")], propagate_conversation=True)

        good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        big = 1_000_000
        cases = [
            {"traceparent": "x" * big}, {"traceparent": good[:-1] + "x"}, {"traceparent": "00-" + "0" * 32 + good[35:]},
            {"baggage": "k=" + "v" * big}, {"baggage": "a=b," * (big // 4)}, {"baggage": "," * big},
            {"baggage": "gen_ai.conversation.id=" + "%41" * 3000}, {"tracestate": "a=b," * (big // 4)},
            {f"x-{number}": "y" for number in range(100_000)}, {"traceparent": "\\x00" * 55},
            {"baggage": "gen_ai.conversation.id=a%0Ab"}, {"baggage": "user.id=" + "%" * 8000},
            {"traceparent": os.urandom(55).decode("latin-1"), "baggage": os.urandom(8000).decode("latin-1")},
        ]
        for headers in cases:
            began = time.process_time()
            with callspan.extract(headers), callspan.span("guest") as span:
                assert span.parent_id is None and span.trace_id != 0x0AF7651916CD43DD8448EB211C80319C
                assert span.scope is None, (headers, span.scope.conversation_id, span.scope.user_id)
            assert time.process_time() - began < 0.25
        assert callspan.flush(9)
        report()
    """
    ended = run(program, tmp_path)
    assert ended.err == ""
    assert ended.stats["file"]["delivered"] == len(span_names(tmp_path / "spans.jsonl")) == 13
