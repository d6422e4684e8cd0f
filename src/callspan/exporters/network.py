"""The network below httpx, with one deadline for a whole attempt.

httpx and httpcore time every read, write and connect by itself, so an answer that drips, or a host with many dead
addresses, could hold a thread for hours. Imported by `transport` when it first sends, since httpcore loads a lot.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - else the first look-up of a name loads it, and a fork may cut that in half
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

import httpcore

_WRITE_BYTES: Final = 65_536


class Attempt(threading.local):
    """What the attempt that runs in this thread may still take, and whether it had to open a connection."""

    deadline: float = math.inf
    has_connected: bool = False

    def begin(self, timeout_s: float) -> None:
        """Start an attempt that ends `timeout_s` from now."""
        self.deadline = time.monotonic() + timeout_s
        self.has_connected = False

    def limit(self, timeout_s: float | None, error: type[httpcore.TimeoutException]) -> float:
        """Return how long one step may wait. Raises `error` when nothing is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise error("the attempt took too long")
        return left if timeout_s is None else min(timeout_s, left)


class BoundedBackend(httpcore.NetworkBackend):
    """Opens connections that keep to the attempt's deadline; tries the addresses of a host one by one."""

    def __init__(self, backend: httpcore.NetworkBackend, attempt: Attempt) -> None:
        """Open them with `backend`."""
        self._backend = backend
        self._attempt = attempt

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> BoundedStream:
        """Connect to the first address that answers. Only the name look-up knows no timeout: none has one."""
        self._attempt.has_connected = True
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            try:
                left = self._attempt.limit(timeout, httpcore.ConnectTimeout)
                stream = self._backend.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return BoundedStream(stream, self._attempt)
        raise failure


class BoundedStream(httpcore.NetworkStream):
    """A connection whose reads and writes keep to the attempt's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, attempt: Attempt) -> None:
        """Use `stream`."""
        self._stream = stream
        self._attempt = attempt

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, at most `max_bytes`."""
        return self._stream.read(max_bytes, self._attempt.limit(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write everything, a piece at a time: a receiver that hardly reads is noticed between two."""
        for start in range(0, len(buffer), _WRITE_BYTES):
            piece = buffer[start : start + _WRITE_BYTES]
            self._stream.write(piece, self._attempt.limit(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> BoundedStream:
        """Encrypt from here on."""
        left = self._attempt.limit(timeout, httpcore.ConnectTimeout)
        return BoundedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._attempt)

    def get_extra_info(self, info: str) -> Any:
        """Tell of the connection below."""
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(error) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
