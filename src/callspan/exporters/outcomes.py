"""What became of a request: an HTTP response, or the failure to get one, as an `Answer`."""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES: Final = 4 * 1_048_576
_DRAINED_BYTES: Final = 65_536
_RETRYABLE: Final = (429, 502, 503, 504)
_NO_ENCODING: Final = ("", "identity")
_ENCODINGS: Final = ("gzip", "x-gzip", "deflate")
_ANY_ZLIB: Final = zlib.MAX_WBITS + 32  # tells gzip from deflate by itself

UNUSABLE_PROXY: Final = "the proxy cannot be used"

Verdict = Literal["taken", "retry", "rejected", "too large"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    "retry" when it may be taken later, no sooner than `retry_after_s` where the receiver named a time; "too large" when
    a smaller one may be taken. `reason` says why it was not taken, in constant words that are safe to tell. `body` is
    that of a "taken" one, None where it could not be read.
    """

    verdict: Verdict
    reason: str | None = None
    retry_after_s: float | None = None
    content_type: str = ""
    body: bytes | None = b""


class _TooLongError(Exception):
    """An answer is longer than anybody needs."""


def of_response(response: httpx.Response) -> Answer:
    """Judge a response by its status, and read it as far as it is of use; the caller closes it.

    2xx is taken, however the body ends, unless that is larger than 4 MiB: OTLP wants such answers to be failures. Of
    all others only the codes that OTLP names are worth a retry; redirects are not.
    """
    status = response.status_code
    if 200 <= status < 300:
        try:
            body = _body(response)
        except _TooLongError:
            return Answer("rejected", "answer above 4 MiB")
        return Answer("taken", content_type=response.headers.get("content-type", ""), body=body)
    _drain(response)
    if status in _RETRYABLE:
        return Answer("retry", f"HTTP {status}", retry_after_s(response.headers))
    return Answer("too large" if status == 413 else "rejected", f"HTTP {status}")


def of_error(error: httpx.TransportError) -> Answer:
    """Judge a request that got no response: worth a retry, unless the receiver's certificate or ours is no good."""
    import ssl  # noqa: PLC0415 - loaded with httpx, which brought the error

    import httpx  # noqa: PLC0415

    if isinstance(error, httpx.TimeoutException):
        return Answer("retry", "no connection in time" if isinstance(error, httpx.ConnectTimeout) else "timed out")
    if isinstance(error, httpx.ProxyError):
        return Answer("retry", "refused by the proxy")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
                break
            told = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else cause.reason
            return Answer("rejected", f"TLS: {told or 'handshake failed'}")
        if isinstance(cause, socket.gaierror):
            return Answer("retry", "host name not found")
        if isinstance(cause, OSError) and cause.errno is not None:
            return Answer("retry", os.strerror(cause.errno).lower())
    return Answer("retry", "connection broke off")


def retry_after_s(headers: httpx.Headers) -> float | None:
    """Return how long a receiver wants to be left alone; None where it does not say so in a form that can be meant.

    A date counts from the receiver's own clock where it tells that too; one in the past is none.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
        return seconds if seconds < float("inf") else None
    until, now = _date(text), _date(headers.get("date", ""))
    if until is None:
        return None
    wait_s = until - (time.time() if now is None else now)
    return wait_s if wait_s > 0 else None


def _date(text: str) -> float | None:
    from datetime import timezone  # noqa: PLC0415 - rarely needed, both
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    with suppress(ValueError, TypeError, IndexError, OverflowError):  # whatever stands there, it is the receiver's
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp()
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _body(response: httpx.Response) -> bytes | None:
    """Read the body, unpacked; None when it cannot be, or breaks off, or takes too long."""
    import httpx  # noqa: PLC0415

    encoding = response.headers.get("content-encoding", "").strip().lower()
    body = bytearray()
    try:
        for piece in _pieces(response) if encoding in _NO_ENCODING else _unpacked(response, encoding):
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise _TooLongError
    except (httpx.TransportError, zlib.error):
        return None
    return bytes(body)


def _unpacked(response: httpx.Response, encoding: str) -> Iterator[bytes]:
    """Unpack in small pieces, so that a small body that unpacks to gigabytes is never held."""
    unpacker = zlib.decompressobj(_ANY_ZLIB)
    is_empty = True
    for packed in _pieces(response):
        if encoding not in _ENCODINGS:
            raise zlib.error(encoding)
        is_empty, rest = False, packed
        while rest:
            yield unpacker.decompress(rest, _DRAINED_BYTES)
            rest = unpacker.unconsumed_tail
    if not is_empty and not unpacker.eof:
        raise zlib.error("broke off")


def _pieces(response: httpx.Response, most_bytes: int = MAX_ANSWER_BYTES) -> Iterator[bytes]:
    """Read the body as it stands on the wire."""
    total = 0
    for piece in cast("Iterable[bytes]", response.stream):  # of a transport that is synchronous
        total += len(piece)
        if total > most_bytes:
            raise _TooLongError
        yield piece


def _drain(response: httpx.Response) -> None:
    """Read a short body, which nobody looks at, so that the connection may serve again."""
    import httpx  # noqa: PLC0415

    with suppress(httpx.TransportError, _TooLongError):
        for _ in _pieces(response, _DRAINED_BYTES):
            pass
