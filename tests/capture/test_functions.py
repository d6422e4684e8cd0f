"""Decorated functions and coroutine functions next to the plain ones."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import traceback
import typing
import weakref
from collections.abc import Generator

import pytest

import callspan
from callspan.capture.decorators import observe
from callspan.guard import guard
from callspan.testing import capture


class Odd(BaseException):
    """Raised by the functions under test."""


def frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


# -- results and exceptions --------------------------------------------------------------------------------------------


def test_result_is_the_same_object():
    result = object()

    @observe
    def give():
        return result

    @observe
    async def give_later():
        return result

    with capture() as spans:
        assert give() is result
        assert asyncio.run(give_later()) is result
    assert [span.output for span in spans] == ["<object>", "<object>"]


@pytest.mark.parametrize(
    "error",
    [ValueError("v"), Odd("odd"), SystemExit(3), KeyboardInterrupt(), StopIteration(5), GeneratorExit(), MemoryError()],
    ids=lambda error: type(error).__name__,
)
def test_exception_is_the_same_object_with_one_frame_more(error):
    def plain():
        raise error

    def caught(function):
        error.__traceback__ = None
        with pytest.raises(type(error)) as info:
            function()
        assert info.value is error
        assert error.__context__ is None
        assert error.__cause__ is None
        return frames(error)

    without = caught(plain)
    assert len(caught(observe(plain))) == len(without) + 1
    with capture() as spans:
        assert len(caught(observe(plain))) == len(without) + 1
        assert len(caught(observe(observe(plain)))) == len(without) + 2
    expected = "abandoned" if isinstance(error, GeneratorExit) else "error"
    assert [span.outcome for span in spans] == [expected] * 3
    if expected == "error":
        assert spans[0].status == "error"
        assert spans[0].error.type.endswith(type(error).__name__)
        assert [frame.function for frame in spans[0].error.frames] == ["plain"]


async def test_coroutine_exception_is_the_same_object_with_one_frame_more():
    error = ValueError("later")

    @observe
    async def failing():
        await asyncio.sleep(0)
        raise error

    with capture() as spans, pytest.raises(ValueError) as info:
        await failing()
    assert info.value is error
    assert frames(error)[1:] == ["wrapper", "failing"]
    assert spans[0].error.message == "later"


@pytest.mark.parametrize("arguments", [((), {}), ((1, 2, 3), {}), ((1,), {"c": 1}), ((1,), {"a": 1})])
def test_wrong_arguments_get_pythons_own_words(arguments):
    def function(a, b=0):
        return a

    args, kwargs = arguments
    with pytest.raises(TypeError) as plain:
        function(*args, **kwargs)
    with capture() as spans, pytest.raises(TypeError) as decorated:
        observe(function)(*args, **kwargs)
    assert str(decorated.value) == str(plain.value)
    assert spans[0].outcome == "error"


def test_errors_hold_no_reference_cycle():
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)

    @observe
    def failing(value):
        raise ValueError

    gc.collect()
    gc.disable()
    try:
        with capture():
            with contextlib.suppress(ValueError):
                failing(held)
            del held
            assert gone() is None
    finally:
        gc.enable()


def test_nothing_of_a_call_is_kept_alive():
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    with capture() as spans:
        observe(lambda value: value)(held)
        observe(lambda value: None)([held, {"deep": [held]}])
        del held
        gc.collect()
        assert gone() is None
    assert spans[0].input["value"].endswith("Held>")


# -- what it is --------------------------------------------------------------------------------------------------------


def plain(a: int, /, b: str = "x", *c: float, d: bool, **e: typing.Any) -> list[int]:
    """Say what it does."""
    return [a]


async def plain_coroutine(a: int) -> int:
    """Say what it does later."""
    return a


def plain_generator(a: int) -> Generator[int, None, None]:
    yield a


async def plain_async_generator(a: int):
    yield a


FUNCTIONS = [plain, plain_coroutine, plain_generator, plain_async_generator]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_that_can_be_asked_of_a_function_is_the_same(function):
    decorated = observe(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert typing.get_type_hints(decorated) == typing.get_type_hints(function)
    for question in (
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        asyncio.iscoroutinefunction,
        callable,
    ):
        if question is asyncio.iscoroutinefunction and hasattr(asyncio, "eager_task_factory"):
            continue  # deprecated where inspect's own is the same
        assert question(decorated) == question(function), question
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        assert getattr(decorated, attribute) == getattr(function, attribute)
    assert decorated.__wrapped__ is function
    assert inspect.unwrap(decorated) is function


def test_attributes_of_the_function_are_kept():
    def route():
        pass

    route.path = "/"
    decorated = observe(route)
    assert decorated.path == "/"
    decorated.more = 1


def test_keywords_with_our_own_names_are_the_users():
    @observe
    def function(self, name, span, call, site, function, args, kwargs, **more):
        return (self, name, span, call, site, function, args, kwargs, more)

    given = dict.fromkeys(["self", "name", "span", "call", "site", "function", "args", "kwargs", "kind", "input"], 1)
    with capture() as spans:
        assert function(**given) == (1, 1, 1, 1, 1, 1, 1, 1, {"kind": 1, "input": 1})
    assert spans[0].input == given


# -- coroutines --------------------------------------------------------------------------------------------------------


async def test_a_coroutine_runs_in_the_task_of_its_caller():
    variable = contextvars.ContextVar("variable", default="before")
    seen = []

    @observe
    async def work():
        seen.append(asyncio.current_task())
        variable.set("after")
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    with capture():
        await work()
    assert seen == [asyncio.current_task()] * 2
    assert variable.get() == "after"


async def test_a_coroutine_that_nobody_awaits_warns_as_ever_and_makes_no_span():
    with capture() as spans:
        coroutine = observe(plain_coroutine)(1)
        with pytest.warns(RuntimeWarning, match="plain_coroutine' was never awaited"):
            del coroutine
    assert spans == []


async def test_a_closed_coroutine_is_abandoned():
    @observe
    async def waiting():
        await asyncio.sleep(10)

    with capture() as spans:
        coroutine = waiting()
        coroutine.send(None)
        coroutine.close()
    assert [(span.outcome, span.status) for span in spans] == [("abandoned", "unset")]


async def test_parallel_tasks_have_their_own_parents():
    @observe
    async def inner(number):
        await asyncio.sleep(0.001 * (3 - number))

    @observe
    async def outer(number):
        await asyncio.sleep(0)
        await inner(number)

    with capture() as spans, callspan.span("all"):
        await asyncio.gather(*(outer(number) for number in range(3)))
        assert callspan.current_span().name == "all"
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span.name.endswith("inner"):
            assert by_id[span.parent_id].input == span.input
    assert len(spans) == 7


async def test_span_is_current_over_an_await():
    @observe
    async def work():
        await asyncio.sleep(0)
        return callspan.current_span().name

    with capture():
        assert (await work()).endswith("work")
    assert not callspan.current_span().is_recording()


# -- what functions return ---------------------------------------------------------------------------------------------


def test_a_generator_that_is_returned_is_not_touched():
    closed = []

    def numbers():
        try:
            yield 1
        finally:
            closed.append(1)

    mine = numbers()

    @observe
    def give(generator):
        return generator

    with capture() as spans:
        give(mine)
        gc.collect()
        assert closed == []
        assert next(mine) == 1
    assert spans[0].input == {"generator": "<generator>"}
    assert spans[0].output == "<generator>"


async def test_a_coroutine_that_is_returned_is_the_callers_to_await():
    @observe
    def make():
        return plain_coroutine(3)

    with capture() as spans:
        assert await make() == 3
    assert spans[0].output == "<coroutine>"


# -- on and off --------------------------------------------------------------------------------------------------------


def test_without_configure_a_call_is_only_passed_through():
    seen = []
    observe(lambda: seen.append(callspan.current_span().is_recording()))()
    assert seen == [False]


def test_switched_on_in_the_middle_records_from_the_next_call():
    @observe
    def inner():
        pass

    @observe
    def outer():
        with capture() as spans:
            inner()
        return spans

    assert [span.name.rpartition(".")[2] for span in outer()] == ["inner"]


def test_switched_off_in_the_middle_ends_what_is_open():
    spans = []

    @observe
    def outer():
        manager.__exit__(None, None, None)
        observe(lambda: None)()

    manager = capture()
    spans = manager.__enter__()
    outer()
    assert [span.name.rpartition(".")[2] for span in spans] == ["outer"]


def test_a_span_ended_in_the_body_is_ended_once_and_keeps_what_it_was():
    @observe
    def early():
        span = callspan.current_span()
        span.set_output("early")
        span.end()
        span.set_output("late").set_input("late")
        span.set_attribute("late", 1)
        span.update_name("late")
        return "late"

    with capture() as spans:
        early()
    assert [(span.output, span.attributes, span.input) for span in spans] == [("early", {}, None)]
    assert guard.counts["span ended twice"] == 1


def test_arguments_are_recorded_as_they_were():
    @observe
    def change(rows):
        rows.append(3)
        rows[0]["inner"].append("x")
        return rows

    with capture() as spans:
        rows = [{"inner": [1]}]
        result = change(rows)
        result.clear()
    assert spans[0].input == {"rows": [{"inner": [1]}]}
    assert spans[0].output == [{"inner": [1, "x"]}, 3]


def test_a_partial_and_a_partial_of_a_decorated_function():
    def add(a, b, c=3, *, d=4):
        return a + b + c + d

    with capture() as spans:
        assert observe(functools.partial(add, 1, c=10))(2) == 17
        assert functools.partial(observe(add), 1)(2) == 10
    assert spans[0].input == {"b": 2, "c": 10, "d": 4}
    assert spans[1].input == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert [span.name.rpartition(".")[2] for span in spans] == ["add", "add"]
