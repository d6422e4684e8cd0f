"""A route that takes feedback from a browser: `uvicorn feedback_route:app`, with no framework below it.

The page that showed an answer keeps the `traceparent` that came with it, and sends it back with what the user thinks:

    await fetch("/feedback", {method: "POST", body: JSON.stringify({traceparent, name: "helpful", score: 1, comment})})

A request that cannot be meant is answered with 400 and the reason. Whoever may call this route can write feedback on
any trace whose ID they know: put it behind what protects the rest of your site.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import callspan

LONGEST_BYTES = 16_384
FIELDS = {"name", "score", "label", "comment", "traceparent", "idempotency_key"}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer `POST /feedback`."""
    if scope["type"] != "http":
        return
    if (scope["method"], scope["path"]) != ("POST", "/feedback"):
        await answer(send, 404, "there is only POST /feedback")
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LONGEST_BYTES:
            await answer(send, 413, f"at most {LONGEST_BYTES} bytes")
            return
        if not message.get("more_body"):
            break
    await answer(send, *take(body))


def take(body: bytes) -> tuple[int, str]:
    """Record the feedback; return the status and what to say."""
    try:
        told = json.loads(body)
        given = {key: told[key] for key in FIELDS if told.get(key) is not None}
        callspan.feedback(**given)
    except (ValueError, TypeError, AttributeError) as error:  # a ConfigurationError is a ValueError
        return 400, str(error)
    return 202, "thank you"


async def answer(send: Send, status: int, text: str) -> None:
    """Send a short text."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
