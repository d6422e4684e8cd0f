"""A server for this machine that speaks the OpenAI API: real HTTP, real server-sent events, no model behind it.

    python examples/openai_server.py --port 8000

and then, for any program that uses an OpenAI client:

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=none

In a program: `with serve() as base_url: …`. Its answers come from `openai_api.py` and `word_model.py`.

A request can ask for a fault with the header `x-fault: NAME`, or `x-fault: NAME=NUMBER`; `serve(fault=…)` and `--fault`
give all requests the same one.

| name       | what happens                                                      | the number                |
|------------|-------------------------------------------------------------------|---------------------------|
| drop       | the connection ends half way through the answer                   | the first N attempts fail |
| disconnect | the connection ends before there is an answer                     | the first N attempts fail |
| malformed  | half way, the answer stops being JSON                             | the first N attempts fail |
| rate-limit | status 429, with the time to wait                                 | the first N attempts fail |
| error      | status 500                                                        | the first N attempts fail |
| slow       | a silence before the answer, half as long after each piece of it  | its seconds; 1 if unsaid  |

Attempts are counted by the header that the openai client sends with each retry (the oldest ones send none).
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from openai_api import ApiError, Json, route_of

RETRY_AFTER_MS = 50


class Fault(NamedTuple):
    """What is to go wrong with a request, and the number that goes with it."""

    name: str
    number: float | None

    @classmethod
    def read(cls, text: str) -> Fault:
        """Read `NAME` or `NAME=NUMBER`; no text is no fault. Raises `ValueError` for other names."""
        name, _, number = text.partition("=")
        if name not in ("", "drop", "disconnect", "malformed", "rate-limit", "error", "slow"):
            raise ValueError(f"there is no fault named {name!r}")
        return cls(name, float(number) if number else None)

    def on_attempt(self, attempt: int) -> Fault:
        """Return the fault, or none once it has failed often enough; `attempt` counts from 0."""
        over = self.name != "slow" and self.number is not None and attempt >= self.number
        return NO_FAULT if over else self

    @property
    def delay_s(self) -> float:
        """How long to be silent before the answer starts."""
        return (1.0 if self.number is None else self.number) if self.name == "slow" else 0.0

    def strike(self) -> None:
        """Do what this fault does before there is an answer."""
        time.sleep(self.delay_s)
        if self.name == "disconnect":
            raise ConnectionAbortedError
        if self.name == "error":
            raise ApiError(500, "The server had an error while processing your request.")
        if self.name == "rate-limit":
            wait = {"retry-after": "1", "retry-after-ms": str(RETRY_AFTER_MS)}
            raise ApiError(429, "Rate limit reached.", code="rate_limit_exceeded", headers=wait)


NO_FAULT = Fault("", None)


class Server(ThreadingHTTPServer):
    """A thread per connection; connections still open do not keep the program alive."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, fault: Fault) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        self.fault = fault
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def base_url(self) -> str:
        """What belongs into OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # each event leaves at once

    def handle(self) -> None:
        """Answer requests until the client goes, which it may do at any time."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        """Answer one request."""
        try:
            request, fault = self._read()
            answer = route_of(self.command, self.path)(request)
            fault.strike()
        except ApiError as error:
            self._send_json(error.status, error.body, headers=error.headers)
        else:
            if isinstance(answer, dict):
                self._send_json(200, answer, fault)
            else:
                self._send_events(answer, fault)

    do_GET = do_POST  # noqa: N815 - the name http.server looks for

    def _read(self) -> tuple[Json, Fault]:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        named = self.headers.get("x-fault")
        try:
            fault = self.server.fault if named is None else Fault.read(named)
            fault = fault.on_attempt(int(self.headers.get("x-stainless-retry-count", 0)))
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError(400, f"We could not read your request: {error}.") from None
        if not isinstance(request, dict):
            raise ApiError(400, "The body must be a JSON object.")
        return request, fault

    def _send_json(self, status: int, tree: Json, fault: Fault = NO_FAULT, headers: Json | None = None) -> None:
        data = json.dumps(tree).encode()
        if fault.name == "malformed":
            data = data[: len(data) // 2]
        self._send_head(status, {"content-type": "application/json", "content-length": len(data), **(headers or {})})
        if fault.name == "drop":
            data = data[: len(data) // 2]
            self.close_connection = True
        self.wfile.write(data)

    def _send_events(self, events: Iterator[Json], fault: Fault) -> None:
        """Send server-sent events, each as one chunk of the body."""
        lines = [*map(json.dumps, events), "[DONE]"]
        half = len(lines) // 2
        if fault.name == "malformed":
            lines[half] = lines[half][:20]
        self._send_head(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        for line in lines[:half] if fault.name == "drop" else lines:
            data = f"data: {line}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            time.sleep(fault.delay_s / 2)
        if fault.name == "drop":
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, status: int, headers: Json) -> None:
        self.send_response(status)
        for name, value in {"x-request-id": f"req_{uuid.uuid4().hex}", **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve(port: int = 0, fault: str = "") -> Iterator[str]:
    """Serve in the background and yield the base URL; port 0 takes a free one."""
    with Server(port, Fault.read(fault)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.base_url
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server for trying things out.")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 takes a free one")
    parser.add_argument(
        "--fault",
        type=Fault.read,
        default=NO_FAULT,
        help="drop, disconnect, malformed, rate-limit, error or slow, for every request",
    )
    options = parser.parse_args()
    with Server(options.port, options.fault) as server:
        print(f"Serving {server.base_url} until you press Ctrl+C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
