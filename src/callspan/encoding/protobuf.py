"""The wire format of protobuf, as far as OTLP needs it: https://protobuf.dev/programming-guides/encoding/.

A message is a sequence of fields; a field is a tag (its number and how its value is written) and the value. Every
function returns the bytes of one value or of one field.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from callspan.dialects.json_text import repair

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

pack_double: Final = struct.Struct("<d").pack
pack_fixed64: Final = struct.Struct("<Q").pack
pack_fixed32: Final = struct.Struct("<I").pack


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


SMALL: Final = tuple(map(_varint, range(2048)))
"""What `varint` returns for small numbers, for loops that cannot afford the call."""
_large: Final = lru_cache(maxsize=2048)(_varint)


def varint(number: int) -> bytes:
    """Write an unsigned number, seven bits to a byte, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    return SMALL[number] if number < 2048 else _large(number)


def int64(number: int) -> bytes:
    """Write a signed 64-bit number: a negative one as its two's complement, which takes ten bytes."""
    return varint(number & 0xFFFFFFFFFFFFFFFF)


def tag_varint(number: int) -> bytes:
    """Return the tag of a field whose value is a varint: an integer, a boolean or an enum."""
    return varint(number << 3 | _VARINT)


def tag_fixed64(number: int) -> bytes:
    """Return the tag of a field of eight bytes: a double or a fixed64."""
    return varint(number << 3 | _FIXED64)


def tag_fixed32(number: int) -> bytes:
    """Return the tag of a field of four bytes."""
    return varint(number << 3 | _FIXED32)


def tag_bytes(number: int) -> bytes:
    """Return the tag of a field whose length stands before it: a text, bytes or a message."""
    return varint(number << 3 | _LENGTH)


def field(tag: bytes, value: bytes) -> bytes:
    """Write a field whose length stands before it."""
    return tag + varint(len(value)) + value


def text_field(tag: bytes, text: str) -> bytes:
    """Write a text; nothing when it is empty, since that is what a reader assumes."""
    return field(tag, utf8(text)) if text else b""


def utf8(text: str) -> bytes:
    """Encode a text as protobuf wants it; lone surrogates become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return repair(text).encode()
