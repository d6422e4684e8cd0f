from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callspan.dialects import json_text
from callspan.dialects.json_text import clean, digits, dump, repair, to_json

any_text = st.text(st.characters(exclude_categories=()))
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(params=["orjson", "json"])
def library(request, monkeypatch):
    """Run a test with orjson and without it."""
    if request.param == "json":
        monkeypatch.setattr(json_text, "_orjson", lambda: None)
    return request.param


def strict(text):
    """Parse as the standard has it: no NaN, no infinity."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True, None, "é"]}, '{"a":[1,2.5,true,null,"é"]}'),
        ([math.nan, math.inf, -math.inf], '["NaN","Infinity","-Infinity"]'),
        ([math.nan, None, "null"], '["NaN",null,"null"]'),
        (-0.0, "-0.0"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**63), "-9223372036854775808"),
        (2**64, '"18446744073709551616"'),
        ({"n": -(2**63) - 1}, '{"n":"-9223372036854775809"}'),
        ("\ud800", '"\N{REPLACEMENT CHARACTER}"'),
        (["a\udfffb", {"\ud83d\ude00": 1}], '["a\N{REPLACEMENT CHARACTER}b",{"\N{GRINNING FACE}":1}]'),
        ("\x00\u2028\u202e", '"\\u0000\u2028\u202e"'),
        ({1: "a", None: (1, 2)}, '{"1":"a","None":[1,2]}'),
        ({"o": object}, '{"o":"<type>"}'),
    ],
)
def test_hard_values(library, tree, text):
    assert to_json(tree) == text


def test_an_integer_too_long_to_be_counted_out_is_told_in_hexadecimal(library):
    assert to_json(2**20000).startswith('"0x1000')
    assert digits(10**30) == "1000000000000000000000000000000"


def test_what_is_nested_too_deeply_ends_in_a_note(library):
    tree = []
    for _ in range(5000):
        tree = [tree]

    assert to_json(tree) == "[" * 200 + '"<nested deeper than 200>"' + "]" * 200


@settings(max_examples=150, deadline=None)
@given(trees)
def test_every_tree_becomes_strict_json_in_utf_8_and_means_the_same(tree):
    text = to_json(tree)
    text.encode()

    found = strict(text)
    assert found == strict(json.dumps(clean(tree)))


@settings(max_examples=100, deadline=None)
@given(any_text)
def test_repaired_texts_are_valid_and_valid_ones_stay(text):
    repaired = repair(text)

    repaired.encode()
    if not any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        assert repaired is text


def test_the_fast_half_takes_what_it_promises_and_repairs_the_rest(library):
    assert dump({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
    assert dump({"a": "\ud800"}) == '{"a":"\N{REPLACEMENT CHARACTER}"}'.encode()


def test_without_orjson_the_standard_library_is_found(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "orjson", None)
    json_text._orjson.cache_clear()
    try:
        assert json_text._orjson() is None
        assert to_json({"a": math.nan}) == '{"a":"NaN"}'
    finally:
        json_text._orjson.cache_clear()
