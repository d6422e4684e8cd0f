"""D1 to D13 and G11: receivers that refuse, lie, drip, redirect or never answer, from configure() to the counts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from itertools import repeat
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

import callspan
import receiver as receivers
from callspan import environment
from callspan.exporters import FileExporter, OTLPExporter
from callspan.guard import guard
from certificates import Authority
from programs import check_conserved, span_names
from receiver import Receiver, Reply, closed_port

pytestmark = pytest.mark.faults
PROTOBUF = {"Content-Type": "application/x-protobuf"}
BUSY_S = 1.0  # what a machine may need that has other things to do


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Let nothing of the machine's environment in, and forget what was said before."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    guard.forget()
    environment._warned.clear()


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.DEBUG)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "callspan"]


@contextmanager
def sending(*exporters: Any) -> Iterator[None]:
    """Record for these exporters in the block; whatever happened, every span is accounted for."""
    callspan.configure(exporters=[*exporters])
    try:
        yield
    finally:
        check_conserved(callspan.stats())
        callspan.shutdown(timeout_s=1)
        check_conserved(callspan.stats())


def make(*names: str, **given: Any) -> None:
    for name in names:
        with callspan.span(name, **given):
            pass


def counts(name: str = "otlp") -> dict[str, Any]:
    stats = callspan.stats()
    check_conserved(stats)
    told = stats[name]
    dropped = sum(told["dropped"].values())
    return {key: told[key] for key in ("delivered", "rejected", "retries", "suspicious", "buffered")} | {
        "lost": dropped
    }


def counted(**numbers: int) -> dict[str, int]:
    return dict.fromkeys(("delivered", "rejected", "retries", "suspicious", "buffered", "lost"), 0) | numbers


# -- D1, D2: asked to wait ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "least_s"),
    [
        ("1", 1.0),
        ("date", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1e309", 0.0),
        ("nan", 0.0),
        ("soon", 0.0),
        ("9" * 5000, 0.0),
        ("", 0.0),
    ],
    ids=["second", "date", "past", "zero", "negative", "infinite", "no number", "garbage", "huge", "empty"],
)
def test_d01_what_a_receiver_asks_for_is_kept_and_what_makes_no_sense_is_not(status, asked, least_s):
    if asked == "date":
        asked, least_s = formatdate(time.time() + 2, usegmt=True), 0.9
    with Receiver(Reply(status, headers={"Retry-After": asked}), Reply()) as receiver:
        with sending(OTLPExporter(receiver.url)):
            make("one")
            assert callspan.flush(timeout_s=9)
            assert counts() == counted(delivered=1, retries=1)
        first, second = receiver.requests
        assert least_s <= second.at - first.at < least_s + 1.1 + BUSY_S


def test_d01_a_receiver_that_asks_for_a_year_keeps_nobody_from_ending():
    with Receiver(Reply(503, headers={"Retry-After": str(365 * 86_400)}), Reply()) as receiver:
        with sending(OTLPExporter(receiver.url)):
            make("one")
            began = time.monotonic()
            result = callspan.flush(timeout_s=0.5)
            assert (result.ok, result.remaining) == (False, 1)
            assert result.errors == ["otlp: HTTP 503"]
            assert counts() == counted(buffered=1)
            assert callspan.shutdown(timeout_s=2)  # the last chance: what was asked for does not count any more
            assert time.monotonic() - began < 2.5 + BUSY_S
            assert counts() == counted(delivered=1, retries=1)
        assert len(receiver.requests) == 2


@pytest.mark.parametrize(("status", "waits_s"), [(429, 0.3), (502, 0.3), (503, 2.5), (504, 0.3)])
def test_d02_a_receiver_that_is_never_ready_is_asked_less_and_less_often(status, waits_s, said):
    with Receiver(Reply(status)) as receiver:
        with sending(OTLPExporter(receiver.url)):
            make(*map(str, range(600)))
            time.sleep(waits_s)
            told = counts()
            assert told["delivered"] == told["rejected"] == told["lost"] == 0
            assert told["buffered"] == 600
            assert 1 <= len(receiver.requests) <= 12
            assert told["retries"] <= len(receiver.requests)
        assert callspan.stats()["otlp"]["dropped"] == {"shutdown": 600}
    assert len(said()) == 1  # when it is given up; an outage of two seconds is not told


def test_d02_the_queue_of_a_receiver_that_is_never_ready_is_bounded():
    from callspan.model.resource import describe
    from callspan.pipeline.worker import Pipeline
    from spans import finished

    with Receiver(Reply(503)) as receiver:
        pipeline = Pipeline([OTLPExporter(receiver.url)], describe("shop"), max_spans=1000)
        for number in range(5000):
            pipeline.offer(finished("chain", str(number)))
            if number % 500 == 0:
                pipeline.flush(timeout_s=0.05)
        pipeline.flush(timeout_s=0.5)
        stats = pipeline.stats()
        check_conserved(stats)
        assert stats["otlp"]["buffered"] <= 1000 + 512
        assert stats["otlp"]["dropped"] == {"queue full": 5000 - stats["otlp"]["buffered"]}
        pipeline.close(timeout_s=0.5)
        check_conserved(pipeline.stats())


# -- D3, D7: refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 415, 422, 500, 501, 505, 599])
def test_d03_what_is_refused_is_not_sent_again(status, said):
    with Receiver(Reply(status, b"s3cret of theirs")) as receiver:
        with sending(OTLPExporter(receiver.url, headers={"x-api-key": "s3cret"})):
            for _ in range(3):
                make("a", "b")
                assert not callspan.flush(timeout_s=9)
            assert counts() == counted(rejected=6)
        assert len(receiver.requests) == 3
    assert said()
    assert len(said()) <= 2  # why, once, and that something is lost, once a minute
    assert any(f"HTTP {status}" in message for message in said())
    assert "s3cret" not in str(said())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["other host", "itself", "nowhere"])
def test_d07_a_redirect_is_followed_by_nobody_and_no_success(status, where, said):
    with Receiver() as other, Receiver() as receiver:
        target = {"other host": other.url + "/v1/traces", "itself": "/v1/traces", "nowhere": "http://"}[where]
        receiver._replies = [Reply(status, headers={"Location": target})]
        with sending(OTLPExporter(receiver.url, headers={"authorization": "Bearer s3cret"})):
            make("one")
            assert not callspan.flush(timeout_s=9)
            assert counts() == counted(rejected=1)
        assert len(receiver.requests) == 1
        assert other.requests == []
    assert any("redirect" in message for message in said())
    assert "s3cret" not in str(said())


# -- D4: too large -----------------------------------------------------------------------------------------------------


class Limited(Receiver):
    """Takes requests of up to 100 kB."""

    def take(self, request):
        super().take(request)
        return Reply(413 if len(request.content) > 100_000 else 200)

    def taken(self):
        requests = [request for request in self.requests if len(request.content) <= 100_000]
        spans = [found for request in requests for found in request.decoded().resource_spans]
        return [span for found in spans for scope in found.scope_spans for span in scope.spans]


def test_d04_a_batch_that_is_too_large_is_halved_and_a_span_that_is_loses_its_values():
    with Limited() as receiver:
        with sending(OTLPExporter(receiver.url)):
            make(*(f"span {number}" for number in range(40)), input="x" * 30_000)
            make("huge", input="x" * 250_000)
            assert callspan.flush(timeout_s=20)
            assert counts()["delivered"] == 41
        taken = {
            span.name: {pair.key: pair.value.string_value for pair in span.attributes} for span in receiver.taken()
        }
        assert len(taken) == len(receiver.taken()) == 41
        assert all(len(attributes["input.value"]) == 30_000 for name, attributes in taken.items() if name != "huge")
        assert "input.value" not in taken["huge"]
        assert taken["huge"]["callspan.truncated"] == '{"input":250000}'


def test_d04_a_receiver_that_finds_everything_too_large_gets_nothing_and_it_is_counted():
    with Receiver(Reply(413)) as receiver:
        with sending(OTLPExporter(receiver.url)):
            make("a", "b", "c", "d", input="x" * 1000)
            assert not callspan.flush(timeout_s=9)
            told = counts()
            assert told["delivered"] == told["buffered"] == 0
            assert told["rejected"] + told["lost"] == 4
        assert len(receiver.requests) <= 4 * 2 + 3


# -- D5, D6: taken, with a word about it -------------------------------------------------------------------------------


def partly(rejected: int = 0, message: str = "") -> Reply:
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return Reply(200, ExportTraceServiceResponse(partial_success=partial).SerializeToString(), PROTOBUF)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (partly(2, "s3cret"), counted(delivered=1, rejected=2)),
        (partly(0, "s3cret"), counted(delivered=3)),
        (partly(), counted(delivered=3)),
        (partly(3), counted(rejected=3)),
        (partly(99, "s3cret"), counted(rejected=3)),
        (partly(-4), counted(delivered=3)),
        (
            Reply(200, b'{"partialSuccess":{"rejectedSpans":"2"}}', {"Content-Type": "application/json"}),
            counted(delivered=1, rejected=2),
        ),
        (Reply(200, b"{}", {"Content-Type": "application/json"}), counted(delivered=3)),
        (Reply(204), counted(delivered=3)),
        (Reply(202, b"", PROTOBUF), counted(delivered=3)),
        (Reply(200, b"<!doctype html>s3cret", {"Content-Type": "text/html"}), counted(delivered=3, suspicious=1)),
        (Reply(200, b'{"partialSucc', {"Content-Type": "application/json"}), counted(delivered=3, suspicious=1)),
        (Reply(200, b"\xff\xff\xff", PROTOBUF), counted(delivered=3, suspicious=1)),
        (Reply(200, b"[" * 100_000, {"Content-Type": "application/json"}), counted(delivered=3, suspicious=1)),
        (Reply(200, b"{}", {"Content-Type": "image/png"}), counted(delivered=3, suspicious=1)),
    ],
    ids=range(15),
)
def test_d05_d06_what_a_receiver_says_of_a_success_is_counted_and_nothing_is_sent_again(reply, expected, said):
    with Receiver(reply) as receiver:
        with sending(OTLPExporter(receiver.url)):
            callspan.flush()
            make("a", "b", "c")
            assert callspan.flush(timeout_s=9).ok == (not expected["rejected"])
            assert counts() == expected
        assert len(receiver.requests) == 1
    assert "s3cret" not in str(said())


# -- D8, G11: answers without end --------------------------------------------------------------------------------------


def bomb() -> bytes:
    """Return a small body that unpacks to 200 MB."""
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b"0" * 1_000_000) for _ in range(200)) + packer.flush()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (lambda: Reply(200, bomb(), {"Content-Encoding": "gzip", **PROTOBUF}), counted(rejected=1)),
        (lambda: Reply(200, repeat(b"0" * 65_536), PROTOBUF), counted(rejected=1)),
        (lambda: Reply(500, repeat(b"0" * 65_536)), counted(rejected=1)),
        (lambda: Reply(200, headers={f"x-{n}": "0" * 9000 for n in range(200)}), counted(buffered=1)),
    ],
    ids=["bomb", "endless success", "endless failure", "endless head"],
)
def test_d08_answers_without_end_are_left_and_cost_no_memory(reply, expected):
    import tracemalloc

    with Receiver(reply()) as receiver, sending(OTLPExporter(receiver.url, timeout_s=5)):
        tracemalloc.start()
        try:
            began = time.monotonic()
            make("one")
            callspan.flush(timeout_s=2)
            assert time.monotonic() - began < 2 + BUSY_S
            assert tracemalloc.get_traced_memory()[1] < 40_000_000
        finally:
            tracemalloc.stop()
        assert counts() | {"retries": 0} == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, b"0123456789" * 10, PROTOBUF, drip_s=0.5), counted(buffered=1)),
        (Reply(delay_s=60), counted(buffered=1)),
    ],
    ids=["drip", "silence"],
)
def test_d08_an_answer_byte_by_byte_has_the_time_of_a_whole_one(reply, expected):
    with Receiver(reply) as receiver, sending(OTLPExporter(receiver.url, timeout_s=0.5)):
        began = time.monotonic()
        make("one")
        time.sleep(0.8)
        callspan.flush(timeout_s=0.1)
        told = counts()
        assert told["delivered"] + told["buffered"] == expected["buffered"]
        callspan.shutdown(timeout_s=1)
        assert time.monotonic() - began < 3 + BUSY_S


# -- D9: connections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop", ["close", "reset", "half"])
def test_d09_a_connection_that_breaks_off_is_tried_again(drop):
    with Receiver(Reply(503, b"0" * 100, drop=drop), Reply()) as receiver:
        with sending(OTLPExporter(receiver.url)):
            make("one")
            assert callspan.flush(timeout_s=9)
            assert counts() == counted(delivered=1, retries=1)
        assert len(receiver.requests) == 2


@pytest.mark.parametrize("drop", ["close", "reset"])
def test_d09_a_stale_connection_is_no_failure(drop):
    with Receiver(Reply(), Reply(drop=drop), Reply()) as receiver:
        with sending(OTLPExporter(receiver.url)):
            for name in ("a", "b"):
                make(name)
                assert callspan.flush(timeout_s=9)
            assert counts() == counted(delivered=2)
        assert receiver.names() == ["a", "b", "b"]
        assert len({span.span_id for span in receiver.spans()}) == 2
        assert receiver.connections == 2


@pytest.mark.parametrize("kind", ["refused", "deaf", "swallowed", "TLS that stalls"])
def test_d09_nobody_answers_and_every_attempt_has_an_end(kind, said):
    with receivers.deaf() as deaf, receivers.black_hole() as hole:
        url = {
            "refused": f"http://127.0.0.1:{closed_port()}",
            "deaf": deaf,
            "swallowed": f"http://127.0.0.1:{hole}",
            "TLS that stalls": deaf.replace("http:", "https:"),
        }[kind]
        with sending(OTLPExporter(url, timeout_s=0.5)):
            make("one")
            time.sleep(1.5)
            assert counts()["buffered"] == 1
            began = time.monotonic()
            assert not callspan.shutdown(timeout_s=1)
            assert time.monotonic() - began < 1 + 0.5 + BUSY_S
        assert callspan.stats()["otlp"]["dropped"] == {"shutdown": 1}
    assert len(said()) == 1


# -- D10, D11, D17: slow, back again, and dead beside a healthy one ----------------------------------------------------


def test_d10_a_slow_receiver_costs_the_caller_nothing():
    def p99(url: str) -> float:
        took = []
        with sending(OTLPExporter(url)):
            for number in range(1500):
                began = time.perf_counter()
                make(str(number), input="x" * 100)
                took.append(time.perf_counter() - began)
            check_conserved(callspan.stats())
        return sorted(took)[-15]

    with Receiver() as healthy, Receiver(Reply(delay_s=5)) as slow:
        quick, late = min(p99(healthy.url) for _ in range(2)), min(p99(slow.url) for _ in range(2))
    assert late < quick * 2 + 0.001


def test_d11_a_receiver_that_comes_back_gets_everything_in_order_and_in_small_requests():
    with Receiver(*[Reply(503)] * 5, Reply()) as receiver:
        with sending(OTLPExporter(receiver.url)):
            for number in range(2000):
                make(f"{number:04}")
            for _ in range(5):
                callspan.flush(timeout_s=0.2)
            assert callspan.flush(timeout_s=20)
            told = counts()
            assert (told["delivered"], told["buffered"], told["lost"]) == (2000, 0, 0)
            assert told["retries"] >= 5
        taken = receiver.requests[5:]
        names = [
            span.name
            for request in taken
            for found in request.decoded().resource_spans
            for scope in found.scope_spans
            for span in scope.spans
        ]
        assert names == [f"{number:04}" for number in range(2000)]
        sizes = [
            sum(len(scope.spans) for found in request.decoded().resource_spans for scope in found.scope_spans)
            for request in taken
        ]
        assert sizes[0] <= 32  # halved five times
        assert max(sizes) <= 512


def test_d17_a_dead_receiver_beside_a_healthy_one_and_a_file(tmp_path):
    with Receiver() as healthy, receivers.deaf() as dead:
        exporters = (
            OTLPExporter(dead, name="dead"),
            OTLPExporter(healthy.url, name="healthy"),
            FileExporter(tmp_path / "spans.jsonl"),
        )
        with sending(*exporters):
            began = time.monotonic()
            make(*map(str, range(2000)))
            while counts("healthy")["delivered"] < 2000:
                assert time.monotonic() - began < 10
                callspan.flush(timeout_s=0.1)
            assert counts("file") == counted(delivered=2000)
            assert counts("dead") == counted(buffered=2000)
        assert sorted(healthy.names(), key=int) == [*map(str, range(2000))]
    assert len(span_names(tmp_path / "spans.jsonl")) == 2000


# -- D12, D13: proxies and certificates --------------------------------------------------------------------------------


def test_d12_a_proxy_of_the_environment_is_used_or_not_as_it_says(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    with Receiver() as proxy, Receiver() as receiver:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p4ss@127.0.0.1:{proxy.port}")
        with sending(OTLPExporter("http://collector.test:4318")):
            make("one")
            assert callspan.flush(timeout_s=9)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with sending(OTLPExporter(receiver.url)):
            make("two")
            assert callspan.flush(timeout_s=9)
        assert (proxy.names(), receiver.names()) == (["one"], ["two"])
        assert proxy.requests[0].path == "http://collector.test:4318/v1/traces"
        assert "proxy-authorization" not in receiver.requests[0].headers
    assert "p4ss" not in caplog.text


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("which", ["good", "self-signed", "expired", "elsewhere"])
def test_d13_only_a_good_certificate_gets_the_data(authority, which, said):
    pair = {
        "good": lambda: authority.sign("good"),
        "self-signed": lambda: authority.self_signed("self-signed"),
        "expired": lambda: authority.sign("expired", is_expired=True),
        "elsewhere": lambda: authority.sign("elsewhere", host="DNS:elsewhere.test"),
    }[which]()
    with Receiver(tls=pair.server()) as receiver:
        with sending(OTLPExporter(receiver.url, certificate_file=str(authority.certificate))):
            make("one")
            assert callspan.flush(timeout_s=9).ok == (which == "good")
            assert counts() == (counted(delivered=1) if which == "good" else counted(rejected=1))
        assert len(receiver.requests) == (which == "good")
    assert len([message for message in said() if "certificate" in message]) == (0 if which == "good" else 2)


def test_d13_old_encryption_is_refused(said):
    alert = b"\x15\x03\x01\x00\x02\x02\x46"  # "protocol version"
    with receivers.speaking(alert) as port, sending(OTLPExporter(f"https://127.0.0.1:{port}")):
        make("one")
        assert not callspan.flush(timeout_s=9)
        assert counts() == counted(rejected=1)
    assert any("PROTOCOL_VERSION" in message for message in said())


def test_d13_anybody_is_trusted_on_demand_only_and_with_a_warning(authority, said):
    with Receiver(tls=authority.self_signed("any").server()) as receiver:
        with sending(OTLPExporter(receiver.url, verify=False)):
            make("one")
            assert callspan.flush(timeout_s=9)
        assert receiver.names() == ["one"]
    assert any("verify=False" in message for message in said())
