from __future__ import annotations

import pytest

from callspan.drawing.figures import count, duration, moment, things


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0 ms"),
        (4_000, "<0.01 ms"),
        (6_000, "0.01 ms"),
        (9_990_000, "9.99 ms"),
        (9_996_000, "10 ms"),
        (999_400_000, "999 ms"),
        (999_600_000, "1.00 s"),
        (9_990_000_000, "9.99 s"),
        (9_996_000_000, "10.0 s"),
        (99_900_000_000, "99.9 s"),
        (99_960_000_000, "1 min 40 s"),
        (119_700_000_000, "2 min 00 s"),
        (3_599_700_000_000, "1 h 00 min"),
        (5_430_000_000_000, "1 h 30 min"),
        (-5_000_000, "-5 ms"),
    ],
)
def test_durations(nanoseconds, shown):
    assert duration(nanoseconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10.0k"),
        (99_949, "99.9k"),
        (99_951, "100k"),
        (999_499, "999k"),
        (999_600, "1.0M"),
        (1_000_000, "1.0M"),
        (123_456_789, "123M"),
    ],
)
def test_counts(number, shown):
    assert count(number) == shown


def test_things():
    assert [things(n, "error") for n in (0, 1, 2, 1_000)] == ["0 errors", "1 error", "2 errors", "1,000 errors"]


def test_moments():
    assert moment(1_700_000_000_000_000_000) == "2023-11-14 22:13:20"
    assert moment(10**30) == "at no known time"
