"""Finds credentials in command lines, where a flag says what follows: `--password hunter22`, `["--api-key", "…"]`.

Agents that use a shell write them so. `--password=…` is found as any other name before a `=`. Manuals are full of flags
before words that only tell what would stand there, so a value has a digit in it, or is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from callspan.pipeline.redaction.named_secrets import Judge, closing
from callspan.pipeline.redaction.secret_names import is_credential
from callspan.pipeline.redaction.secret_shapes import Interval, values_after

_FLAG: Final = re.compile(  # names hold no two hyphens in a row, so no byte is looked at for two of them
    rb"""--(?<!---)([A-Za-z][A-Za-z0-9]{0,32}(?:-[A-Za-z0-9]{1,32}){0,4})"""
    rb"""(?:[ \t]{1,8}(\\{0,16}["'])?|(\\{0,16}["'])\s{0,8},\s{0,8}\3)"""
)
_BARE: Final = re.compile(rb"""[^\s"'`|;&<>()\\\x00]+""")
_NO_VALUE: Final = re.compile(rb"[-$<{%*=]|[A-Za-z]+=")  # a flag, what stands for a value, or one of several parts
_LONG: Final = 20
_LONGEST_TOKEN: Final = 4096
_SHORTEST: Final = 4


def find(data: bytes, judge: Judge) -> Iterator[Interval]:
    """Yield where the values of such flags stand."""
    if data.rfind(b"--") >= 0:
        yield from values_after(_FLAG, data, partial(_value_after, data, judge))


def _value_after(data: bytes, judge: Judge, found: re.Match[bytes], end: int) -> Interval | None:
    verdict, start = judge(found[1].decode()), found.end()
    if not verdict:
        return None
    stop = _end_of_value(data, found, end if verdict == "secret" else min(end, start + _LONGEST_TOKEN))
    value = data[start:stop]
    if is_value(value) and (verdict == "secret" or is_credential(value.decode("latin-1"))):
        return start, stop
    return None


def _end_of_value(data: bytes, found: re.Match[bytes], end: int) -> int:
    quote = found[2] or found[3]
    if quote is not None:
        return closing(data, found.end(), quote, end)
    bare = _BARE.match(data, found.end(), end)
    return bare.end() if bare is not None else found.end()


def flag_of(text: str) -> str | None:
    """Return the name of the flag that this is, as an item of a list of arguments; None where it is none."""
    return text[2:] if text.startswith("--") and text[2:].replace("-", "").isalnum() else None


def is_value(value: bytes) -> bool:
    """Tell a value from the next flag, and from a word that only says what would stand there."""
    if len(value) < _SHORTEST or _NO_VALUE.match(value):
        return False
    return len(value) >= _LONG or any(48 <= byte <= 57 for byte in value)
