"""The real openai client over a transport without a network, and the answers it gets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import openai

http: Any = sys.modules["httpx2"] if hasattr(openai._base_client, "httpx2") else sys.modules["httpx"]

HELLO = [{"role": "user", "content": "Hello"}]
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def completion(content: Any = "Hi there", **changes: Any) -> dict[str, Any]:
    """Return a chat completion."""
    message = {"role": "assistant", "content": content, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        **changes,
    }


def chunk(delta: Any = None, *, index: int = 0, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return a chunk of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_1",
        "choices": [{"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish}],
        **changes,
    }


def text_chunks(*texts: str) -> list[dict[str, Any]]:
    """Return the chunks of an answer of these pieces."""
    opening = chunk({"role": "assistant", "content": "", "refusal": None})
    return [opening, *(chunk({"content": text}) for text in texts), chunk(finish="stop")]


class Lines:
    """Server-sent events as a body; notes how many pieces were asked for."""

    def __init__(self, chunks: Any, *, error: Exception | None = None, done: bool = True) -> None:
        self.pieces = [f"data: {json.dumps(one)}\n\n".encode() for one in chunks]
        self.pieces += [b"data: [DONE]\n\n"] if done else []
        self.error = error
        self.asked = 0

    def read(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.asked += 1
            yield piece
        if self.error is not None:
            raise self.error

    async def read_async(self) -> AsyncIterator[bytes]:
        for piece in self.read():
            await asyncio.sleep(0)
            yield piece


class Answer(NamedTuple):
    """An answer with a status and headers: a tree, bytes, or `Lines`."""

    content: Any
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to

    def response(self, *, is_async: bool) -> Any:
        """Make the response."""
        content, kind = self.content, "application/json"
        if isinstance(content, Lines):
            content, kind = (content.read_async() if is_async else content.read()), "text/event-stream"
        elif not isinstance(content, bytes):
            content = json.dumps(content).encode()
        return http.Response(
            self.status, headers={"content-type": kind, "x-request-id": "req_1", **self.headers}, content=content
        )


def _transport(answer: Any, *, is_async: bool) -> Any:
    def respond(given: Any) -> Any:
        return (given if isinstance(given, Answer) else Answer(given)).response(is_async=is_async)

    def handle(request: Any) -> Any:
        return respond(answer(request) if callable(answer) else answer)

    async def handle_async(request: Any) -> Any:
        given = answer(request) if callable(answer) else answer
        return respond(await given if asyncio.iscoroutine(given) else given)

    return http.MockTransport(handle_async if is_async else handle)


def client(answer: Any, kind: Any = openai.OpenAI, **options: Any) -> Any:
    """Return a client that always gets this answer; a callable is asked for it with the request."""
    transport = _transport(answer, is_async=False)
    return kind(http_client=http.Client(transport=transport), **{"api_key": "none", "max_retries": 0, **options})


def async_client(answer: Any, kind: Any = openai.AsyncOpenAI, **options: Any) -> Any:
    """Return an asynchronous client, as `client` does; the callable may be a coroutine function."""
    transport = _transport(answer, is_async=True)
    return kind(http_client=http.AsyncClient(transport=transport), **{"api_key": "none", "max_retries": 0, **options})
