"""Trees in the terms of JSON: keys are texts, numbers are finite and fit, and everything ends."""

from __future__ import annotations

import math

import pytest

from callspan.recording.plain import free_key, key_text, plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (1.5, 1.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (b"\x00\x01", "<bytes of 2: 0001…>"),
        (1 + 2j, "(1+2j)"),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        (frozenset([2]), [2]),
        (object(), "<object>"),
        ([0.5] * 40, [0.5] * 40),
        ([0.5] * 40 + [math.inf], [0.5] * 40 + ["inf"]),
        ([1e308] * 40, [1e308] * 40),
        ({"a": [{"b": (1,)}]}, {"a": [{"b": [1]}]}),
    ],
)
def test_values(value, expected):
    assert plain(value) == expected


def test_a_text_of_a_subclass_becomes_plain():
    class Text(str):
        __slots__ = ()

        def __str__(self):
            raise AssertionError

    assert type(plain(Text("text"))) is str
    assert plain([Text("text")]) == ["text"]


def test_very_long_integers_are_hexadecimal_and_cut():
    spelled = plain(10**5000)
    assert spelled.startswith("0x")
    assert spelled.endswith("…")
    assert len(spelled) == 129


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (2**70, "1180591620717411303424"),
        (0.5, "0.5"),
        (b"name", "b'name'"),
        (b"x" * 100, repr(b"x" * 64)),
        (("a", 1), "a, 1"),
        (("a", 2**70), "a, 1180591620717411303424"),
        (("a", ("b",)), "<tuple>"),
        (("a",) * 65, "<tuple>"),
        (frozenset(), "<frozenset>"),
        (object(), "<object>"),
    ],
)
def test_keys(key, expected):
    assert key_text(key) == expected
    assert plain({key: 1}) == {expected: 1}


def test_keys_that_become_the_same_are_numbered():
    assert plain({1: "a", "1": "b"}) == {"1": "a", "1 #2": "b"}
    assert plain({None: 1, "null": 2, "null #2": 3}) == {"null": 1, "null #2": 2, "null #2 #2": 3}
    assert free_key({"a": 1, "a #2": 1}, "a") == "a #3"


def test_cycles_and_towers_end():
    ring: list = []
    ring.append(ring)
    assert plain(ring) == ["<cycle>"]
    shared = [1]
    assert plain([shared, shared]) == [[1], [1]]
    tower: list = [1]
    for _ in range(40):
        tower = [tower, tower]
    assert "<list of 2>" in str(plain(tower))


def test_depth_is_bounded():
    nested: list = []
    for _ in range(200):
        nested = [nested]
    depth, tree = 0, plain(nested)
    while isinstance(tree, list):
        tree, depth = tree[0], depth + 1
    assert (depth, tree) == (64, "<list of 1>")


def test_nodes_are_bounded():
    assert plain([["a"] * 50_000] * 3) == [["a"] * 50_000, "<list of 50000>", "<list of 50000>"]
