"""HTTP headers from settings: which names and values are taken. Messages tell names, never values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from callspan.errors import ConfigurationError
from callspan.guard import guard

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUES: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING: Final = ("connection", "content-encoding", "content-length", "host", "transfer-encoding")
_CREDENTIAL: Final = re.compile(r"auth|key|token|secret|passw|cookie|credential", re.IGNORECASE)
_MAX_CHARACTERS: Final = 16_384
_SHOWN_CHARACTERS: Final = 40


def checked(given: Any, field: str = "headers") -> dict[str, str]:
    """Return the headers of an argument. Raises `ConfigurationError` naming the header that cannot be sent."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(field, given, 'give a dictionary, as in {"x-api-key": "…"}')
    headers: dict[str, str] = {}
    for name, value in given.items():
        try:
            _check(name, value, headers)
        except ValueError as error:
            raise ConfigurationError(f"{field}[{_shown(name)}]", value, f"give {error}") from None
        headers[name] = value.strip()
    return headers


def read_pairs(variable: str, raw: str) -> dict[str, str]:
    """Read `name=value,name=value`, percent-encoded, from an environment variable.

    A pair that cannot be sent is left out and warned of by its name. Raises `ValueError` when none is left.
    """
    headers: dict[str, str] = {}
    for number, pair in enumerate((pair for pair in raw.split(",") if pair.strip()), 1):
        name, equals, value = (unquote(part).strip() for part in pair.partition("="))
        shown = _shown(name) if equals else f"number {number}"  # which may be a secret that lost its name
        try:
            if not equals:
                raise ValueError("name=value")  # noqa: TRY301
            _check(name, value, headers)
        except ValueError as error:
            guard.warn(f"{variable} {shown}", f"header {shown} of {variable} is left out: it needs {error}")
        else:
            headers[name] = value
    if not headers:
        raise ValueError("name=value pairs separated by commas")
    return headers


def credential_in(headers: Mapping[str, str]) -> str | None:
    """Return the name of a header that is likely to hold a secret.

    >>> credential_in({"x-project": "shop", "X-Api-Key": "…"})
    'X-Api-Key'
    """
    return next((name for name in headers if _CREDENTIAL.search(name)), None)


def _check(name: Any, value: Any, others: Mapping[str, str]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("a name of letters, digits and hyphens")
    lower = name.lower()
    if lower in _FRAMING:
        raise ValueError("another name: callspan writes this header itself")
    if any(lower == other.lower() for other in others):
        raise ValueError("each header once: names differ by more than capitals")
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        raise ValueError(f"a string of at most {_MAX_CHARACTERS} characters")
    if _NOT_IN_VALUES.search(value.strip()):
        raise ValueError("a value without line breaks and control characters")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("a value of Latin-1 characters") from None


def _shown(name: Any) -> str:
    return ascii(name[:_SHOWN_CHARACTERS]) if isinstance(name, str) else type(name).__name__
