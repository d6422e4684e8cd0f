from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

import receiver as receivers
from callspan.exporters import addresses
from callspan.exporters.client import bound
from callspan.exporters.hints import Hints
from callspan.exporters.network import Attempt
from callspan.exporters.outcomes import MAX_ANSWER_BYTES, Answer
from callspan.exporters.tls import Tls
from callspan.exporters.transport import Transport
from callspan.forks import forks
from programs import environment
from receiver import Receiver, Reply

TAKEN = Answer("taken")
PATIENT_S = 5.0
SHORT_S = 0.3
SLACK_S = 0.4  # for a machine that is busy with other things


@pytest.fixture
def make():
    """Return a function that makes transports, which are closed in the end."""
    made = []

    def make(url, **given):
        usual = {"headers": {}, "tls": Tls(), "hints": Hints("test"), "timeout_s": PATIENT_S}
        made.append(Transport(addresses.parse(url), **{**usual, **given}))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def timed(call):
    started = time.monotonic()
    result = call()
    return result, time.monotonic() - started


# -- what goes out -----------------------------------------------------------------------------------------------------


def test_a_request_says_what_it_was_told_to(make):
    with Receiver() as receiver:
        answer = make(f"{receiver.url}/v1/traces?project=7", headers={"X-Key": "k", "Content-Type": "a/b"}).post(
            b"body"
        )
        assert answer == TAKEN
        (request,) = receiver.requests
    assert (request.path, request.body) == ("/v1/traces?project=7", b"body")
    agent = request.headers["user-agent"]
    assert agent.startswith("callspan/")
    assert dict(request.headers) == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": agent,
        "accept-encoding": "identity",
        "x-key": "k",
        "content-type": "a/b",
        "content-length": "4",
    }


def test_one_connection_serves_request_after_request(make):
    with Receiver(Reply(200, b"x" * 100), Reply(503, b"y" * 100), Reply(400), Reply(200)) as receiver:
        transport = make(receiver.url)
        assert [transport.post(b"1").verdict for _ in range(4)] == ["taken", "retry", "rejected", "taken"]
        assert receiver.connections == 1


def test_bodies_are_packed_on_demand(make):
    body = b"the same again and again" * 1000
    with Receiver() as receiver:
        assert make(receiver.url, compression="gzip").post(body) == TAKEN
        (request,) = receiver.requests
    assert request.headers["content-encoding"] == "gzip"
    assert len(request.body) < len(body) / 10
    assert request.content == body


def test_userinfo_is_sent_as_a_header_and_given_headers_win(make):
    with Receiver() as receiver:
        url = f"http://me:secret@127.0.0.1:{receiver.port}/in"
        make(url).post(b"")
        make(url, headers={"Authorization": "Bearer t"}).post(b"")
        first, second = receiver.requests
    assert first.headers["authorization"] == "Basic bWU6c2VjcmV0"
    assert second.headers["authorization"] == "Bearer t"
    assert first.path == "/in"


def test_headers_may_hold_any_latin_character(make):
    with Receiver() as receiver:
        make(receiver.url, headers={"x-user": "Zo\xeb", "x-tab": "a\tb"}).post(b"")
        (request,) = receiver.requests
    assert (request.headers["x-user"], request.headers["x-tab"]) == ("Zo\xeb", "a\tb")


def test_cookies_are_not_kept(make):
    with Receiver(Reply(headers={"Set-Cookie": "id=1"})) as receiver:
        transport = make(receiver.url)
        transport.post(b"")
        transport.post(b"")
        assert "cookie" not in receiver.requests[1].headers


# -- what an answer means (D1, D3, D4, D7) -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_success(make, status):
    with Receiver(Reply(status)) as receiver:
        assert make(receiver.url).post(b"") == TAKEN


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_is_worth_a_retry_is_not_retried_here(make, status, said):
    with Receiver(Reply(status, b"please wait", {"Retry-After": "7"}), Reply(status)) as receiver:
        transport = make(receiver.url)
        assert transport.post(b"") == Answer("retry", f"HTTP {status}", 7.0)
        assert transport.post(b"") == Answer("retry", f"HTTP {status}", None)
        assert len(receiver.requests) == 2
    assert said() == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 415, 422, 425, 500, 501, 505, 507, 599])
