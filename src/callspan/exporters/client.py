"""The part of httpx that is needed, and the connections of one process.

httpx' own client, which stands above this part, would follow redirects, keep cookies and log the URL with its query.
Imported by `transport` when it first sends, since httpx loads a lot.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from callspan.exporters.addresses import Address
from callspan.exporters.network import Attempt, BoundedBackend
from callspan.exporters.outcomes import UNUSABLE_PROXY, Answer, of_error, of_response
from callspan.exporters.tls import Tls

_KEEPALIVE_S: Final = 30.0


class Client:
    """Posts to one address. `process_id` is that of the process that may use it."""

    def __init__(
        self, address: Address, headers: Mapping[str, str], tls: Tls, timeout_s: float, connect_timeout_s: float
    ) -> None:
        """Load what is needed to encrypt; connect nowhere yet."""
        self.process_id: Final = os.getpid()
        self._url = httpx.URL(address.url)
        # As bytes, since httpx itself takes texts for ASCII.
        self._headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
        self._timeout_s = timeout_s
        self._timeouts = {"connect": connect_timeout_s, "read": timeout_s, "write": timeout_s, "pool": timeout_s}
        self._attempt = Attempt()
        self._transport = _transport(address, tls.context() if address.is_encrypted else _no_trust())
        if self._transport is not None:
            bound(self._transport, self._attempt)

    def post(self, content: bytes) -> Answer:
        """Send one request; once more, on a new connection, when the one at hand turns out to be closed."""
        self._attempt.begin(self._timeout_s)
        if self._transport is None:
            return Answer("retry", UNUSABLE_PROXY)
        try:
            return self._exchange(self._transport, content)
        except httpx.TransportError as error:
            if self._attempt.has_connected or not isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
                return of_error(error)
        # The receiver had closed the connection while it was idle, which says nothing of how it is now.
        try:
            return self._exchange(self._transport, content)
        except httpx.TransportError as error:
            return of_error(error)

    def _exchange(self, transport: httpx.HTTPTransport, content: bytes) -> Answer:
        timeouts = {"timeout": self._timeouts}
        request = httpx.Request("POST", self._url, headers=self._headers, content=content, extensions=timeouts)
        with closing(transport.handle_request(request)) as response:
            return of_response(response)

    def close(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            self._transport.close()


def bound(transport: httpx.HTTPTransport, attempt: Attempt) -> None:
    """Put the deadline below the transport. httpx has no parameter for it; without, every step is timed by itself."""
    pool: Any = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if backend is not None:
        pool._network_backend = BoundedBackend(backend, attempt)  # noqa: SLF001


def _transport(address: Address, context: ssl.SSLContext) -> httpx.HTTPTransport | None:
    """Return the part of httpx that sends; None where the proxy to use is none, or needs what is not installed."""
    try:
        proxy = _proxy_for(address)
        return httpx.HTTPTransport(verify=context, limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_S), proxy=proxy)
    except (ImportError, ValueError, httpx.InvalidURL):
        return None


def _no_trust() -> ssl.SSLContext:
    """Return a context that trusts nobody: for addresses that are not encrypted, and made in no time."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy_for(address: Address) -> httpx.Proxy | None:
    proxies = getproxies_environment()
    url = proxies.get("https" if address.is_encrypted else "http") or proxies.get("all")
    if not url or proxy_bypass(address.host) or proxy_bypass(urlsplit(address.url).netloc):
        return None
    return httpx.Proxy(url if "://" in url else f"http://{url}")
