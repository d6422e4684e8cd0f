"""Which names of keys say that their value is a credential; one judge for keys of trees and names in texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal

Verdict = Literal["secret", "token", ""]

_NAMES: Final = frozenset(  # the whole name
    """
    api_key api_keys apikey apikeys x_api_key authorization proxy_authorization cookie cookies set_cookie
    password passwords passwd pwd passphrase secret secrets client_secret secret_key secret_access_key
    access_key access_key_id private_key account_key access_token refresh_token id_token auth_token session_token
    bearer_token api_token csrf_token security_token credentials credential connection_string
    encryption_key signing_key master_key
    """.split()  # noqa: SIM905 - a list of words, not of quotation marks
)
_ENDINGS: Final = tuple(  # or its end
    """
    _api_key _apikey _authorization _cookie password passwd _pwd _passphrase _secret _secret_key _access_key
    _access_key_id _secret_access_key _private_key _account_key _subscription_key _encryption_key _signing_key
    _access_token _refresh_token _auth_token _session_token _bearer_token _api_token _security_token _credentials
    _connection_string
    """.split()  # noqa: SIM905
)
_PASSES: Final = tuple(  # as in DB_PASS; `_pass` alone ends names of much else: low_pass, tests_pass, first_pass
    f"{whose}{between}pass"
    for whose in """
    db database sql mysql mariadb pg postgres postgresql mongo mongodb redis rabbitmq amqp smtp imap mail email ftp ssh
    ldap user admin root sudo auth login account wifi keystore git registry
    """.split()  # noqa: SIM905
    for between in ("_", "")
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONG_TOKEN: Final = 16
_NAME_CHARACTERS: Final = 128
_SCHEMA_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_SCHEMA_WORDS: Final = frozenset(
    "type title description format pattern nullable readOnly writeOnly minLength maxLength minimum maximum".split()  # noqa: SIM905
)

BETWEEN: Final = rb"""[\]"'`\\*]{0,40}(?:[ ]is)?[ \t]{0,8}(?:=>|[:=])[*]{0,2}[ \t]{0,8}"""
"""What stands between a name and its value, in the texts of programs, headers, JSON and Markdown."""


def is_secret_name(key: str) -> bool:
    """Return whether a value under this key is a credential, by its name alone.

    >>> is_secret_name("X-Api-Key"), is_secret_name("clientSecret"), is_secret_name("max_tokens")
    (True, True, False)
    """
    return verdict(key) == "secret"


def verdict(key: str) -> Verdict:
    """Judge a name; "token" means that it depends on the value: tokens of models and of APIs have the same name."""
    return _judge(key if len(key) <= _NAME_CHARACTERS else key[-_NAME_CHARACTERS:])


@lru_cache(maxsize=4096)
def _judge(key: str) -> Verdict:
    name = folded(key)
    if name in _NAMES or name.endswith(_ENDINGS) or (name.endswith("pass") and name.endswith(_PASSES)):
        return "secret"
    return "token" if name == "token" or name.endswith("_token") else ""


def folded(key: str) -> str:
    """Spell a name in one way: `X-Api-Key`, `xApiKey` and `x.api.key` are all `x_api_key`."""
    return _HUMP.sub("_", key).lower().replace("-", "_").replace(" ", "_").replace(".", "_")


def is_credential(text: str, around: Iterable[Any] = ()) -> bool:
    """Tell an API's token from a model's: long, in one piece, and without a probability beside it."""
    return len(text) >= _LONG_TOKEN and " " not in text and "logprob" not in around


def is_schema(value: dict[str, Any]) -> bool:
    """Return whether what stands under the name of a secret only says what such a value looks like.

    >>> is_schema({"type": "string", "description": "at least 8 characters"})
    True
    """
    kind = value.get("type")
    return type(kind) is str and kind in _SCHEMA_TYPES and _SCHEMA_WORDS.issuperset(value)


class NameRules:
    """The judge with names of the user's: `more` are secret too, `fewer` are not, in any spelling.

    `more`, when there are any, is also a pattern that finds them in folded texts, up to the value.
    """

    def __init__(self, more: Iterable[str] = (), fewer: Iterable[str] = (), *, use_default: bool = True) -> None:
        """Take the names; without `use_default`, only `more` are secret."""
        self._more = frozenset(map(folded, more))
        self._fewer = frozenset(map(folded, fewer))
        self._use_default = use_default
        self.verdict = (
            verdict if use_default and not self._more and not self._fewer else lru_cache(4096)(self._judge_own)
        )
        self.more = _pattern(self._more) if self._more else None

    def _judge_own(self, key: str) -> Verdict:
        name = folded(key[-_NAME_CHARACTERS:])
        if name in self._more:
            return "secret"
        return "" if name in self._fewer or not self._use_default else verdict(key)


def _pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    spelled = (rb"[_. -]?".join(re.escape(word.encode()) for word in name.split("_")) for name in sorted(names))
    return re.compile(rb"(?<![a-z0-9])(" + rb"|".join(spelled) + rb")" + BETWEEN)
