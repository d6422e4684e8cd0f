"""F3, F4, G8, G11, G12: bad headers and addresses, prompts that look like something else, bombs, shared machines."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from programs import environment, run, span_names
from receiver import Receiver

pytestmark = pytest.mark.faults

SMALL = """
    import sys
    from programs import report
    import callspan
    callspan.configure()
    with callspan.span("one", kind="chain"):
        pass
    callspan.flush(5)
    report()
"""


# -- F3: headers of the environment ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "sent", "named"),
    [
        ("x-key=s3cret", {"x-key": "s3cret"}, None),
        ("x-key=s3%20cret,x-more=1", {"x-key": "s3 cret", "x-more": "1"}, None),
        ("x-key", {}, "x-key"),
        ("=s3cret", {}, None),
        ("x-key=s3cret%0D%0Ax-evil: 1", {}, "x-key"),
        ("x-key=s3cret%00", {}, "x-key"),
        ("x-key=s3cret%E2%82%AC", {}, "x-key"),
        ("x key=s3cret", {}, None),
        ("authorization=one-s3cret,Authorization=two-s3cret", None, None),
        (",,,", {}, None),
        ("x-key=" + "s3cret" * 20_000, {}, None),
    ],
    ids=range(11),
)
def test_f03_a_bad_pair_is_refused_by_its_name_and_never_sent(tmp_path, pairs, sent, named):
    with Receiver() as receiver:
        ended = run(SMALL, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_EXPORTER_OTLP_HEADERS=pairs)
        (request,) = receiver.requests
    assert ended.stats["otlp"]["delivered"] == 1
    assert "x-evil" not in request.headers
    for name, value in (sent or {}).items():
        assert request.headers[name] == value
    if sent == {}:
        assert "s3cret" not in str(request.headers)
        assert ended.err.count("\n") <= 2
        if pairs.strip(","):
            assert "OTEL_EXPORTER_OTLP_HEADERS" in ended.err
    if named is not None:
        assert named in ended.err or "OTEL_EXPORTER_OTLP_HEADERS" in ended.err
    assert "s3cret" not in ended.err


# -- F4: endpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "suffix", "path"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "", "/v1/traces"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/", "/v1/traces"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/base", "/base/v1/traces"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/base/", "/base/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/own/path", "/own/path"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/own/path?key=s3cret", "/own/path?key=s3cret"),
    ],
)
def test_f04_an_endpoint_is_completed_by_the_rules_of_otlp(tmp_path, variable, suffix, path):
    with Receiver() as receiver:
        ended = run(SMALL, tmp_path, **{variable: receiver.url + suffix})
        (request,) = receiver.requests
    assert request.path == path
    assert ended.stats["otlp"]["delivered"] == 1
    assert "s3cret" not in ended.err


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "file:///etc/passwd", "ftp://h", "http://", "http://h:99999", "://"]
)
def test_f04_what_is_no_address_is_refused_without_telling_it(tmp_path, endpoint):
    program = """
        import sys
        import callspan
        from callspan.exporters import HTTPExporter, OTLPExporter
        for make in (OTLPExporter, HTTPExporter):
            try:
                make(sys.argv[1])
            except callspan.ConfigurationError as error:
                print(error)
            else:
                print("TAKEN")
    """
    ended = run(program, tmp_path, endpoint)
    first, second = ended.out.splitlines()
    assert first.startswith("endpoint: got str")
    assert second.startswith("url: got str")


def test_f04_credentials_of_an_address_are_used_and_shown_to_nobody(tmp_path):
    with Receiver() as receiver:
        url = receiver.url.replace("http://", "http://me:p4ss@") + "/in?key=k3y"
        ended = run(
            SMALL.replace("callspan.configure()", "import logging; logging.basicConfig(level=1); callspan.configure()"),
            tmp_path,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=url,
        )
        (request,) = receiver.requests
    assert request.headers["authorization"] == "Basic bWU6cDRzcw=="
    assert ended.stats["otlp"]["delivered"] == 1
    for secret in ("p4ss", "k3y", "bWU6cDRzcw"):
        assert secret not in ended.err + ended.out


# -- G8: prompts that look like something else -------------------------------------------------------------------------

ODD = [
    "first\nsecond\r\nthird\u2028fourth\x85fifth",
    '{"resourceSpans": []}\n{"resourceSpans": [{}]}',
    "\x1b[2J\x1b[31mred\x1b[0m\x07\x9b31m",
    "<script>alert(1)</script>&lt;",
    "POST /v1/traces HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "\x00\x01\x7f \u202egnp.exe \ud800 lone",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
]


def test_g08_one_line_is_one_record_and_one_request_one_request(tmp_path):
    program = """
        import json, logging, sys
        from programs import report
        import callspan
        from callspan.exporters import FileExporter, HTTPExporter, OTLPExporter
        logging.basicConfig(level=1)
        url = sys.argv[1]
        callspan.configure(exporters=[
            FileExporter("spans.jsonl"), OTLPExporter(url), OTLPExporter(url, protocol="http/json", name="json"),
            HTTPExporter(url + "/records"),
        ])
        for text in json.loads(sys.argv[2]):
            with callspan.conversation(text, user_id=text), callspan.context(tags=[text], metadata={text: text}):
                with callspan.span(text, kind="llm", input=text) as span:
                    span.set_attribute(text, text)
                    span.add_event(text, {text: text})
                    span.set_output(text)
        assert callspan.flush(9)
        report()
    """
    with Receiver() as receiver:
        ended = run(program, tmp_path, receiver.url, json.dumps(ODD))
        requests = receiver.requests
    raw = (tmp_path / "spans.jsonl").read_bytes()
    assert raw.count(b"\n") == len(raw.splitlines()) == len(ODD)
    assert not set(raw) & ({*range(32)} - {10})
    for line in raw.splitlines():
        json_format.Parse(line, ExportTraceServiceRequest())  # the mapping that the Collector's file receiver reads
    assert {request.path for request in requests} == {"/v1/traces", "/records"}
    for name in ("file", "otlp", "json", "http"):
        assert ended.stats[name]["delivered"] == len(ODD)
    for text in ODD[1:]:
        assert text.encode("utf-8", "replace") not in ended.err.encode("utf-8", "replace")
    names = span_names(tmp_path / "spans.jsonl")
    assert [name.replace("\ufffd", "\ud800") for name in names][:5] == ODD[:5]
    shown = run_view(tmp_path)
    assert "\x1b" not in shown
    assert not {character for character in shown if ord(character) < 32} - {"\n"}


def run_view(folder):
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "callspan", "view", "--io", "spans.jsonl"],
        cwd=folder,
        env=environment(PYTHONIOENCODING="utf-8"),
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout.decode()


# -- G11: what costs its reader more than its writer -------------------------------------------------------------------


def test_g11_hash_floods_and_long_secrets_cost_no_more_than_their_size(tmp_path):
    program = """
        import time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        modulus = 2**61 - 1
        flood = {number * modulus: number for number in range(1, 1500)}  # all of one hash
        bombs = [
            flood,
            {"a" * 10_000 + str(number): number for number in range(500)},
            "sk-" * 300_000, "Bearer " + "a" * 1_000_000, "=" * 1_000_000,
            "-----BEGIN " * 50_000, "eyJ" + "." * 500_000,
            "://" * 300_000, "a:b@" * 200_000, "password=" * 100_000, '{"password":' * 50_000, "%" * 1_000_000,
        ]
        for bomb in bombs:
            with callspan.span("one", kind="llm", input=bomb):
                pass
            began = time.process_time()
            assert callspan.flush(20)
            took = time.process_time() - began
            assert took < 1.5, (took, str(bomb)[:20])
        report()
    """
    ended = run(program, tmp_path, timeout_s=90)
    assert ended.stats["file"]["delivered"] == 12


# -- G12: a folder that others can write to ----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32" or os.name != "posix" or os.geteuid() != 0, reason="needs two users")
def test_g12_what_somebody_else_has_put_there_is_not_written_to(tmp_path, open_folder):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious\n")
    (open_folder / "theirs.jsonl").write_bytes(b"")
    os.chown(open_folder / "theirs.jsonl", 65534, 65534)
    (open_folder / "theirs.jsonl").chmod(0o666)
    os.link(victim, open_folder / "hard.jsonl")
    (open_folder / "soft.jsonl").symlink_to(victim)
    program = """
        import os, sys
        from programs import report
        import callspan
        from callspan.exporters import FileExporter, MemoryExporter
        for name in ("theirs.jsonl", "soft.jsonl", "hard.jsonl"):
            try:
                callspan.configure(exporters=[FileExporter(os.path.join(sys.argv[1], name)), MemoryExporter()])
            except callspan.ConfigurationError as error:
                print("REFUSED", name)
                continue
            with callspan.span("s3cret"):
                pass
            callspan.flush(5)
            report()
    """
    ended = run(program, tmp_path, str(open_folder))
    assert {"REFUSED theirs.jsonl", "REFUSED soft.jsonl"} <= set(ended.out.splitlines())
    assert (open_folder / "theirs.jsonl").read_bytes() == b""
    for stats in ended.reports:
        assert stats["memory"]["delivered"] == 1


# -- G13, G14: a listener at import is a connection at import ----------------------------------------------------------


def test_g14_nothing_is_connected_to_before_the_first_span(tmp_path):
    program = """
        import sys, time
        from programs import report
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])])
        callspan.instrument()
        time.sleep(0.7)
        print("QUIET", flush=True)
        sys.stdin.readline()
        report()
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        came = []

        def accept():
            until = time.monotonic() + 60
            while not stopped.is_set() and time.monotonic() < until:
                try:
                    came.append(listener.accept())
                except TimeoutError:
                    continue

        stopped = threading.Event()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            ended = run(program, tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            stopped.set()
            thread.join()
    assert "QUIET" in ended.out
    assert came == []
    assert ended.stats["otlp"]["ended"] == 0
