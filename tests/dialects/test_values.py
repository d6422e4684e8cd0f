from __future__ import annotations

import pytest

from callspan.dialects.values import as_text, flag, number, text, text_places, texts, whole


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        (text, "a", "a"),
        (text, "", None),
        (text, 1, None),
        (texts, ["a", "b"], ["a", "b"]),
        (texts, "a", ["a"]),
        (texts, [], None),
        (texts, ["a", 1], None),
        (texts, 1, None),
        (text_places, ["stop", None], ["stop", ""]),
        (text_places, [None, ""], None),
        (text_places, "stop", None),
        (whole, 3, 3),
        (whole, 3.0, 3),
        (whole, 3.5, None),
        (whole, float("inf"), None),
        (whole, True, None),
        (whole, "3", None),
        (number, 3, 3.0),
        (number, 0.5, 0.5),
        (number, 10**400, None),
        (number, True, None),
        (number, "0.5", None),
        (flag, False, False),
        (flag, 0, None),
    ],
)
def test_a_value_in_its_type_or_none(read, value, told):
    assert read(value) == told
    assert type(read(value)) is type(told)


def test_texts_stay_texts_and_all_else_becomes_json():
    assert as_text("{") == "{"
    assert as_text({"a": "é"}) == '{"a":"é"}'
