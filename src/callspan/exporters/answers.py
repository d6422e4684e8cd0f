"""What an OTLP receiver says of a request it took: `ExportTraceServiceResponse`, as protobuf or as JSON.

Both are read by hand, since there is nothing in them but the count of rejected spans and a message for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from callspan.exporters.outcomes import Answer

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_PARTIAL_SUCCESS: Final = 1
_REJECTED_SPANS: Final = 1
_ERROR_MESSAGE: Final = 2
_NAMES: Final = ("partialSuccess", "partial_success")
_REJECTED_NAMES: Final = ("rejectedSpans", "rejected_spans")
_MESSAGE_NAMES: Final = ("errorMessage", "error_message")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver did not take of a request it took, and whether it spoke as a receiver of that kind at all.

    `is_notice` when it had something to say about a request it took whole.
    """

    rejected: int = 0
    is_suspicious: bool = False
    is_notice: bool = False


SUSPICIOUS: Final = Receipt(is_suspicious=True)


def read_otlp(answer: Answer, count: int) -> Receipt:
    """Read the answer to a request of `count` spans; no more than these are ever rejected.

    An empty body is a whole success. A page of HTML, or anything else that is no OTLP, is suspicious: somebody else
    may stand at that address. The receiver's text is not passed on, since it is not known what stands in it.
    """
    body, kind = answer.body, answer.content_type.partition(";")[0].strip().lower()
    if body is None:
        return SUSPICIOUS
    if not body:
        return Receipt()
    try:
        if kind == "application/x-protobuf" or not kind:
            rejected, has_message = _read_protobuf(body)
        elif kind == "application/json":
            rejected, has_message = _read_json(body)
        else:
            return SUSPICIOUS
    except ValueError:
        return SUSPICIOUS
    rejected = min(max(rejected, 0), count)
    return Receipt(rejected, is_notice=has_message and not rejected)


def _read_json(body: bytes) -> tuple[int, bool]:
    try:
        tree = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(tree, dict) or not set(tree) <= set(_NAMES):
        raise ValueError("not a response")
    partial = _first(tree, _NAMES) or {}
    if not isinstance(partial, dict):
        raise ValueError("not a partial success")  # noqa: TRY004 - it is the receiver's, and no type of ours
    rejected = _first(partial, _REJECTED_NAMES) or 0  # 64 bits are written as a text, which not everybody knows
    if isinstance(rejected, bool) or not isinstance(rejected, int | str) or len(str(rejected)) > 20:
        raise ValueError("not a count")
    return int(rejected), bool(_first(partial, _MESSAGE_NAMES))


def _first(tree: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((tree[name] for name in names if name in tree), None)


def _read_protobuf(body: bytes) -> tuple[int, bool]:
    rejected, has_message = 0, False
    for number, value in _fields(body):
        if number == _PARTIAL_SUCCESS and isinstance(value, bytes):
            for inner, told in _fields(value):
                if inner == _REJECTED_SPANS and isinstance(told, int):
                    rejected = told - 2**64 if told >= 2**63 else told
                elif inner == _ERROR_MESSAGE and isinstance(told, bytes):
                    has_message = bool(told)
    return rejected, has_message


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of every field. Raises `ValueError` where it is no protobuf."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if not number:
            raise ValueError("no field has that number")
        if wire == _VARINT:
            value, position = _varint(data, position)
        else:
            if wire == _LENGTH:
                size, position = _varint(data, position)
            elif wire in (_FIXED64, _FIXED32):
                size = 8 if wire == _FIXED64 else 4
            else:
                raise ValueError("no wire type of today")
            value = data[position : position + size]
            position += size
            if position > len(data):
                raise ValueError("broke off")
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("broke off")
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, position
    raise ValueError("a number longer than 64 bits")
