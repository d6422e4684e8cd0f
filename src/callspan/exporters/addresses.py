"""URLs that spans are sent to: which are taken, what of them may be told, and what goes out unencrypted."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from callspan.errors import ConfigurationError

_MAX_CHARACTERS: Final = 8192
_NETLOC: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d*)?")
_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to send to.

    `url` has neither userinfo nor fragment, `shown` has no query either and is safe to print; `authorization` is the
    header that the userinfo stands for.
    """

    url: str = field(repr=False)
    shown: str
    host: str
    is_encrypted: bool
    authorization: str | None = field(default=None, repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        from ipaddress import ip_address  # noqa: PLC0415 - rarely needed

        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str) -> Address:
    """Read a URL. Raises `ValueError` saying what is needed, never what was given.

    >>> parse("https://me:secret@example.com/v1/traces?key=1").shown
    'https://***@example.com/v1/traces?***'
    """
    parts = _split(text)
    host = parts.hostname or ""
    netloc = _without_user(parts)
    told = f"{_HIDDEN}@{netloc}" if "@" in parts.netloc else netloc
    return Address(
        url=urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, "")),
        shown=urlunsplit((parts.scheme, told, parts.path, _HIDDEN if parts.query else "", "")),
        host=host,
        is_encrypted=parts.scheme == "https",
        authorization=_basic(parts),
    )


def checked(given: Any, name: str) -> Address:
    """Read a URL that was given as the argument `name`. Raises `ConfigurationError`."""
    try:
        if not isinstance(given, str):
            raise ValueError("an http:// or https:// URL")  # noqa: TRY004, TRY301
        return parse(given.strip())
    except ValueError as error:
        raise ConfigurationError(name, given, f"give {error}") from None


def has_path(url: str) -> bool:
    """Return whether a URL says more than the host."""
    return urlsplit(url).path not in ("", "/")


def below(url: str, path: str) -> str:
    """Append `path` to the path of a URL, before its query.

    >>> below("http://collector:4318/otlp/?a=1", "v1/traces")
    'http://collector:4318/otlp/v1/traces?a=1'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


def _split(text: str) -> SplitResult:
    if len(text) > _MAX_CHARACTERS or not text.isprintable() or " " in text:
        raise ValueError(f"a URL without spaces and control characters, of at most {_MAX_CHARACTERS} characters")
    try:
        parts = urlsplit(text)
        is_sound = _is_host(parts.hostname or "") and parts.port != 0 and _NETLOC.fullmatch(_without_user(parts))
    except ValueError:
        is_sound = None
    if text[:8].lower().partition("://")[0] not in ("http", "https"):
        raise ValueError("a URL that starts with http:// or https://")
    if not is_sound:
        raise ValueError("a URL with a valid host and port")
    return parts


def _is_host(host: str) -> bool:
    """Return whether an address of the network, or a name, can be that; httpx would find out when it sends."""
    from ipaddress import ip_address  # noqa: PLC0415 - rarely needed

    if ":" in host or host.replace(".", "").isdecimal():
        return bool(ip_address(host))
    return bool(host.encode("idna"))


def _without_user(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _basic(parts: SplitResult) -> str | None:
    if "@" not in parts.netloc:
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
