"""Finds credentials in command lines, where a flag says what follows: `--password hunter22`, `["--api-key", "…"]`.

Agents that use a shell write them so. `--password=…` is found as any other name before a `=`. Manuals are full of flags
before words that only tell what would stand there, so a value has a digit in it, or is long. So has the password behind
the user of `curl -u admin:hunter22`. A tab may be written as in JSON, where the quick look of the gate finds it.
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
    rb"""(?:(?:[ \t]|\\t){1,8}(\\{0,16}["'])?|(\\{0,16}["'])\s{0,8},\s{0,8}\3)"""
)
_USER: Final = re.compile(  # the password stands behind the user; in JSON, what was a line before the flag ends in `\n`
    rb"""(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))-(?:u|-user)"""
    rb"""(?:(?:[ \t]|\\t){0,8}=?(\\{0,16}["'])?|(\\{0,16}["'])\s{0,8},\s{0,8}\2)[A-Za-z][A-Za-z0-9_.@+-]{0,63}:"""
)
_BARE: Final = re.compile(rb"""[^\s"'`|;&<>()\\\x00]+""")
_NO_VALUE: Final = re.compile(rb"[-$<{%*=]|[A-Za-z]+=")  # a flag, what stands for a value, or one of several parts
_LONG: Final = 20
_LONGEST_TOKEN: Final = 4096
_SHORTEST: Final = 4


def find(data: bytes, judge: Judge) -> Iterator[Interval]:
    """Yield where the values of such flags stand."""
    if data.find(b"-") < 0:  # to look for one byte takes a tenth
        return
    if data.rfind(b"--") >= 0:
        yield from values_after(_FLAG, data, partial(_value_after, data, judge))
    if data.find(b"/") >= 0 and data.rfind(b"curl") >= 0:  # an address has one
        yield from values_after(_USER, data, partial(_password_after, data))


def _password_after(data: bytes, found: re.Match[bytes], end: int) -> Interval | None:
    stop = _end_of_value(data, found, end, found[1] or found[2])
    value = data[found.end() : stop]
    return (found.end(), stop) if is_value(value) and not value.startswith(b"/") else None


def _value_after(data: bytes, judge: Judge, found: re.Match[bytes], end: int) -> Interval | None:
    verdict, start = judge(found[1].decode()), found.end()
    if not verdict:
        return None
    most = end if verdict == "secret" else min(end, start + _LONGEST_TOKEN)
    stop = _end_of_value(data, found, most, found[2] or found[3])
    value = data[start:stop]
    if is_value(value) and (verdict == "secret" or is_credential(value.decode("latin-1"))):
        return start, stop
    return None


def _end_of_value(data: bytes, found: re.Match[bytes], end: int, quote: bytes | None) -> int:
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
