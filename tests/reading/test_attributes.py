from __future__ import annotations

import pytest

from callspan.reading import parse
from callspan.reading.attributes import Attributes, as_flag, as_number
from callspan.reading.parse import loads, opened, parsed, written_json


def test_the_first_name_wins_and_all_are_gone():
    attributes = Attributes({"new": "a", "old": "b", "other": 1})

    assert attributes.text("new", "old", "missing") == "a"
    assert attributes.left == {"other": 1}


def test_a_value_of_another_type_stays():
    attributes = Attributes({"tokens": "many", "count": 3})

    assert attributes.count("tokens", "count") == 3
    assert attributes.left == {"tokens": "many"}


def test_conversions():
    attributes = Attributes(
        {
            "text": "x",
            "empty": "",
            "id": 42,
            "whole": 12.0,
            "half": 12.5,
            "negative": -1,
            "yes": True,
            "list": '["a","b"]',
            "one": "a",
            "mixed": ["a", 1],
            "tree": '{"a": 1}',
            "broken": '{"a": ',
            "items": "[1, 2]",
        }
    )

    assert attributes.text("empty", "text") == "x"
    assert attributes.text("id") == "42"
    assert attributes.count("negative", "half", "yes", "whole") == 12
    assert attributes.number("yes", "half") == 12.5
    assert attributes.texts("mixed", "list") == ["a", "b"]
    assert attributes.texts("one") == ["a"]
    assert attributes.mapping("broken", "tree") == {"a": 1}
    assert attributes.sequence("items") == [1, 2]
    assert attributes.left == {"empty": "", "negative": -1, "yes": True, "mixed": ["a", 1], "broken": '{"a": '}


def test_numbers_that_would_spoil_a_sum_stay():
    odd = {"nan": float("nan"), "endless": float("inf"), "minus": float("-inf"), "digits": 10**400, "huge": 1e300}
    attributes = Attributes({**odd, "number": -2.5, "count": 2**63 - 1})

    assert attributes.number(*odd) is None
    assert attributes.count(*odd) is None
    assert attributes.left.keys() == {*odd, "number", "count"}
    assert attributes.number("number") == -2.5
    assert attributes.count("count") == 2**63 - 1


def test_everything_under_a_prefix():
    attributes = Attributes({"p.a": 1, "p.b.c": 2, "pa": 3})

    assert attributes.under("p.") == {"a": 1, "b.c": 2}
    assert attributes.left == {"pa": 3}


def test_truth_values_are_not_numbers():
    assert (as_number(True), as_flag(True), as_flag(1)) == (None, True, None)


def test_json_as_the_standard_library_takes_it():
    assert loads(b'{"half": "\\ud83d", "inf": Infinity}') == {"half": "\ud83d", "inf": float("inf")}
    assert parsed("[" * 100_000) == "[" * 100_000
    assert parsed(7) == 7
    assert (opened("35"), opened('{"a":1}'), opened(3)) == ("35", {"a": 1}, 3)


@pytest.mark.parametrize("has_orjson", [True, False])
def test_json_that_is_written_is_valid_whatever_stands_in_it(monkeypatch, has_orjson):
    if not has_orjson:
        monkeypatch.setattr(parse, "_fast_written", parse._slow_written)
    assert written_json({"a": ["Köln", None, 1.5, True], "b": {}}) == '{"a":["Köln",null,1.5,true],"b":{}}'.encode()
    assert written_json([float("nan"), -float("inf")]) == b"[null,null]"
    assert written_json({"half": "\ud83d", "nan": float("nan"), "large": 2**70}) == (
        b'{"half":"?","nan":null,"large":1180591620717411303424}'
    )
