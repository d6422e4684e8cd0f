"""The one gate that every span passes before any exporter, log or file sees it; fails closed.

Credentials are recognised by the names of keys, anywhere in a tree. Values are replaced, never removed, so that one
sees that something was there, and counted on the span.
"""

from __future__ import annotations

import re
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, Literal

from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.model.resource import Resource
from callspan.model.span import Event, Link, Span

REDACTED: Final = "[redacted]"

_NAMES: Final = frozenset(  # the whole name
    """
    api_key api_keys apikey apikeys x_api_key authorization proxy_authorization cookie cookies set_cookie
    password passwords passwd pwd passphrase secret secrets client_secret secret_key secret_access_key
    access_key access_key_id private_key access_token refresh_token id_token auth_token session_token bearer_token
    api_token csrf_token security_token credentials credential connection_string dsn
    """.split()  # noqa: SIM905 - a list of words, not of quotation marks
)
_ENDINGS: Final = tuple(  # or its end
    """
    _api_key _apikey _authorization _cookie _password _passwd _passphrase _secret _secret_key _access_key _access_key_id
    _secret_access_key _private_key _subscription_key _access_token _refresh_token _auth_token _session_token
    _bearer_token _api_token _security_token _credentials _connection_string
    """.split()  # noqa: SIM905
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONG_TOKEN: Final = 16
_NAME_CHARACTERS: Final = 128
_MOST_VERDICTS: Final = 4096
_SCHEMAS: Final = ("tool", "tool_definitions")
_SCHEMA_VALUES: Final = ("default", "example", "examples", "const", "enum")

Verdict = Literal["secret", "token", ""]


def is_secret_name(key: str) -> bool:
    """Return whether a value under this key is a credential, by its name alone.

    >>> is_secret_name("X-Api-Key"), is_secret_name("clientSecret"), is_secret_name("max_tokens")
    (True, True, False)
    """
    return _verdict(key) == "secret"


def _verdict(key: str) -> Verdict:
    """Judge a name; "token" means that it depends on the value: tokens of models and of APIs have the same name."""
    key = key[-_NAME_CHARACTERS:]
    verdict = _verdicts.get(key)
    if verdict is None:
        name = _HUMP.sub("_", key).lower().replace("-", "_").replace(" ", "_").replace(".", "_")
        if name in _NAMES or name.endswith(_ENDINGS):
            verdict = "secret"
        else:
            verdict = "token" if name == "token" or name.endswith("_token") else ""
        if len(_verdicts) >= _MOST_VERDICTS:
            _verdicts.clear()
        _verdicts[key] = verdict
    return verdict


_verdicts: Final[dict[str, Verdict]] = {}  # of names seen before; looked at without a call where names are many


def redact(span: Span) -> None:
    """Pass the facts of a span through the gate; what cannot be checked is replaced as a whole."""
    facts = span.facts
    assert facts is not None
    for field, value in zip(_CHECKED, _values_of(facts), strict=True):
        if value:
            _pass(facts, facts, field, value, has_schemas=field in _SCHEMAS)
    for told in (*(span.events or ()), *(span.links or ())):
        if told.attributes:
            _pass(facts, told, "attributes", told.attributes)


def redact_resource(resource: Resource) -> Resource:
    """Return the resource as it may be sent."""
    attributes = {**resource.attributes}
    _clean_mapping(attributes)
    return Resource(attributes)


_CHECKED: Final = tuple(
    field.name for field in fields(Facts) if field.name not in ("usage", "truncated", "redacted_count")
)
_values_of: Final = attrgetter(*_CHECKED)


def _pass(facts: Facts, holder: Facts | Event | Link, field: str, value: Any, *, has_schemas: bool = False) -> None:
    try:
        facts.redacted_count += _clean(value, has_schemas=has_schemas)
    except Exception as error:  # noqa: BLE001 - fail closed: the value goes, the span stays
        setattr(holder, field, _replacement(value))
        facts.redacted_count += 1
        guard.note("the redaction gate", error)


def _replacement(value: Any) -> Any:
    """Return what stands for a field that could not be checked, of a type that its readers expect."""
    if isinstance(value, dict):
        return {"value": REDACTED}
    return [] if isinstance(value, list) else REDACTED if isinstance(value, str) else None


def _clean(tree: Any, *, has_schemas: bool = False) -> int:
    """Redact in place, in a tree of our own; return how many values were replaced."""
    kind = type(tree)
    if kind is dict:
        return _clean_mapping(tree, has_schemas=has_schemas)
    if kind is list:
        count = 0
        for item in tree:
            inner = type(item)
            if inner is not str and inner is not float and inner is not int:
                count += _clean(item, has_schemas=has_schemas)
        return count
    slots = getattr(kind, "__slots__", ())  # prompts and tools are small dataclasses of ours
    return sum(_clean(getattr(tree, slot), has_schemas=has_schemas) for slot in slots)


def _clean_mapping(tree: dict[str, Any], *, has_schemas: bool = False) -> int:
    count = 0
    for key, value in tree.items():
        kind = type(value)
        verdict = _verdicts.get(key)
        if verdict is None:
            verdict = _verdict(key)
        if verdict and _is_secret(verdict, value, kind, tree):
            if kind is not str or value != REDACTED:  # what comes back from a spool has been here before
                tree[key] = REDACTED
                count += 1
        elif kind is list:
            for item in value:
                inner = type(item)
                if inner is dict:
                    count += _clean_mapping(item, has_schemas=has_schemas)
                elif inner is not str and inner is not float and inner is not int:
                    count += _clean(item, has_schemas=has_schemas)
        elif kind is dict:
            if has_schemas and key == "properties":
                count += _clean_parameters(value)
            else:
                count += _clean_mapping(value, has_schemas=has_schemas)
    return count


def _is_secret(verdict: Verdict, value: Any, kind: type, around: dict[str, Any]) -> bool:
    """Return whether a value is a credential, where its name says that it may be one."""
    if verdict == "secret":
        return kind is not bool and (bool(value) or kind is int or kind is float)
    return kind is str and _is_credential(value, around)


def _clean_parameters(properties: dict[str, Any]) -> int:
    """Clean the properties of a JSON schema: a parameter named `password` is no password, its default may be one."""
    count = 0
    for name, schema in properties.items():
        if type(schema) is not dict:
            alone = {name: schema}
            count += _clean_mapping(alone)
            properties[name] = alone[name]
            continue
        if is_secret_name(name):
            for key in _SCHEMA_VALUES:
                if key in schema:
                    schema[key] = REDACTED
                    count += 1
        count += _clean_mapping(schema, has_schemas=True)
    return count


def _is_credential(text: str, around: dict[str, Any]) -> bool:
    """Tell an API's token from a model's: long, in one piece, and without a probability beside it."""
    return len(text) >= _LONG_TOKEN and " " not in text and "logprob" not in around
