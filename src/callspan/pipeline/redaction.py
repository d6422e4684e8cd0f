"""The one gate that every span passes before any exporter, log or file sees it; fails closed.

Credentials are recognised by the names of keys, anywhere in a tree. Values are replaced, never removed, so that one
sees that something was there, and counted on the span.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final

from callspan.guard import guard
from callspan.model.facts import MISSING, Facts
from callspan.model.span import Span

REDACTED: Final = "[redacted]"

_NAMES: Final = frozenset(
    """
    api_key apikey x_api_key openai_api_key authorization proxy_authorization x_auth_token cookie set_cookie cookies
    password passwd pwd passphrase secret secrets client_secret secret_key secret_access_key aws_secret_access_key
    access_key access_key_id private_key access_token refresh_token id_token auth_token session_token bearer_token
    api_token csrf_token credentials credential connection_string dsn
    """.split()
)
_ENDINGS: Final = ("_api_key", "_apikey", "_password", "_passwd", "_secret", "_private_key", "_access_token", "_credentials")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONG_TOKEN: Final = 16


@lru_cache(maxsize=4096)
def is_secret_name(key: str) -> bool:
    """Return whether a value under this key is a credential, by its name alone.

    >>> is_secret_name("X-Api-Key"), is_secret_name("clientSecret"), is_secret_name("max_tokens")
    (True, True, False)
    """
    name = _HUMP.sub("_", key[:128]).lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    return name in _NAMES or name.endswith(_ENDINGS)


def redact(span: Span) -> None:
    """Pass the facts of a span through the gate; what cannot be checked is replaced as a whole."""
    facts = span.facts
    assert facts is not None
    for field in _CHECKED:
        value = getattr(facts, field)
        if value is None or value is MISSING or not value:
            continue
        try:
            facts.redacted_count += _clean(value)
        except Exception as error:  # noqa: BLE001 - fail closed: the value goes, the span stays
            guard.note("the redaction gate", error)
            setattr(facts, field, _replacement(value))
            facts.redacted_count += 1
    for event in (*(span.events or ()), *(span.links or ())):
        facts.redacted_count += _clean(event.attributes)


_CHECKED: Final = tuple(field.name for field in fields(Facts) if field.name not in ("usage", "truncated", "redacted_count"))


def _replacement(value: Any) -> Any:
    return {"value": REDACTED} if isinstance(value, dict) else [] if isinstance(value, list) else REDACTED


def _clean(tree: Any) -> int:
    """Redact in place, in a tree of our own; return how many values were replaced."""
    kind = type(tree)
    if kind is dict:
        return _clean_mapping(tree)
    count = 0
    if kind is list:
        for item in tree:
            inner = type(item)
            if inner is dict or inner is list:
                count += _clean(item)
    elif kind is not str and kind is not int and kind is not float and kind is not bool:
        for name in getattr(kind, "__slots__", ()):  # prompts and tools: small dataclasses of ours
            inner_value = getattr(tree, name)
            if isinstance(inner_value, dict | list):
                count += _clean(inner_value)
    return count


def _clean_mapping(tree: dict[str, Any]) -> int:
    count = 0
    for key, value in tree.items():
        kind = type(value)
        if is_secret_name(key) and value is not None and kind is not bool and value != "":
            tree[key] = REDACTED
            count += 1
        elif kind is dict or kind is list:
            count += _clean(value)
        elif key == "token" and kind is str and len(value) >= _LONG_TOKEN and " " not in value:
            tree[key] = REDACTED
            count += 1
    return count
