"""A model server for judges that behaves as badly as told: an OpenAI-compatible endpoint on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], Any]
"""Status, headers and body; None as the status breaks the connection."""


def verdict(label: str, explanation: str = "because") -> Answer:
    """Answer with a verdict, as a model does."""
    return said(json.dumps({"explanation": explanation, "label": label}))


def said(text: str, prompt_tokens: int = 50, completion_tokens: int = 10) -> Answer:
    """Answer with any text."""
    message = {"role": "assistant", "content": text}
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "judge-1", "choices": [choice]}
    return 200, {}, {**body, "usage": usage}


class JudgeServer:
    """Answers request after request with what `answer(number, request)` returns; keeps the requests."""

    def __init__(self, answer: Callable[[int, dict[str, Any]], Answer | None]) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self.url = ""

    def take(self, request: dict[str, Any]) -> Answer | None:
        with self._lock:
            self.requests.append(request)
            number = len(self.requests) - 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(number, request)
        finally:
            with self._lock:
                self._at_once -= 1


@contextmanager
def serve(answer: Callable[[int, dict[str, Any]], Answer | None]) -> Iterator[JudgeServer]:
    """Run a server while the block runs."""
    judge = JudgeServer(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = judge.take(request)
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    judge.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
