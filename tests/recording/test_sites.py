"""Names for the values of a call."""

from __future__ import annotations

import pytest

from callspan.recording.sites import Site


@pytest.mark.parametrize(
    ("values", "keywords", "expected"),
    [
        ([1, 2], (), {"a": 1, "b": 2, "d": 9}),
        ([1], (), {"a": 1, "d": 9}),
        ([1, 2, 3, 4], (), {"a": 1, "b": 2, "rest": [3, 4], "d": 9}),
        ([1, 2, 5], ("c",), {"a": 1, "b": 2, "c": 5, "d": 9}),
        ([1, 5, 6], ("d", "b"), {"a": 1, "d": 5, "b": 6}),
        ([1, 7], ("a",), {"a": 1, "a #2": 7, "d": 9}),
        ([], (), {"d": 9}),
    ],
)
def test_positional_parameters_the_rest_keywords_and_defaults(values, keywords, expected):
    site = Site("f", "chain", parameters=("a", "b"), variadic="rest", defaults={"d": 9})
    assert site.name_values(values, keywords) == expected


def test_without_a_parameter_for_the_rest_they_are_numbered():
    assert Site("f", "chain", parameters=("a",)).name_values([1, 2, 3], ()) == {"a": 1, "1": 2, "2": 3}
    assert Site("f", "chain").name_values([1], ()) == {"0": 1}
