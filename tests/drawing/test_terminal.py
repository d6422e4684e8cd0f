from __future__ import annotations

import io
import sys

import pytest

from callspan.drawing.terminal import ASCII, UNICODE, Terminal, wants_color


class Tty(io.StringIO):
    def isatty(self):
        return True


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def printed(out):
    return out.buffer.getvalue().decode(out.encoding)


def test_glyphs_are_those_the_encoding_has():
    assert Terminal(stream("utf-8")).glyphs == UNICODE
    assert Terminal(stream("utf-16")).glyphs == UNICODE
    for encoding in ("ascii", "latin-1", "cp1252", "cp437"):
        assert Terminal(stream(encoding)).glyphs == ASCII
    assert Terminal(io.StringIO()).glyphs == ASCII


def test_data_is_escaped_where_the_encoding_lacks_it():
    terminal = Terminal(stream("latin-1"))

    assert terminal.one_line("é 京\n都") == "é \\u4eac \\u90fd"
    assert terminal.clean("京\nb") == "\\u4eac\nb"
    assert Terminal(stream("utf-8")).clean("京") == "京"


def test_blanks_at_the_end_of_a_line_are_left_out():
    out = stream("utf-8")
    terminal = Terminal(out, color="always")

    terminal.print([("a ", "bold"), ("", "red"), ("  ", ""), (" ", "dim")])
    terminal.print()
    terminal.print([("plain", "")])

    assert printed(out) == "\x1b[1ma\x1b[0m\n\nplain\n"


def test_styles():
    out = stream("utf-8")
    Terminal(out, color="always").print([("agent", "bold blue")])
    Terminal(out, color="never").print([("agent", "bold blue")])

    assert printed(out) == "\x1b[1;34magent\x1b[0m\nagent\n"


@pytest.mark.parametrize(("columns", "width"), [("40", 40), ("200", 200), ("3", 20), ("wide", 100), ("0", 100)])
def test_width(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "__stdout__", io.StringIO())

    assert Terminal(stream("utf-8")).width == width


@pytest.mark.parametrize(
    ("out", "color", "environ", "expected"),
    [
        (Tty(), "auto", {}, True),
        (Tty(), "never", {"FORCE_COLOR": "1"}, False),
        (io.StringIO(), "always", {"NO_COLOR": "1"}, True),
        (io.StringIO(), "auto", {}, False),
        (Tty(), "auto", {"NO_COLOR": "1"}, False),
        (Tty(), "auto", {"NO_COLOR": ""}, True),
        (Tty(), "auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (io.StringIO(), "auto", {"FORCE_COLOR": "1"}, True),
        (Tty(), "auto", {"FORCE_COLOR": "0"}, False),
        (Tty(), "auto", {"TERM": "dumb"}, False),
    ],
)
def test_colors(monkeypatch, out, color, environ, expected):
    monkeypatch.setattr(sys, "platform", "linux")

    assert wants_color(out, color, environ) is expected


@pytest.mark.parametrize(("environ", "expected"), [({}, False), ({"WT_SESSION": "x"}, True), ({"TERM": "xterm"}, True)])
def test_consoles_of_windows_have_to_say_that_they_know_colors(monkeypatch, environ, expected):
    monkeypatch.setattr(sys, "platform", "win32")

    assert wants_color(Tty(), "auto", environ) is expected
