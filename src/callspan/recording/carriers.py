"""Headers that carry a trace and its conversation from one process to another: W3C Trace Context and W3C Baggage.

They come from outside: whatever is too long, garbled or there twice counts as not there, and nothing of it is logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

_CONVERSATION: Final = "gen_ai.conversation.id"
_STEP: Final = "callspan.conversation.step"
_USER: Final = "user.id"
_OURS: Final = (_CONVERSATION, _STEP, _USER)

NAMES: Final = ("traceparent", "tracestate", "baggage")

_LONGEST: Final = {"traceparent": 256, "tracestate": 4096, "baggage": 8192}
_MOST_HEADERS: Final = 1000
_MOST_MEMBERS: Final = 180
_LONGEST_ID: Final = 512
_MOST_DIGITS: Final = 9


class Carried(NamedTuple):
    """What baggage says of a conversation; what is unknown is None."""

    conversation_id: str | None = None
    step: int | None = None
    user_id: str | None = None


def read_headers(headers: Any, also: str | None = None) -> dict[str, str]:
    """Return those of the three headers, and of one that is named in small letters, that can be used.

    `headers` is a mapping, or an iterable of pairs; names and values are `str` or `bytes`.
    """
    longest = _LONGEST if also is None else {also: _LONGEST_ID, **_LONGEST}
    pairs = headers.items() if isinstance(headers, Mapping) or hasattr(type(headers), "items") else headers
    found: dict[str, str] = {}
    for name, value in islice(pairs, _MOST_HEADERS):
        key, text = _text(name).lower(), _text(value)
        if key not in longest:
            continue
        if key in found:  # lists go on, but two parents are none
            text = f"{found[key]},{text}" if key in ("tracestate", "baggage") else ""
        found[key] = text
    return {key: text for key, text in found.items() if 0 < len(text) <= longest[key]}


def read_baggage(baggage: str) -> Carried:
    """Return what a baggage header says of the conversation; values that cannot be meant are left out.

    >>> read_baggage("team=7, gen_ai.conversation.id=c%2042;ttl=1, callspan.conversation.step=3, user.id=")
    Carried(conversation_id='c 42', step=3, user_id=None)
    """
    found: dict[str, str] = {}
    for member in baggage.split(",")[:_MOST_MEMBERS]:
        key, _, value = member.partition(";")[0].partition("=")
        if key.strip() in _OURS:
            found.setdefault(key.strip(), unquote(value.strip(), errors="replace"))
    conversation_id = identifier(found.get(_CONVERSATION))
    step = found.get(_STEP, "")
    is_number = conversation_id is not None and step.isascii() and step.isdigit() and len(step) <= _MOST_DIGITS
    return Carried(conversation_id, (int(step) or None) if is_number else None, identifier(found.get(_USER)))


def write_baggage(carried: Carried, baggage: str) -> str:
    """Return a baggage header with ours in it, in place of what it said of the same; as it was, if that is too long.

    >>> write_baggage(Carried("c 42", 3), "team=7,user.id=old")
    'team=7,user.id=old,gen_ai.conversation.id=c%2042,callspan.conversation.step=3'
    """
    ours = {_CONVERSATION: carried.conversation_id, _STEP: carried.step, _USER: carried.user_id}
    said = {key: quote(str(value), safe="", errors="replace") for key, value in ours.items() if value is not None}
    others = [member.strip() for member in baggage.split(",") if member.strip()]
    kept = [member for member in others if member.partition("=")[0].strip() not in said]
    written = ",".join([*kept, *(f"{key}={value}" for key, value in said.items())])
    return written if len(written) <= _LONGEST["baggage"] else baggage


def identifier(text: str | None) -> str | None:
    """Return an ID that came from outside, if it can be one: printable, and not too long."""
    return text if text and len(text) <= _LONGEST_ID and text.isprintable() else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.decode("latin-1") if isinstance(value, bytes) else ""


def pairs_of_environ(environ: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Name the headers of a WSGI environment as HTTP does."""
    return [(key[5:].replace("_", "-"), value) for key, value in environ.items() if key.startswith("HTTP_")]
