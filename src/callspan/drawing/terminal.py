"""The terminal: how wide it is, whether it wants colours, and which characters it can show."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TextIO

from callspan.drawing.text import clean, cut, one_line

Color = Literal["auto", "always", "never"]
Piece = tuple[str, str]
"""A clean text and the name of its style, "" for plain."""

_WIDTH_WITHOUT_TERMINAL: Final = 100
_MIN_WIDTH: Final = 20
_STYLES: Final[dict[str, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that are not data."""

    branch: str
    last: str
    line: str
    gap: str
    ok: str
    error: str
    other: str
    arrow: str
    dot: str
    ellipsis: str


UNICODE: Final = Glyphs("├─ ", "└─ ", "│  ", "   ", "✓", "✗", "!", "→", " · ", "…")
ASCII: Final = Glyphs("|- ", "`- ", "|  ", "   ", "+", "x", "!", ">", " | ", "...")


class Terminal:
    """Where a command prints. `width` is in columns; what `clean` returns can be printed and measured."""

    def __init__(self, stream: TextIO, *, color: Color = "auto", environ: Mapping[str, str] = os.environ) -> None:
        """Find out what the stream can do. `COLUMNS`, `NO_COLOR`, `FORCE_COLOR` and `TERM` have their usual say."""
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "ascii"
        self._is_unicode = self._encoding.lower().replace("-", "").replace("_", "").startswith("utf")
        self.glyphs = UNICODE if self._can_show("".join(map(str, _shown(UNICODE)))) else ASCII
        self.color = wants_color(stream, color, environ)
        self.width = max(_columns_of(stream, environ), _MIN_WIDTH)

    def clean(self, text: str) -> str:
        """Return a text of several lines as this terminal can show it."""
        return self._encodable(clean(text))

    def one_line(self, text: str) -> str:
        """Return a text on one line as this terminal can show it."""
        return self._encodable(one_line(text))

    def cut(self, text: str, width: int) -> str:
        """Cut a clean text to that many columns."""
        return cut(text, width, self.glyphs.ellipsis)

    def painted(self, pieces: Iterable[Piece]) -> str:
        """Return the pieces as they are written."""
        return "".join(self._paint(text, style) for text, style in pieces if text)

    def print(self, pieces: Iterable[Piece] = ()) -> None:
        """Print one line; blanks at its end are left out."""
        self._stream.write(self.line(pieces))

    def line(self, pieces: Iterable[Piece] = ()) -> str:
        """Return a line as `print` prints it."""
        told = [(text, style) for text, style in pieces if text]
        while told and not told[-1][0].rstrip():
            told.pop()
        if told:
            told[-1] = (told[-1][0].rstrip(), told[-1][1])
        return self.painted(told) + "\n"

    def _paint(self, text: str, style: str) -> str:
        if not self.color or not style:
            return text
        return f"\x1b[{';'.join(_STYLES[word] for word in style.split())}m{text}\x1b[0m"

    def _encodable(self, text: str) -> str:
        if self._is_unicode or text.isascii():
            return text
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _can_show(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True


def _columns_of(stream: TextIO, environ: Mapping[str, str]) -> int:
    """Return the width that `COLUMNS` names, else that of the terminal the stream is."""
    named = environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH_WITHOUT_TERMINAL
    except (OSError, ValueError, AttributeError):  # no terminal, closed, or nothing of the system's at all
        return _WIDTH_WITHOUT_TERMINAL


def wants_color(stream: TextIO, color: Color, environ: Mapping[str, str]) -> bool:
    """Decide on colours: the argument, then `NO_COLOR`, then `FORCE_COLOR`, then what the stream is."""
    if color != "auto":
        return color == "always"
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR")
    if forced:
        return forced != "0"
    if environ.get("TERM") == "dumb" or not _is_terminal(stream):
        return False
    # Old consoles of Windows print escape sequences as they are; the ones that do not say so.
    return sys.platform != "win32" or "WT_SESSION" in environ or "TERM" in environ


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (ValueError, AttributeError):  # closed, or something of the application's that can only write
        return False


def _shown(glyphs: Glyphs) -> Iterable[str]:
    return (getattr(glyphs, name) for name in Glyphs.__slots__)