def test_what_is_not(make, status):
    with Receiver(Reply(status, headers={"Retry-After": "1"})) as receiver:
        assert make(receiver.url).post(b"") == Answer("rejected", f"HTTP {status}")
        assert len(receiver.requests) == 1


def test_too_large(make, said):
    with Receiver(Reply(413)) as receiver:
        assert make(receiver.url).post(b"") == Answer("too large", "HTTP 413")
    assert said() == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects_are_not_followed_and_no_success(make, status, said):
    with Receiver() as other, Receiver(Reply(status, headers={"Location": f"{other.url}/s3cret"})) as receiver:
        transport = make(receiver.url, headers={"authorization": "k3y"})
        assert transport.post(b"") == Answer("rejected", f"HTTP {status}")
        assert transport.post(b"") == Answer("rejected", f"HTTP {status}")
        assert other.requests == []
        assert said() == [
            f"test: {receiver.url}: HTTP {status}; redirects are not followed: give the address it redirects to"
        ]


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "; check the headers that hold the credentials"),
        (403, "; check the headers that hold the credentials, and what they permit"),
        (404, "; check the path"),
        (415, "; choose another protocol or format"),
        (500, ""),
    ],
)
def test_why_spans_are_rejected_is_said_once_without_any_secret(make, status, hint, said):
    with Receiver(Reply(status, b"the key k3y is wrong")) as receiver:
        url = f"http://me:p4ss@127.0.0.1:{receiver.port}/in?token=t0ken"
        transport = make(url, headers={"x-key": "k3y"})
        for _ in range(3):
            transport.post(b"body")
        assert said() == [f"test: http://***@127.0.0.1:{receiver.port}/in?***: HTTP {status}{hint}"]


def test_nothing_secret_is_logged_by_anybody(make, caplog):
    caplog.set_level(logging.DEBUG)
    with Receiver(Reply(500, b"b0dy")) as receiver:
        url = f"http://me:p4ss@127.0.0.1:{receiver.port}/in?token=t0ken"
        make(url, headers={"x-key": "k3y"}).post(b"c0ntent")
    for secret in ("p4ss", "t0ken", "k3y", "b0dy", "c0ntent", "bWU6cDRzcw"):
        assert secret not in caplog.text


# -- bodies that come back (D6, D8, G11) -------------------------------------------------------------------------------


