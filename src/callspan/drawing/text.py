r"""Text as a terminal shows it: how many columns it takes, where to cut and wrap it, nothing that steers the terminal.

Data comes from models and users, so it may hold escape sequences, characters that reverse the order of others, and
characters nobody sees. All of them are shown as escapes such as `\x1b`.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import accumulate
from typing import Final

_JOINERS: Final = "\u200c\u200d"  # within words of some scripts, and within emoji
_TAB: Final = "    "


def clean(text: str) -> str:
    r"""Return `text` with only visible characters and `\n`.

    >>> clean("a\x1b[31m\r\nb\tc")
    'a\\x1b[31m\nb    c'
    """
    if text.isprintable():
        return text
    return "".join(map(_visible, text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    r"""Return `text` as `clean` does, on one line.

    >>> one_line("two\n  lines")
    'two lines'
    """
    return text if text.isprintable() else " ".join(clean(text).split())


@lru_cache(maxsize=4096)
def _visible(character: str) -> str:
    if character == "\n" or character.isprintable() or character in _JOINERS:
        return character
    if character == "\t":
        return _TAB
    category = unicodedata.category(character)
    if category in ("Zl", "Zp") or character == "\x85":
        return "\n"
    if category == "Zs":
        return " "
    if category in ("Cn", "Co"):  # newer than this Python, or of somebody's own font: harmless
        return character
    return character.encode("unicode_escape").decode()


def width_of(text: str) -> int:
    """Return the number of columns `text` takes on a terminal.

    >>> width_of("Kyōto"), width_of("京都"), width_of("e\u0301")
    (5, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if "\u1160" <= character <= "\u11ff":  # vowels and finals of Korean, drawn into the consonant before them
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """Return `text` if it fits into that many columns, else its beginning and an ellipsis.

    >>> cut("a long name", 7)
    'a long…'
    """
    if width_of(text) <= width:
        return text
    room = width - width_of(ellipsis)
    if room < 0:
        return ""
    fitting = sum(1 for used in accumulate(map(_columns, text)) if used <= room)
    return text[:fitting].rstrip() + ellipsis


def pad(text: str, width: int) -> str:
    """Fill `text` with blanks on the right."""
    return text + " " * (width - width_of(text))


def pad_left(text: str, width: int) -> str:
    """Fill `text` with blanks on the left."""
    return " " * (width - width_of(text)) + text


def wrap(text: str, width: int) -> list[str]:
    r"""Break a clean text into lines of at most `width` columns, at blanks where there are any; `\n` stays a break.

    >>> wrap("to be or not", 6)
    ['to be', 'or not']
    """
    width = max(width, 2)  # one wide character
    return [piece for line in text.split("\n") for piece in _wrap_line(line.rstrip(), width)]


def _wrap_line(line: str, width: int) -> list[str]:
    if width_of(line) <= width:
        return [line]
    pieces: list[str] = []
    begin = used = 0
    blank = -1  # the last one this piece could end at
    for index, character in enumerate(line):
        columns = _columns(character)
        if used + columns > width and index > begin:
            end = index if character == " " or blank < 0 else blank
            pieces.append(line[begin:end].rstrip())
            begin, blank = end + (line[end] == " "), -1
            used = width_of(line[begin:index])
            if character == " ":
                continue
        if character == " " and line[begin:index].strip():
            blank = index
        used += columns
    return [*pieces, line[begin:]]
