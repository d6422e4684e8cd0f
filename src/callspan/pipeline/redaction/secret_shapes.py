"""Finds credentials in texts by their shape: keys of known makers, tokens, private keys, passwords in URLs.

Everything works on bytes. A secret of a known shape has a run of 16 letters, digits, hyphens or underscores, which
ordinary words have not; runs are found on a copy in which all these are the same byte, by one search that skips 16
bytes at a time. Only what starts such a run, and begins as some maker's keys do, meets a regular expression, and that
from its start only: so the time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

Interval = tuple[int, int]
"""Start and end in the bytes of a text."""

_RUN: Final = b"a" * 16
_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_CLASSES: Final = bytes(97 if byte in _WORD else 32 for byte in range(256))
_SPACE, _DOT, _BACKSLASH, _PERCENT, _U = b" .\\%u"  # what may say where in a run the secret begins
_ODD: Final = frozenset(b".\\%")
_LAST_OF_SCHEMES: Final = frozenset(b"rRcC")
_EMPHASIS: Final = frozenset(b"-_")

_SHAPES: Final = re.compile(
    rb"""
      sk-(?:[A-Za-z0-9]{1,12}-){0,3}(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{16,}  # OpenAI, Anthropic, OpenRouter and others
    | [srp]k_(?:live|test)_[A-Za-z0-9]{10,} | whsec_[A-Za-z0-9]{16,}          # Stripe
    | (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9_-])                    # AWS
    | gh[opsur]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_-]{16,}
    | xox[a-z]-[A-Za-z0-9-]{10,} | xapp-[A-Za-z0-9-]{10,}                     # Slack
    | AIza[A-Za-z0-9_-]{30,} | hf_[A-Za-z0-9]{20,} | npm_[A-Za-z0-9]{30,} | pypi-[A-Za-z0-9_-]{16,}
    | gsk_[A-Za-z0-9]{20,} | xai-[A-Za-z0-9]{20,} | pplx-[A-Za-z0-9]{20,} | r8_[A-Za-z0-9]{20,}
    | tvly-[A-Za-z0-9-]{16,} | lsv2_(?:pt|sk)_[A-Za-z0-9_]{16,} | nvapi-[A-Za-z0-9_-]{20,} | pcsk_[A-Za-z0-9_]{20,}
    | dop_v1_[a-f0-9]{32,} | dckr_pat_[A-Za-z0-9_-]{16,} | shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{20,}
    | dapi[a-f0-9]{32} | lin_api_[A-Za-z0-9]{20,} | ntn_[A-Za-z0-9]{30,} | AGE-SECRET-KEY-1[A-Z0-9]{40,}
    | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}        # JSON Web Tokens
    """,
    re.VERBOSE,
)
_HEADS: Final = frozenset(  # the first three bytes of all of them
    b"""
    sk- sk_ rk_ pk_ whs AKI ASI ABI ACC gho ghp ghs ghu ghr git glp xox xap AIz hf_ npm pyp gsk xai ppl r8_ tvl lsv nva
    pcs dop dck shp dap lin ntn AGE eyJ
    """.split()
)
_AFTER_DOT: Final = {
    b"SG.": re.compile(rb"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    b"ya29.": re.compile(rb"[A-Za-z0-9_-]{16,}"),
    b"hvs.": re.compile(rb"[A-Za-z0-9_-]{20,}"),
}
_BEFORE_DOT: Final = tuple(_AFTER_DOT)
_SCHEMES: Final = (b"bearer", b"basic")
_SCHEME_VALUE: Final = re.compile(rb"[A-Za-z0-9_.~+/=-]{16,}")
_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_USERINFO: Final = re.compile(rb"://[^ \t\n\r\f\v/?#\"'<>\x00]{1,512}@")  # no group: it would take twice as long
_IN_URLS: Final = {  # what comes before such a secret in a URL, and the secret
    b"hooks.slack.com/": re.compile(rb"(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,256})"),
    b"/api/webhooks/": re.compile(rb"([0-9]{6,24}/[A-Za-z0-9_-]{20,256})"),  # Discord
    b"telegram.org/bot": re.compile(rb"([0-9]{6,16}:[A-Za-z0-9_-]{30,64})"),  # Telegram
}
_LONG_USER: Final = 16
_DENSE: Final = 2_000, 40


def find(data: bytes) -> Iterator[Interval]:
    """Yield where credentials stand, in no order; intervals may overlap."""
    classes = data.translate(_CLASSES)
    start = classes.find(_RUN)  # from the end of a run on; to look for a space before it would take five times as long
    if start >= 0:
        if data.rfind(b"-----BEGIN") >= 0:
            yield from _private_keys(data)
        yield from _runs(data, classes, start)
        if data.rfind(b"://") >= 0:
            yield from _in_urls(data)
    if data.find(b"@") >= 0 and data.find(b"://") >= 0:
        yield from _userinfos(data)


def _runs(data: bytes, classes: bytes, start: int) -> Iterator[Interval]:
    tries = first = end = 0
    while start >= 0:
        before = data[start - 1]  # of the last byte, at the very start: then it is looked at for nothing
        if data[start : start + 3] in _HEADS:
            begins = start
        elif before in _ODD or (before == _SPACE and data[start - 2] in _LAST_OF_SCHEMES):
            begins = _beginning(data, start, before)
        elif data[start] in _EMPHASIS:
            marks = 1 if data[start + 1] not in _EMPHASIS else 2
            begins = start + marks if data[start + marks : start + marks + 3] in _HEADS else -1
        else:
            begins = -1
        position = start + 16
        if begins >= 0:
            if start >= end:
                first, end, tries = start, end_of_text(data, start), 0
            tries += 1
            if is_dense(tries, start - first):
                yield start, end
                position = end
            elif (found := _at(data, start, begins)) is not None:
                yield found
                position = found[1]
        position = classes.find(b" ", position)
        start = classes.find(_RUN, position) if position >= 0 else -1


def _beginning(data: bytes, start: int, before: int) -> int:
    """Return where a secret may begin in a run, or in front of it; -1 if nowhere.

    Escapes such as `%22` and marks of emphasis may stand between the beginning of the run and that of the secret.
    """
    if before == _SPACE:
        return start if data[max(start - 8, 0) : start - 1].lower().endswith(_SCHEMES) else -1
    if before == _DOT:
        return start if data[max(start - 5, 0) : start].endswith(_BEFORE_DOT) else -1
    if before == _BACKSLASH:
        start += 5 if data[start] == _U else 1  # \u001b, \n
    elif before == _PERCENT:
        start += 2
    for begins in (start, start + 1, start + 2):
        if data[begins : begins + 3] in _HEADS:
            return begins
        if data[begins] not in _EMPHASIS:
            break
    return -1


def _at(data: bytes, start: int, begins: int) -> Interval | None:
    """Return the credential that begins there, if it is one."""
    found = _SHAPES.match(data, begins)
    if found is None and data[start - 1] == _SPACE:
        found = _SCHEME_VALUE.match(data, start)
        if not data[max(start - 8, 0) : start - 1].lower().endswith(_SCHEMES):
            return None
    if found is None and data[start - 1] == _DOT:
        for prefix, pattern in _AFTER_DOT.items():
            if data.startswith(prefix, start - len(prefix)) and (found := pattern.match(data, start)):
                return start - len(prefix), found.end()
    return found.span() if found is not None else None


def _private_keys(data: bytes) -> Iterator[Interval]:
    position = 0
    while found := _PEM.search(data, position):
        position = end_of_text(data, found.end())  # cut off: all of what is left of this text, and of no other
        end = _PEM_END.search(data, found.end(), position)
        position = end.end() if end is not None else position
        yield found.start(), position


def _in_urls(data: bytes) -> Iterator[Interval]:
    """Find the addresses that let anybody post in somebody's name."""
    for before, pattern in _IN_URLS.items():
        position = data.find(before) if data.rfind(before) >= 0 else -1  # where there is none, in half the time
        while position >= 0:
            position += len(before)
            found = pattern.match(data, position)
            if found is not None:
                yield found.span(1)
            position = data.find(before, position)