def packed(size, wbits=31):
    """Pack zeros, as small as it gets, a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    for _ in range(size // 1_048_576):
        yield packer.compress(bytes(1_048_576)) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


class Counted:
    """A body of chunks, that counts how many were asked for."""

    def __init__(self, chunks):
        self._chunks = iter(chunks)
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        return next(self._chunks)


def test_a_body_is_handed_on_with_its_type(make):
    with Receiver(Reply(200, b"<html>", {"Content-Type": "text/html"})) as receiver:
        assert make(receiver.url).post(b"") == Answer("taken", content_type="text/html", body=b"<html>")


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("GZIP", 31), ("x-gzip", 31), ("deflate", 15)])
def test_a_packed_body_is_unpacked_though_nobody_asked_for_it(make, encoding, wbits):
    with Receiver(Reply(200, b"".join(packed(2_097_152, wbits)), {"Content-Encoding": encoding})) as receiver:
        assert make(receiver.url).post(b"").body == bytes(2_097_152)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", b"\x0b\x02\x80ok\x03"), ("gzip", b"no gzip"), ("gzip, gzip", b"x"), ("gzip", b"".join(packed(100))[:-4])],
)
def test_a_body_that_cannot_be_unpacked_is_taken_as_unread(make, encoding, body):
    with Receiver(Reply(200, body, {"Content-Encoding": encoding})) as receiver:
        assert make(receiver.url).post(b"") == Answer("taken", body=None)


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_an_empty_body_may_call_itself_what_it_likes(make, status, encoding):
    with Receiver(Reply(status, b"", {"Content-Encoding": encoding})) as receiver:
        assert make(receiver.url).post(b"") == TAKEN


def test_an_endless_body_is_left_at_four_mebibytes(make):
    chunks = Counted(bytes(65_536) for _ in iter(int, 1))
    with Receiver(Reply(200, chunks)) as receiver:
        assert make(receiver.url).post(b"") == Answer("rejected", "answer above 4 MiB")
    assert chunks.count * 65_536 < 4 * MAX_ANSWER_BYTES  # what buffers of sockets hold is not read


def test_a_small_body_that_unpacks_to_gigabytes_is_left_there_too(make):
    chunks = Counted(packed(10 * 1_073_741_824))
    with Receiver(Reply(200, chunks, {"Content-Encoding": "gzip"})) as receiver:
        answer, seconds = timed(lambda: make(receiver.url).post(b""))
    assert answer == Answer("rejected", "answer above 4 MiB")
    assert seconds < 3


def test_one_chunk_that_unpacks_to_gigabytes_is_never_held(make):
    import tracemalloc

    bomb = b"".join(packed(256 * 1_048_576))
    with Receiver(Reply(200, bomb, {"Content-Encoding": "gzip"})) as receiver:
        transport = make(receiver.url)
        transport.post(b"")
        tracemalloc.start()
        try:
            assert transport.post(b"").verdict == "rejected"
            assert tracemalloc.get_traced_memory()[1] < 5 * MAX_ANSWER_BYTES
        finally:
            tracemalloc.stop()


def test_a_long_body_of_a_failure_is_not_read(make):
    chunks = Counted(bytes(65_536) for _ in iter(int, 1))
    with Receiver(Reply(503, chunks), Reply(200)) as receiver:
        transport = make(receiver.url)
        assert transport.post(b"") == Answer("retry", "HTTP 503")
        assert transport.post(b"") == TAKEN
        assert receiver.connections == 2


def test_a_megabyte_of_headers_is_no_answer(make):
    with receivers.speaking(b"HTTP/1.1 200 OK\r\n" + b"x-filler: 1234567890\r\n" * 50_000) as port:
        assert make(f"http://127.0.0.1:{port}").post(b"").verdict == "retry"


# -- connections that fail (D9) ----------------------------------------------------------------------------------------


def test_nobody_listens(make, said):
    assert make(f"http://127.0.0.1:{receivers.closed_port()}").post(b"") == Answer("retry", "connection refused")
    assert said() == []


def test_a_name_that_nobody_has(make, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert make("http://nobody.invalid").post(b"") == Answer("retry", "host name not found")


def test_a_name_without_an_address(make, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    assert make("http://nobody.invalid").post(b"") == Answer("retry", "connection broke off")


@pytest.mark.parametrize("said_instead", [b"", b"220 mail.example ready\r\n", b"\x15\x03\x01\x00\x02\x02\x46"])
def test_somebody_else_answers(make, said_instead):
    with receivers.speaking(said_instead) as port:
        assert make(f"http://127.0.0.1:{port}").post(b"") == Answer("retry", "connection broke off")


@pytest.mark.parametrize(("drop", "reason"), [("close", "connection broke off"), ("reset", "connection reset by peer")])
def test_a_new_connection_that_breaks_off_is_not_tried_again_here(make, drop, reason):
    with Receiver(Reply(drop=drop)) as receiver:
        assert make(receiver.url).post(b"") == Answer("retry", reason)
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("drop", ["close", "reset"])
def test_an_old_connection_that_breaks_off_is_tried_again_at_once(make, drop):
    with Receiver(Reply(200), Reply(drop=drop), Reply(200)) as receiver:
        transport = make(receiver.url)
        assert [transport.post(b"1"), transport.post(b"2")] == [TAKEN, TAKEN]
        assert [request.body for request in receiver.requests] == [b"1", b"2", b"2"]
        assert receiver.connections == 2


def test_but_only_once(make):
    with Receiver(Reply(200), Reply(drop="close")) as receiver:
        transport = make(receiver.url)
        transport.post(b"1")
        assert transport.post(b"2") == Answer("retry", "connection broke off")
        assert [request.body for request in receiver.requests] == [b"1", b"2", b"2"]


def test_a_connection_that_was_closed_in_the_meantime_is_noticed_before(make):
    with Receiver(Reply(closes=True)) as receiver:
        transport = make(receiver.url)
        for number in range(3):
            assert transport.post(b"%d" % number) == TAKEN
            time.sleep(0.02)
        assert [request.body for request in receiver.requests] == [b"0", b"1", b"2"]
        assert receiver.connections == 3


def test_a_success_that_breaks_off_in_its_body_is_still_one(make):
    with Receiver(Reply(200, b"x" * 1000, drop="half")) as receiver:
        assert make(receiver.url).post(b"") == Answer("taken", body=None)
        assert len(receiver.requests) == 1


def test_a_failure_that_breaks_off_in_its_body_is_still_one(make):
    with Receiver(Reply(400, b"x" * 1000, drop="half")) as receiver:
        assert make(receiver.url).post(b"") == Answer("rejected", "HTTP 400")


def test_no_fork_comes_in_while_a_client_is_made(make, monkeypatch):
    gate, entered, forked = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr("callspan.exporters.client.Client", lambda *_: entered.set() or gate.wait(5))
    transport = make("http://127.0.0.1:9")
    making = threading.Thread(target=transport._own_client)
    making.start()
    assert entered.wait(5)

    def fork():
        forks.before()
        forked.set()
        forks.after_in_parent()

    forking = threading.Thread(target=fork)
    forking.start()
    assert not forked.wait(0.1)
    gate.set()
    assert forked.wait(5)
    making.join()
    forking.join()
    transport._client = None  # which is none that could be closed


def test_a_closed_transport_opens_again(make):
    with Receiver() as receiver:
        transport = make(receiver.url)
        transport.close()
        transport.post(b"")
        transport.close()
        transport.close()
        assert transport.post(b"") == TAKEN
        assert receiver.connections == 2


# -- time (D8, D9) -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"short", b"x" * 30_000_000])
def test_somebody_who_never_reads_nor_answers(make, body):
    with receivers.deaf() as url:
        answer, seconds = timed(lambda: make(url, timeout_s=SHORT_S).post(body))
    assert answer == Answer("retry", "timed out")
    assert SHORT_S <= seconds < SHORT_S + SLACK_S


def test_a_late_answer(make):
    with Receiver(Reply(delay_s=5)) as receiver:
        answer, seconds = timed(lambda: make(receiver.url, timeout_s=SHORT_S).post(b""))
    assert answer == Answer("retry", "timed out")
    assert seconds < SHORT_S + SLACK_S


def test_an_answer_whose_head_drips(make):
    with Receiver(Reply(drip_s=0.05)) as receiver:
        answer, seconds = timed(lambda: make(receiver.url, timeout_s=SHORT_S).post(b""))
    assert answer == Answer("retry", "timed out")
    assert SHORT_S <= seconds < SHORT_S + SLACK_S


@pytest.mark.parametrize("pause_s", [0.02, 1.0])
def test_a_success_whose_body_drips(make, pause_s):
    def drops():
        while True:
            time.sleep(pause_s)
            yield b"x"

    with Receiver(Reply(200, drops())) as receiver:
        answer, seconds = timed(lambda: make(receiver.url, timeout_s=SHORT_S).post(b""))
    assert answer == Answer("taken", body=None)
    assert SHORT_S <= seconds < SHORT_S + SLACK_S


def test_a_handshake_that_stalls(make):
    with receivers.deaf() as url:
        transport = make(url.replace("http", "https"), connect_timeout_s=SHORT_S)
        transport._own_client()  # loading authorities takes a while the first time
        answer, seconds = timed(lambda: transport.post(b""))
    assert answer == Answer("retry", "no connection in time")
    assert SHORT_S <= seconds < SHORT_S + SLACK_S


def test_an_address_that_swallows_everything(make):
    with receivers.black_hole() as port:
        transport = make(f"http://127.0.0.1:{port}", connect_timeout_s=SHORT_S)
        answer, seconds = timed(lambda: transport.post(b""))
    assert answer == Answer("retry", "no connection in time")
    assert SHORT_S <= seconds < SHORT_S + SLACK_S


def resolve_to(monkeypatch, *found):
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *arguments, **named):
        if host != "receiver.test":
            return real(host, port, *arguments, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_dead_address_of_several_does_not_keep_from_the_others(make, monkeypatch):
    resolve_to(monkeypatch, "127.0.0.3", "127.0.0.1")
    with Receiver() as receiver, receivers.black_hole("127.0.0.3", receiver.port):
        transport = make(f"http://receiver.test:{receiver.port}", connect_timeout_s=0.2)
        answer, seconds = timed(lambda: transport.post(b""))
        assert answer == TAKEN
        assert 0.2 <= seconds < 0.2 + SLACK_S
        assert receiver.requests[0].headers["host"] == f"receiver.test:{receiver.port}"


def test_many_dead_addresses_take_no_longer_than_an_attempt(make, monkeypatch):
    hosts = [f"127.0.0.{number}" for number in range(10, 15)]
    resolve_to(monkeypatch, *hosts)
    with receivers.black_hole(hosts[0]) as port:
        holes = [receivers.black_hole(host, port) for host in hosts[1:]]
        for hole in holes:
            hole.__enter__()
        transport = make(f"http://receiver.test:{port}", timeout_s=0.5, connect_timeout_s=0.2)
        answer, seconds = timed(lambda: transport.post(b""))
        for hole in holes:
            hole.__exit__(None, None, None)
    assert answer == Answer("retry", "no connection in time")
    assert 0.5 <= seconds < 0.5 + SLACK_S


def test_a_transport_without_the_place_for_a_deadline_is_left_as_it_is():
    bare = SimpleNamespace()
    bound(bare, Attempt())
    assert vars(bare) == {}


def test_each_thread_has_its_own_deadline(make):
    with Receiver(Reply(delay_s=0.2)) as receiver:
        transport = make(receiver.url, timeout_s=0.3)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(transport.post(b""))) for _ in range(3)]
        for thread in threads:
            thread.start()
            time.sleep(0.08)
        for thread in threads:
            thread.join()
        assert answers == [TAKEN] * 3


# -- TLS (D13) ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs(authority):
    return {
        "good": authority.sign("good"),
        "expired": authority.sign("expired", is_expired=True),
        "elsewhere": authority.sign("elsewhere", host="DNS:receiver.test"),
        "self-signed": authority.self_signed("self-signed"),
        "client": authority.sign("client"),
    }


def test_a_good_certificate_of_a_trusted_authority(make, authority, pairs):
    with Receiver(tls=pairs["good"].server()) as receiver:
        transport = make(receiver.url, tls=Tls(str(authority.certificate)))
        assert [transport.post(b"x" * 1_000_000) for _ in range(2)] == [TAKEN, TAKEN]
        assert (receiver.connections, len(receiver.requests[1].body)) == (1, 1_000_000)


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ("expired", "certificate has expired"),
        ("elsewhere", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_a_bad_certificate_is_refused_and_said_once(make, authority, pairs, which, told, said):
    with Receiver(tls=pairs[which].server()) as receiver:
        transport = make(receiver.url, tls=Tls(str(authority.certificate)))
        for _ in range(2):
            assert transport.post(b"secret") == Answer("rejected", f"TLS: {told}")
        assert receiver.requests == []
        hint = "check certificate_file= and the client certificate"
        assert said() == [f"test: {receiver.url}: TLS: {told}; {hint}"]


def test_an_unknown_authority_is_refused(make, pairs):
    with Receiver(tls=pairs["good"].server()) as receiver:
        answer = make(receiver.url).post(b"secret")
        assert answer == Answer("rejected", "TLS: unable to get local issuer certificate")


@pytest.mark.parametrize("which", ["expired", "elsewhere", "self-signed"])
def test_anybody_is_trusted_on_demand_with_a_warning(make, pairs, which, said):
    with Receiver(tls=pairs[which].server()) as receiver:
        assert make(receiver.url, tls=Tls(verify=False)).post(b"") == TAKEN
        assert said() == [f"test: verify=False: whoever answers as {receiver.url} gets the data"]


def test_a_certificate_of_our_own(make, authority, pairs):
    client = pairs["client"]
    with Receiver(tls=pairs["good"].server(clients_from=authority.certificate)) as receiver:
        without = make(receiver.url, tls=Tls(str(authority.certificate))).post(b"")
        assert without.verdict in ("rejected", "retry")
        assert receiver.requests == []
        files = str(authority.certificate), str(client.certificate), str(client.key)
        assert make(receiver.url, tls=Tls(*files)).post(b"") == TAKEN


def test_old_encryption_is_refused(make):
    with receivers.speaking(b"\x15\x03\x01\x00\x02\x02\x46") as port:  # the alert "protocol version"
        answer = make(f"https://127.0.0.1:{port}", tls=Tls(verify=False)).post(b"")
    assert answer == Answer("rejected", "TLS: TLSV1_ALERT_PROTOCOL_VERSION")


def test_somebody_who_does_not_encrypt_is_refused(make):
    with Receiver() as receiver:
        answer = make(receiver.url.replace("http", "https"), tls=Tls(verify=False)).post(b"")
    assert answer == Answer("rejected", "TLS: WRONG_VERSION_NUMBER")


def test_a_handshake_that_breaks_off_is_worth_a_retry(make):
    with receivers.speaking(b"") as port:
        answer = make(f"https://127.0.0.1:{port}", tls=Tls(verify=False)).post(b"")
    assert answer == Answer("retry", "connection broke off")


@pytest.mark.parametrize(
    ("url", "headers", "told"),
    [
        (
            "http://collector:4318/in?a=b",
            {"X-Api-Key": "k3y"},
            "'x-api-key' goes unencrypted to http://collector:4318/in?***",
        ),
        ("http://me:p4ss@10.0.0.1/in", {}, "'authorization' goes unencrypted to http://***@10.0.0.1/in"),
    ],
)
def test_credentials_that_go_unencrypted_to_others_are_warned_of(make, url, headers, told, said):
    make(url, headers=headers)
    assert said() == [f"test: the header {told}; use https://"]


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:4318", {"X-Api-Key": "k3y"}),
        ("http://localhost:4318", {"X-Api-Key": "k3y"}),
        ("https://collector:4318", {"X-Api-Key": "k3y"}),
        ("http://collector:4318", {"X-Project": "shop"}),
    ],
)
def test_other_headers_are_not(make, url, headers, said):
    make(url, headers=headers)
    assert said() == []


# -- proxies (D12) -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_of_the_environment_is_used(make, monkeypatch, variable, scheme):
    with Receiver() as proxy:
        monkeypatch.setenv(variable, f"{scheme}me:p4ss@127.0.0.1:{proxy.port}")
        assert make("http://receiver.test:4318/in").post(b"") == TAKEN
        (request,) = proxy.requests
    assert request.path == "http://receiver.test:4318/in"
    assert request.headers["proxy-authorization"] == "Basic bWU6cDRzcw=="


@pytest.mark.parametrize("exception", ["127.0.0.1", "*", "127.0.0.1:{port}", "example.com, 127.0.0.1"])
def test_hosts_can_be_excepted(make, monkeypatch, exception):
    with Receiver() as receiver:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{receivers.closed_port()}")
        monkeypatch.setenv("NO_PROXY", exception.format(port=receiver.port))
        assert make(receiver.url).post(b"") == TAKEN


def test_a_proxy_that_is_dead_is_not_named(make, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("HTTP_PROXY", f"http://me:p4ss@127.0.0.1:{receivers.closed_port()}")
    assert make("http://receiver.test").post(b"") == Answer("retry", "connection refused")
    assert "p4ss" not in caplog.text


def test_what_is_encrypted_goes_through_a_proxy_unseen(make, monkeypatch, authority, pairs):
    with Receiver() as proxy, Receiver(tls=pairs["elsewhere"].server()) as receiver:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p4ss@127.0.0.1:{proxy.port}")
        transport = make(f"https://receiver.test:{receiver.port}/in", tls=Tls(str(authority.certificate)))
        assert [transport.post(b"1"), transport.post(b"2")] == [TAKEN, TAKEN]
        assert [request.body for request in receiver.requests] == [b"1", b"2"]
        (asked,) = proxy.requests
    assert asked.path == f"receiver.test:{receiver.port}"
    assert asked.headers["proxy-authorization"] == "Basic bWU6cDRzcw=="
    assert "p4ss" not in str(receiver.requests)


def test_a_proxy_that_refuses_to_connect(make, monkeypatch):
    with receivers.speaking(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert make("https://receiver.test").post(b"") == Answer("retry", "refused by the proxy")


@pytest.mark.parametrize(
    "url", ["socks5://me:p4ss@127.0.0.1:1080", "socks4://127.0.0.1:1080", "http://[::1", "ftp://a"]
)
def test_a_proxy_that_cannot_be_used_is_said_and_waited_for(make, monkeypatch, url, said):
    monkeypatch.setitem(sys.modules, "socksio", None)  # as where it is not installed
    monkeypatch.setenv("ALL_PROXY", url)
    with Receiver() as receiver:
        transport = make(receiver.url)
        assert transport.post(b"1") == transport.post(b"2") == Answer("retry", "the proxy cannot be used")
        (line,) = said()
        assert "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY" in line
        assert "httpx[socks]" in line
        assert "p4ss" not in line
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert make(receiver.url).post(b"3") == TAKEN


# -- processes ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_connections_of_its_own(make):
    with Receiver() as receiver:
        transport = make(receiver.url)
        transport.post(b"parent")
        child = os.fork()
        if not child:
            is_good = transport.post(b"child") == TAKEN
            os._exit(0 if is_good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert transport.post(b"parent") == TAKEN
        assert [request.body for request in receiver.requests] == [b"parent", b"child", b"parent"]
        assert receiver.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_parents_connections_alone(make):
    with Receiver() as receiver:
        transport = make(receiver.url)
        transport.post(b"parent")
        child = os.fork()
        if not child:
            transport.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert transport.post(b"parent") == TAKEN
        assert receiver.connections == 1


def test_httpx_is_not_loaded_before_something_is_sent():
    program = (
        "import sys\n"
        "sys.modules['httpx2'] = None\n"  # as where it is not installed
        "from callspan.exporters.otlp import OTLPExporter\n"
        "from callspan.exporters.http import HTTPExporter\n"
        "OTLPExporter(), HTTPExporter('https://h/in')\n"
        "print([name for name in ('httpx', 'httpcore', 'ssl', 'pydantic') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


EARLY = """
import sys
from callspan.exporters import OTLPExporter
before = "httpx" in sys.modules
OTLPExporter("http://localhost:1")
print(before, "httpx" in sys.modules)
"""


@pytest.mark.skipif(find_spec("httpx2") is not None, reason="here it is installed")
def test_httpx_is_loaded_by_the_sender_unless_a_request_of_openai_could_meet_it_half_loaded(tmp_path):
    def loaded() -> list[str]:
        command = [sys.executable, "-c", EARLY]
        told = environment()
        told["PYTHONPATH"] += os.pathsep + str(tmp_path)
        return subprocess.run(command, capture_output=True, text=True, check=True, env=told).stdout.split()

    assert loaded() == ["False", "False"]
    (tmp_path / "httpx2.py").write_text("")
    assert loaded() == ["False", "True"]


def test_an_httpx_that_does_not_load_is_told_of_by_the_sender_and_not_by_configure(tmp_path):
    (tmp_path / "httpx2.py").write_text("")
    (tmp_path / "httpx.py").write_text("raise RuntimeError('broken')")
    told = environment()
    told["PYTHONPATH"] += os.pathsep + str(tmp_path)
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=False, env=told)
    assert (done.returncode, done.stdout.split()) == (0, ["False", "False"])
