"""Finds personal data in texts: e-mail addresses, phone numbers, payment cards, bank accounts, IP addresses.

Off unless asked for by name: only who runs an application knows whether an address in a prompt is what it is about.
Cards must have a valid check digit and bank accounts a valid checksum, so order numbers stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from callspan.pipeline.redaction.secret_shapes import Interval

_LOCAL_BYTES: Final = 64
_ACCENTED: Final = rb"[\xc3-\xc5][\x80-\xbf]"  # a Latin letter, in UTF-8; scripts without spaces would be swallowed
_AT: Final = (b"@", b"%40")
_LOCAL: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'"
_ENDS_ACCENTED: Final = re.compile(_ACCENTED + rb"\Z")
_DOMAIN: Final = re.compile(
    rb"(?:(?:[A-Za-z0-9]|" + _ACCENTED + rb")(?:[A-Za-z0-9-]|" + _ACCENTED + rb"){0,62}\.){1,8}"
    rb"[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_PHONE: Final = re.compile(
    rb"""(?<![\w.+/-])(?<!\d[ ])(?:
      \+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}           # +49 30 123456, +1 (555) 010-9999
    | \(\d{2,5}\)[ ]?\d{3,4}[ .-]?\d{3,5}             # (555) 010-9999
    | \d{3}[.-]\d{3}[.-]\d{4}                         # 555-010-9999
    | 0\d{1,4}[ /-]\d{3,4}[ -]?\d{2,5}                # 030 1234567
    )(?![\w/-]|\.\d)""",
    re.VERBOSE,
)
_CARDS_BEGIN: Final = tuple("23456")
_CARD: Final = re.compile(rb"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_IBAN: Final = re.compile(
    rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_IPV4: Final = re.compile(rb"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6: Final = re.compile(rb"(?<![\w:.])[0-9A-Fa-f:]{1,39}:[0-9A-Fa-f.:]{0,39}(?![\w:])")


def _emails(data: bytes) -> Iterator[Interval]:
    for sign in _AT:
        at = data.find(sign)
        while at >= 0:
            length = _length_before(data[max(at - _LOCAL_BYTES, 0) : at])
            domain = _DOMAIN.match(data, at + len(sign)) if length else None
            if domain is not None:
                yield at - length, domain.end()
            at = data.find(sign, at + 1)


def _length_before(data: bytes) -> int:
    """Return how much of the end of `data` may stand before the sign of an address."""
    rest = data.rstrip(_LOCAL)
    while _ENDS_ACCENTED.search(rest, max(len(rest) - 2, 0)):
        rest = rest[:-2].rstrip(_LOCAL)
    return len(data) - len(rest)


def _phones(data: bytes) -> Iterator[Interval]:
    for found in _PHONE.finditer(data):
        if 7 <= sum(map(found[0].count, map(bytes, zip(b"0123456789", strict=True)))) <= 15:
            yield found.span()


def _cards(data: bytes) -> Iterator[Interval]:
    for found in _CARD.finditer(data):
        if _has_check_digit(found[0].replace(b" ", b"").replace(b"-", b"")):
            yield found.span()


def is_card(number: int) -> bool:
    """Return whether a number is that of a payment card; times and counters do not begin so, or are longer."""
    digits = str(number) if 10**13 <= number < 10**16 else ""
    return digits[:1] in _CARDS_BEGIN and _has_check_digit(digits.encode())


def _has_check_digit(digits: bytes) -> bool:
    """Check a card's last digit by Luhn's formula."""
    if len(set(digits)) == 1:
        return False
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = (digit - 48) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _ibans(data: bytes) -> Iterator[Interval]:
    for found in _IBAN.finditer(data):
        stop = found.end()
        while stop - found.start() >= 15:  # the next word may look like its last group
            plain = data[found.start() : stop].replace(b" ", b"").decode()
            if int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1:
                yield found.start(), stop
                break
            stop = data.rfind(b" ", found.start(), stop)


def _addresses(data: bytes) -> Iterator[Interval]:
    for found in _IPV4.finditer(data):
        if all(int(part) < 256 for part in found[0].split(b".")):
            yield found.span()
    if b":" in data:
        from ipaddress import IPv6Address  # noqa: PLC0415 - rarely needed

        for found in _IPV6.finditer(data):
            text = found[0].decode()
            if text.count(":") >= 2 and any(letter.isdigit() for letter in text):
                try:
                    IPv6Address(text)
                except ValueError:
                    continue
                yield found.span()


FINDERS: Final[dict[str, Callable[[bytes], Iterable[Interval]]]] = {
    "email": _emails,
    "phone": _phones,
    "card": _cards,
    "iban": _ibans,
    "ip": _addresses,
}
