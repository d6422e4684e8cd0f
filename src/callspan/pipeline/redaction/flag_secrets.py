"""Finds credentials in command lines, where a flag says what follows: `--password hunter22`, `["--api-key", "…"]`.

Agents that use a shell write them so. `--password=…` is found as any other name before a `=`. Manuals are full of flags
before words that only tell what would stand there, so a value has a digit in it, or is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from callspan.pipeline.redaction.named_secrets import Judge, closing
from callspan.pipeline.redaction.secret_names import is_credential
from callspan.pipeline.redaction.secret_shapes import Interval, end_of_text

_FLAG: Final = re.compile(
    rb"""--(?=[A-Za-z0-9-]{0,48}(?i:key|token|cookie|secret|pass|pwd|credential))([A-Za-z][A-Za-z0-9-]{2,47})"""
    rb"""(?:[ \t]{1,8}(\\{0,16}["'])?|(\\{0,16}["'])\s{0,8},\s{0,8}\3)"""
)
_BARE: Final = re.compile(rb"""[^\s"'`|;&<>()\\\x00]{1,4096}""")
_NO_VALUE: Final = re.compile(rb"[-$<{%*=]|[A-Za-z]+=")  # a flag, what stands for a value, or one of several parts
_LONG: Final = 20
_SHORTEST: Final = 4


def find(data: bytes, judge: Judge) -> Iterator[Interval]:
    """Yield where the values of such flags stand."""
    if data.rfind(b"--") < 0:
        return
    for found in _FLAG.finditer(data):
        verdict = judge(found[1].decode())
        if not verdict:
            continue
        start = found.end()
        quote = found[2] or found[3]
        if quote is not None:
            stop = closing(data, start, quote, end_of_text(data, start))
        else:
            bare = _BARE.match(data, start)
            stop = bare.end() if bare is not None else start
        value = data[start:stop]
        if is_value(value) and (verdict == "secret" or is_credential(value.decode("latin-1"))):
            yield start, stop


def flag_of(text: str) -> str | None:
    """Return the name of the flag that this is, as an item of a list of arguments; None where it is none."""
    return text[2:] if text.startswith("--") and text[2:].replace("-", "").isalnum() else None


def is_value(value: bytes) -> bool:
    """Tell a value from the next flag, and from a word that only says what would stand there."""
    if len(value) < _SHORTEST or _NO_VALUE.match(value):
        return False
    return len(value) >= _LONG or any(48 <= byte <= 57 for byte in value)