def _userinfos(data: bytes) -> Iterator[Interval]:
    """Find `user:password` in URLs, and names so long that they are tokens."""
    position = first = end = count = 0
    while found := _USERINFO.search(data, position):
        start, position = found.start() + 3, found.end() - 1
        if start >= end:
            first, end, count = start, end_of_text(data, start), 0
        count += 1
        if is_dense(count, start - first):
            yield start, end
            position = end
        elif data.find(b":", start, position) >= 0 or position - start >= _LONG_USER:
            yield start, position


def values_after(
    pattern: re.Pattern[bytes], text: bytes, value_of: Callable[[re.Match[bytes], int], Interval | None]
) -> Iterator[Interval]:
    """Yield the values behind what a pattern finds; `value_of` looks for one, as far as the end of its text at most."""
    position = first = end = count = 0
    while (found := pattern.search(text, position)) is not None:
        position = found.end()
        if position > end:
            first, end, count = position, end_of_text(text, position), 0
        count += 1
        value = (position, end) if is_dense(count, position - first) else value_of(found, end)
        if value is not None:
            yield value
            position = max(position, value[1])


def is_dense(count: int, span: int) -> bool:
    """Return whether so many candidates stand so close that nobody writes such a text; the rest of it goes, unread."""
    return count > _DENSE[0] and span < count * _DENSE[1]


def end_of_text(data: bytes, position: int) -> int:
    """Return where the text ends in which `position` lies; texts are joined by NUL."""
    end = data.find(b"\x00", position)
    return end if end >= 0 else len(data)
