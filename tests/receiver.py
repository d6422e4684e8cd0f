"""A receiver of spans on 127.0.0.1 that answers as it is told: late, wrong, byte by byte, or not at all.

with Receiver(Reply(503), Reply(200)) as receiver:
    ...  # send to receiver.url; the last reply is repeated
    assert [span.name for span in receiver.spans()] == ["chat"]
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Literal

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import Self

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """One answer. `body` is sent in chunks, endlessly if need be, when it is an iterator's.

    delay_s: the time before the answer. drip_s: the time between any two of its bytes, those of its head too.
    drop: instead of an answer, "close" or "reset" the connection; "half" resets it within the body.
    closes: close the connection afterwards, without a word of it in the answer.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0
    drop: Literal["close", "reset", "half"] | None = None
    closes: bool = False


@dataclass(frozen=True)
class Request:
    """What came in. Names of headers are in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def content(self) -> bytes:
        """The body, unpacked."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    def decoded(self) -> ExportTraceServiceRequest:
        """Decode the body as its content type says."""
        if self.headers["content-type"] == "application/x-protobuf":
            return ExportTraceServiceRequest.FromString(self.content)
        assert self.headers["content-type"] == "application/json"
        return json_format.Parse(self.content, ExportTraceServiceRequest())


class Receiver:
    """Listens from `with` to its end; `requests` holds all that came, whatever was answered."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        """Give the replies in order, and the last one for ever; plain 200 without any."""
        self.requests: list[Request] = []
        self.connections = 0
        self._replies = list(replies) or [Reply()]
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._server = _Server((HOST, 0), _Handler, self)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self.hang_up()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    def hang_up(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def spans(self) -> list[Span]:
        """Return the spans of all requests, in the order they came."""
        return [
            span
            for request in self.requests
            for resource_spans in request.decoded().resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ]

    def names(self) -> list[str]:
        """Return the names of all spans."""
        return [span.name for span in self.spans()]

    # -- for the server ------------------------------------------------------------------------------------------------

    def accept(self, connection: socket.socket) -> socket.socket:
        """Count a connection, and encrypt it if need be."""
        with self._lock:
            self.connections += 1
        if self._tls is not None:
            connection.settimeout(5)
            connection = self._tls.wrap_socket(connection, server_side=True)
            connection.settimeout(None)
        with self._lock:
            self._open.add(connection)
        return connection

    def forget(self, connection: socket.socket) -> None:
        """Leave out a connection that is closed."""
        with self._lock:
            self._open.discard(connection)

    def take(self, request: Request) -> Reply:
        """Keep a request; return what is to be answered."""
        with self._lock:
            self.requests.append(request)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than there is a receiver."""
        self._stopped.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:  # in a thread of its own
        try:
            connection = self.receiver.accept(request)
        except OSError:  # the client does not like the certificate, or the other way round
            return
        try:
            super().finish_request(connection, client_address)
        finally:
            self.receiver.forget(connection)
            with suppress(OSError):
                connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that break off are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = receiver.take(Request(self.path, headers, body, time.monotonic()))
        receiver.wait(reply.delay_s)
        self.close_connection = reply.closes or reply.drop is not None
        if reply.drop in ("close", "reset"):
            self._drop(reply.drop == "reset")
            return
        for data in self._bytes_of(reply):
            for piece in _drops_of(data) if reply.drip_s else (data,):
                self.wfile.write(piece)
                receiver.wait(reply.drip_s)
        if reply.drop == "half":
            self._drop(is_reset=True)

    do_GET = do_POST

    def do_CONNECT(self) -> None:
        """Be a proxy: join the client with a port of this machine, whatever host it asks for."""
        receiver = self.server.receiver
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.take(Request(self.path, headers, b"", time.monotonic()))
        self.close_connection = True
        with socket.create_connection((HOST, int(self.path.rpartition(":")[2]))) as other:
            self.wfile.write(b"HTTP/1.1 200 Because\r\n\r\n")
            back = threading.Thread(target=_copy, args=(other, self.connection), daemon=True)
            back.start()
            _copy(self.connection, other)

    def _bytes_of(self, reply: Reply) -> Iterator[bytes]:
        is_whole = isinstance(reply.body, bytes)
        length = {"Content-Length": str(len(reply.body))} if is_whole else {"Transfer-Encoding": "chunked"}
        head = [f"HTTP/1.1 {reply.status} Because", *(f"{k}: {v}" for k, v in {**length, **reply.headers}.items())]
        yield "\r\n".join([*head, "\r\n"]).encode()
        if isinstance(reply.body, bytes):
            yield reply.body[: len(reply.body) // 2] if reply.drop == "half" else reply.body
            return
        for chunk in reply.body:
            yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
        yield b"0\r\n\r\n"

    def _drop(self, is_reset: bool) -> None:
        if is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _drops_of(data: bytes) -> Iterator[bytes]:
    return (data[index : index + 1] for index in range(len(data)))


@contextmanager
def deaf() -> Iterator[str]:
    """Give the URL of somebody who accepts connections and never reads or writes."""
    with socket.create_server((HOST, 0)) as listener:
        yield f"http://{HOST}:{listener.getsockname()[1]}"


@contextmanager
def black_hole(host: str = HOST, port: int = 0) -> Iterator[int]:
    """Give a port at which attempts to connect get no answer at all: its queue of connections is full."""
    with socket.create_server((host, port), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [_begin_to_connect(address) for _ in range(3)]
        try:
            yield address[1]
        finally:
            for connection in waiting:
                connection.close()


def _begin_to_connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    with suppress(BlockingIOError):
        connection.connect(address)
    return connection


def closed_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def speaking(data: bytes) -> Iterator[int]:
    """Give a port at which somebody says `data` to whoever connects, whatever that one says, and hangs up."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(5)

        def speak() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(data)

        threading.Thread(target=speak, daemon=True).start()
        yield listener.getsockname()[1]
