"""WSGI: a call, and then a response that the server reads piece by piece, where each may run the application's code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from callspan.capture.propagation import take_over
from callspan.capture.scopes import ScopeBlock
from callspan.middleware.settings import header_name
from callspan.recording.carriers import pairs_of_environ

T = TypeVar("T")
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WSGIMiddleware:
    """Goes on with the trace of the caller in a request, and while its response is streamed.

    conversation: True to take over conversation, step and user from `baggage`; by default as
        `configure(propagate_conversation=...)` says.
    conversation_header: the name of a header that holds the conversation's ID, as in "x-conversation-id".
    """

    def __init__(
        self, app: WSGIApp, *, conversation: bool | None = None, conversation_header: str | None = None
    ) -> None:
        """Stand before `app`. Raises `ConfigurationError` for a name that no header can have."""
        self.app = app
        self._conversation = conversation
        self._header = header_name(conversation_header)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request."""
        headers = pairs_of_environ(environ) if type(environ) is dict else ()
        block = take_over(headers, self._conversation, self._header)
        if block is None:
            return self.app(environ, start_response)
        inside = _Inside(block)
        response = inside.run(self.app, environ, start_response)
        if isinstance(response, list | tuple) or type(response) is environ.get("wsgi.file_wrapper"):
            return response  # no code runs in there, and servers treat these in ways of their own
        return _Streamed(response, inside)


class _Inside:
    """Where the code of one request runs: each piece of it goes on in the context in which the last one ended.

    A block around each piece would not do: spans that are open from one piece to the next, such as those of a generator
    that streams an answer, would be current between the pieces, and so in the next request that the thread serves.
    """

    __slots__ = ("_context", "_get_context", "_set_context")

    def __init__(self, block: ScopeBlock) -> None:
        from callspan.recording import otel  # noqa: PLC0415 - loaded, since the switch is on

        self._get_context, self._set_context = otel.get_context, otel.set_context
        with block:
            self._context = otel.get_context()

    def run(self, step: Callable[..., T], *args: Any) -> T:
        """Call `step`, and leave the thread as it was."""
        outer = self._get_context()
        self._set_context(self._context)
        try:
            return step(*args)
        finally:
            self._context = self._get_context()
            self._set_context(outer)


class _Streamed:
    """A response each piece of which is made inside, and that is closed there."""

    __slots__ = ("_inside", "_iterator", "_response")

    def __init__(self, response: Iterable[bytes], inside: _Inside) -> None:
        self._response = response
        self._inside = inside
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._inside.run(self._piece)

    def _piece(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._response)
        return next(self._iterator)

    def close(self) -> None:
        """Close the response, as servers do when it was sent or the client went away."""
        close = getattr(self._response, "close", None)
        if close is not None:
            self._inside.run(close)
