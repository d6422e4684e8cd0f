"""Finds credentials in XML, where the name of an element says what is in it: `<password>hunter22</password>`.

Settings of build tools and answers of old services look so, and prompts mark their parts in the same way. Tags of pages
are many, and hardly any has such a name: they are only gone through where the end of one stands before a `>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from callspan.pipeline.redaction.named_secrets import Judge, names_nothing
from callspan.pipeline.redaction.secret_names import is_credential
from callspan.pipeline.redaction.secret_shapes import Interval, values_after

_ENDS: Final = tuple(
    b"""
    password> passwd> pwd> pass> passphrase> secret> secrets> token> key> keys> key_id> keyid> cookie> cookies>
    authorization> credential> credentials> connectionstring> connection_string> connection-string>
    """.split()
)
_TAG: Final = re.compile(rb"<(?:[A-Za-z][A-Za-z0-9_.-]{0,31}:)?([A-Za-z][A-Za-z0-9_.-]{2,63})>")
_VALUE: Final = re.compile(rb"(?:<!\[CDATA\[)?([^<>\x00]+?)(?:\]\]>)?</")
_SHORTEST: Final = 4


def find(data: bytes, judge: Judge) -> Iterator[Interval]:
    """Yield what stands in such elements."""
    if data.find(b"<") < 0 or data.rfind(b"</") < 0:  # to look for one byte takes a tenth
        return
    lowered = data.lower()
    if any(lowered.rfind(end) >= 0 for end in _ENDS):
        yield from values_after(_TAG, data, partial(_value_after, data, judge))


def _value_after(data: bytes, judge: Judge, found: re.Match[bytes], end: int) -> Interval | None:
    verdict = judge(found[1].decode())
    text = _VALUE.match(data, found.end(), end) if verdict else None
    if text is None:
        return None
    value = text[1].strip()
    if len(value) < _SHORTEST or names_nothing(value, found[1]):
        return None
    return text.span(1) if verdict == "secret" or is_credential(value.decode("utf-8", "replace")) else None
