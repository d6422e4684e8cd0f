"""What users and other tracers hand to a span."""

from __future__ import annotations

from collections import UserDict
from types import SimpleNamespace

import pytest
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, Status, StatusCode

from callspan.model.given import ids_of, pairs_of, status_of, text_of, time_of


class Failing:
    def __getattribute__(self, name):
        raise ArithmeticError(name)


class Loud(str):
    __slots__ = ()

    def __str__(self):
        raise AssertionError("never asked")


class Renamed(type):
    __name__ = property(lambda cls: 1 / 0)


class Odd(metaclass=Renamed):
    pass


@pytest.mark.parametrize(
    ("given", "text"),
    [("a", "a"), (Loud("a"), "a"), (5, "<int>"), (None, "<NoneType>"), (Failing(), "<Failing>"), (Odd(), "<Odd>")],
    ids=["str", "subclass", "int", "None", "failing", "renamed"],
)
def test_texts(given, text):
    assert text_of(given) == text
    assert type(text_of(given)) is str


def test_pairs():
    given = {"a": 1}
    assert pairs_of(given) is given
    assert pairs_of(UserDict(given)) == {"a": 1}
    assert pairs_of([("a", 1)]) == {"a": 1}
    assert [pairs_of(other) for other in (None, 5, "ab", Failing())] == [{}, {}, {}, {}]


def test_statuses():
    assert status_of(StatusCode.ERROR) == (2, None)
    assert status_of(Status(StatusCode.ERROR, "broken")) == (2, "broken")
    assert status_of(1) == (1, None)
    assert [status_of(other) for other in ("ERROR", None, True, Failing())] == [(None, None)] * 4


def test_ids():
    assert ids_of(SpanContext(7, 8, is_remote=False)) == (7, 8)
    nothing = (INVALID_SPAN_CONTEXT, None, 5, Failing(), SimpleNamespace(trace_id="7", span_id=8))
    assert [ids_of(other) for other in nothing] == [None] * 5


def test_no_times():
    assert [time_of(given) for given in (None, True, 0, -1, 2**62 + 1, 2**80, 1.5, "5", Failing())] == [None] * 9


def test_times():
    assert [time_of(given) for given in (1, 1_790_000_000_000_000_000, 2**62)] == [1, 1_790_000_000_000_000_000, 2**62]
