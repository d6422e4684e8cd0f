"""A receiver of OTLP over HTTP in a process of its own: it takes everything at once, and counts when it is asked.

`POST` anything is kept and answered with 200; `GET /counts` tells `{"spans": …, "bytes": …}` of what came since the
last time, and forgets it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Handler(BaseHTTPRequestHandler):
    """Keeps bodies."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []  # noqa: RUF012 - of the process, which is the receiver

    def do_POST(self) -> None:
        """Take a request."""
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self._answer(b"", "application/x-protobuf")

    def do_GET(self) -> None:
        """Tell what came."""
        bodies, Handler.bodies[:] = [*self.bodies], []
        told = {"spans": sum(map(spans_in, bodies)), "bytes": sum(map(len, bodies))}
        self._answer(json.dumps(told).encode(), "application/json")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def spans_in(body: bytes) -> int:
    """Count the spans of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


class Receiver:
    """The process. `url` is its address."""

    def __enter__(self) -> Receiver:  # noqa: PYI034 - nobody derives from it
        """Start it."""
        command = [sys.executable, "-m", "benchmarks.receiver"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()

    def counts(self) -> tuple[int, int]:
        """Return spans and bytes since this was last asked."""
        with urllib.request.urlopen(f"{self.url}/counts", timeout=60) as answer:
            told = json.load(answer)
        return told["spans"], told["bytes"]


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
