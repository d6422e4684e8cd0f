"""ASGI: a request is one call, which lasts until the response has been sent to its last byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from callspan.capture.propagation import take_over
from callspan.middleware.settings import header_name

ASGIScope = MutableMapping[str, Any]
ASGIApp = Callable[[ASGIScope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[Any]]


class ASGIMiddleware:
    """Goes on with the trace of the caller in HTTP requests and web sockets, streamed responses included.

    conversation: True to take over conversation, step and user from `baggage`; by default as
        `configure(propagate_conversation=...)` says.
    conversation_header: the name of a header that holds the conversation's ID, as in "x-conversation-id".
    """

    def __init__(
        self, app: ASGIApp, *, conversation: bool | None = None, conversation_header: str | None = None
    ) -> None:
        """Stand before `app`. Raises `ConfigurationError` for a name that no header can have."""
        self.app = app
        self._conversation = conversation
        self._header = header_name(conversation_header)

    async def __call__(
        self, scope: ASGIScope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
    ) -> None:
        """Serve a request."""
        headers = scope.get("headers")
        block = take_over(headers, self._conversation, self._header) if headers else None
        if block is None:
            await self.app(scope, receive, send)
            return
        with block:
            await self.app(scope, receive, send)
