"""The one HTTP transport: a body goes out, an `Answer` comes back; one attempt, of bounded time and memory.

Nothing is sent twice here but a request that met a connection which the receiver had closed in the meantime. Redirects
are not followed, cookies not kept, and what receivers send is never logged.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from callspan.exporters.addresses import Address
from callspan.exporters.headers import credential_in
from callspan.exporters.hints import Hints
from callspan.exporters.outcomes import UNUSABLE_PROXY, Answer
from callspan.exporters.tls import Tls
from callspan.forks import forks
from callspan.version import VERSION

if TYPE_CHECKING:
    from callspan.exporters.client import Client

CONNECT_TIMEOUT_S: Final = 2.0
_GZIP_LEVEL: Final = 1
_HINTS: Final = (  # by how reasons begin
    ("HTTP 3", "redirects are not followed: give the address it redirects to"),
    ("HTTP 401", "check the headers that hold the credentials"),
    ("HTTP 403", "check the headers that hold the credentials, and what they permit"),
    ("HTTP 404", "check the path"),
    ("HTTP 415", "choose another protocol or format"),
    ("TLS:", "check certificate_file= and the client certificate"),
    (
        UNUSABLE_PROXY,
        "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY has to name an http:// or https:// one; socks5:// needs httpx[socks]",
    ),
)

Compression = Literal["gzip"]


class Transport:
    """Posts bodies to one address, over connections that are kept open for the next.

    A forked child gets connections of its own. A proxy is used where `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` name
    one and `NO_PROXY` does not except the host, as with httpx.
    """

    def __init__(
        self,
        address: Address,
        *,
        headers: Mapping[str, str],
        tls: Tls,
        hints: Hints,
        timeout_s: float = 10.0,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        compression: Compression | None = None,
    ) -> None:
        """Send to `address`; nothing is connected yet, and nothing loaded but where `_load_early` says so.

        headers: sent with every request, checked before; `Authorization` wins over the userinfo of the URL.
        timeout_s: what an attempt may take in all, but for the look-up of the host's name, which nobody can bound.
        connect_timeout_s: what connecting to one address may take, and encrypting once more.
        """
        self._address = address
        self._headers = _complete(headers, address, compression)
        self._compression = compression
        self._tls = tls
        self._hints = hints
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(connect_timeout_s, timeout_s)
        self._client: Client | None = None
        self._warn_early()
        _load_early()

    def post(self, body: bytes) -> Answer:
        """Send one request and say what became of it. Raises what httpx says of an address that cannot be one."""
        content = body if self._compression is None else gzip.compress(body, _GZIP_LEVEL, mtime=0)
        answer = self._own_client().post(content)
        if answer.verdict == "rejected" or answer.reason == UNUSABLE_PROXY:
            self._warn(str(answer.reason))
        return answer

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None and client.process_id == os.getpid():
            client.close()

    def _own_client(self) -> Client:
        """Return this process' client; a parent's is left alone, since its locks may be held for ever here."""
        client = self._client
        if client is None or client.process_id != os.getpid():
            with forks.kept_off():
                from callspan.exporters.client import Client  # noqa: PLC0415 - loads httpx, in the sending thread

                client = Client(self._address, self._headers, self._tls, self._timeout_s, self._connect_timeout_s)
            self._client = client
        return client

    def _warn_early(self) -> None:
        address = self._address
        name = credential_in(self._headers)
        if name and not address.is_encrypted and not address.is_loopback:
            self._hints.once("unencrypted", f"the header {name!r} goes unencrypted to {address.shown}; use https://")
        if not self._tls.verify:
            self._hints.once("unverified", f"verify=False: whoever answers as {address.shown} gets the data")

    def _warn(self, reason: str) -> None:
        hint = next((f"; {hint}" for start, hint in _HINTS if reason.startswith(start)), "")
        self._hints.once(reason, f"{self._address.shown}: {reason}{hint}")


def _load_early() -> None:
    """Load httpx now where httpx2 is installed, as openai 3 needs it, and not later in the sending thread.

    That version of openai looks httpx up in `sys.modules` with every request, and takes one that another thread is in
    the middle of importing for a whole one: the user's request would raise AttributeError.
    """
    with suppress(Exception):  # whoever sends says what is wrong with it; here it would be raised by `configure`
        if "httpx" not in sys.modules and find_spec("httpx2") is not None:
            import callspan.exporters.client  # noqa: F401, PLC0415


def _complete(headers: Mapping[str, str], address: Address, compression: str | None) -> dict[str, str]:
    complete = {"user-agent": f"callspan/{VERSION}", "accept-encoding": "identity"}
    if address.authorization is not None:
        complete["authorization"] = address.authorization
    if compression is not None:
        complete["content-encoding"] = compression
    return {**complete, **{name.lower(): value for name, value in headers.items()}}
