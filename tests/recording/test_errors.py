"""What is told of exceptions: no code of theirs runs for it."""

from __future__ import annotations

import asyncio
import errno
import json
import types
from typing import ClassVar

import pytest

from callspan.recording.errors import describe, is_cancellation


class Loud(Exception):
    """Every question to it is counted."""

    asked: ClassVar[list[str]] = []

    def __str__(self):
        self.asked.append("str")
        return "from __str__"

    __repr__ = __str__

    @property
    def args(self):
        self.asked.append("args")
        return ("from property",)


class Text(str):
    __slots__ = ()

    def __str__(self):
        raise ArithmeticError

    __getitem__ = __repr__ = __str__


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("text"), "ValueError", "text"),
        (ValueError("a", 1, None, 2.5, True), "ValueError", "a, 1, None, 2.5, True"),
        (ValueError(), "ValueError", ""),
        (ValueError(Text("inner")), "ValueError", "inner"),
        (ValueError(["list"], object()), "ValueError", "<list>, <object>"),
        (KeyError("key"), "KeyError", "'key'"),
        (KeyError(5), "KeyError", "5"),
        (OSError(errno.ENOENT, "No such file", "a.txt"), "FileNotFoundError", "[Errno 2] No such file: 'a.txt'"),
        (OSError(5, "Broken"), "OSError", "[Errno 5] Broken"),
        (OSError("only text"), "OSError", "only text"),
        (json.JSONDecodeError("bad", "{", 1), "json.decoder.JSONDecodeError", "bad: line 1 column 2 (char 1)"),
        (ValueError("x" * 20_000), "ValueError", "x" * 12_288),
        (KeyError("x" * 20_000), "KeyError", repr("x" * 12_288)),
        (ValueError(10**5000), "ValueError", None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_type_and_message(error, kind, message):
    facts = describe(raised(error))
    assert facts.type == kind
    if message is not None:
        assert facts.message == message
    assert len(facts.message) <= 12_300


def test_no_code_of_the_exception_runs():
    error = Loud("plain")
    facts = describe(raised(error))
    assert facts.message == "plain"
    assert Loud.asked == []


def test_frames_are_places_without_locals_and_the_innermost_are_kept():
    def recurse(depth):
        secret = "canary"  # noqa: F841 - never recorded
        if depth:
            recurse(depth - 1)
        else:
            raise ValueError

    with pytest.raises(ValueError) as caught:
        recurse(50)
    facts = describe(caught.value)
    assert len(facts.frames) == 32
    assert {(file, name) for file, _, name in facts.frames} == {(__file__, "recurse")}
    assert "canary" not in str(facts.frames)


def test_our_own_frames_are_left_out():
    import callspan
    from callspan.testing import capture

    @callspan.observe
    def fail():
        raise ValueError

    with capture() as spans, pytest.raises(ValueError):
        fail()
    assert [frame.function for frame in spans[0].error.frames] == ["fail"]


def test_an_exception_that_was_never_raised():
    assert describe(ValueError("x")).frames == []


def test_cancellation(monkeypatch):
    assert is_cancellation(asyncio.CancelledError())
    assert not is_cancellation(GeneratorExit())
    assert not is_cancellation(ValueError())

    class Cancelled(BaseException):
        pass

    assert not is_cancellation(Cancelled())
    trio = types.ModuleType("trio")
    trio.Cancelled = Cancelled
    monkeypatch.setitem(__import__("sys").modules, "trio", trio)
    assert is_cancellation(Cancelled())
