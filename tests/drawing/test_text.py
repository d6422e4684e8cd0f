from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callspan.drawing.text import clean, cut, one_line, pad, pad_left, width_of, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 京都 🎉", "plain ünïcode 京都 🎉"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\r\nb\rc\x00d\x7f\x9b", "a\nb\\rc\\x00d\\x7f\\x9b"),
        ("tab\there", "tab    here"),
        ("right \u202eto left\u2066", "right \\u202eto left\\u2066"),
        ("hidden \U000e0041", "hidden \\U000e0041"),
        ("line\u2028paragraph\u2029next\x85end", "line\nparagraph\nnext\nend"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("half \ud83d", "half \\ud83d"),
        ("family 👩\u200d👧, private \ue0b0, new \U0001fb00", "family 👩\u200d👧, private \ue0b0, new \U0001fb00"),
    ],
)
def test_only_visible_characters(text, shown):
    assert clean(text) == shown


def test_one_line():
    assert one_line(" two\n\tlines ") == "two lines"
    assert one_line("as  it is") == "as  it is"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("京都", 4),
        ("ｶﾅ", 2),
        ("e\u0301", 1),
        ("가", 2),
        ("\u1100\u1161\u11a8", 2),
        ("a\u200db", 2),
        ("🎉", 2),
    ],
)
def test_widths(text, width):
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("two words", 5, "two…"),
        ("京都の天気", 6, "京都…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("longer", 1, "…"),
        ("longer", 0, ""),
    ],
)
def test_cutting(text, width, shown):
    assert cut(text, width) == shown


def test_cutting_with_another_ellipsis():
    assert cut("longer text", 8, "...") == "longe..."
    assert cut("longer", 2, "...") == ""


def test_padding():
    assert pad("京都", 6) + "|" == "京都  |"
    assert pad_left("京都", 6) == "  京都"
    assert pad("longer", 2) == "longer"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("to be or not", 6, ["to be", "or not"]),
        ("to be or not", 5, ["to be", "or", "not"]),
        ("a\n\nb", 5, ["a", "", "b"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("a unbreakable", 4, ["a", "unbr", "eaka", "ble"]),
        ("京都の天気は", 5, ["京都", "の天", "気は"]),
        ("    code line here", 10, ["    code", "line here"]),
        ("     unbreakable", 8, ["     unb", "reakable"]),
        ("trailing   ", 20, ["trailing"]),
        ("京", 1, ["京"]),
        ("", 10, [""]),
        ("aaaa bbbb", 4, ["aaaa", "bbbb"]),
    ],
)
def test_wrapping(text, width, lines):
    assert wrap(text, width) == lines


@given(st.text(), st.integers(2, 30))
def test_no_line_is_too_wide_and_nothing_is_lost(text, width):
    shown = clean(text)
    lines = wrap(shown, width)

    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(shown.split())
    assert width_of(cut(shown.replace("\n", ""), width)) <= width


@given(st.text())
def test_nothing_steers_the_terminal(text):
    shown = clean(text)

    assert not any(ord(character) < 32 and character != "\n" for character in shown)
    assert "\x7f" not in shown
    shown.encode("utf-8")
