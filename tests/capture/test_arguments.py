"""What is known of a callable's parameters before it is called, and how the arguments of a call get their names."""

from __future__ import annotations

import functools
import operator
import types
from unittest import mock

import pytest

import callspan
from callspan.capture.arguments import Parameters, bind, colour, innermost, parameters_of
from callspan.capture.decorators import observe
from callspan.testing import capture


def passing_on(function):
    """Decorate as other libraries do."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def plain(a, /, b, c=3, *rest, d=4, e=None, **more):
    return a


class Shop:
    def method(self, amount, tax=0.5):
        return amount

    @classmethod
    def make(cls, name):
        return name

    @staticmethod
    def add(a, b):
        return a

    @passing_on
    def wrapped(self, amount):
        return amount

    def this_is_no_self(this, amount):
        return amount

    def __call__(self, amount):
        return amount


class Later:
    async def __call__(self, amount):
        return amount


async def coroutine():
    pass


def generator():
    yield


async def async_generator():
    yield


@types.coroutine
def iterable_coroutine():
    yield


# -- the function inside -----------------------------------------------------------------------------------------------


def test_the_innermost_function():
    shop = Shop()
    assert innermost(plain) is plain
    assert innermost(functools.partial(functools.partial(plain, 1), 2)) is plain
    assert innermost(shop.method) is Shop.method
    assert innermost(functools.partial(shop.method, 1)) is Shop.method
    assert innermost(Shop.make) is Shop.__dict__["make"].__func__
    assert innermost(shop) is Shop.__call__
    assert innermost(types.MethodType(shop, 1)) is Shop.__call__


@pytest.mark.parametrize(
    "function",
    [len, "".upper, operator.itemgetter(0), functools.cache(plain), functools.partial(len), print, type("A", (), {})()],
    ids=lambda function: type(function).__name__,
)
def test_no_python_inside(function):
    assert innermost(function) is None


def test_mocks_only_pretend_to_have_code():
    pretender = mock.NonCallableMock()
    pretender.__code__ = "not code"
    assert innermost(pretender) is None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (plain, "function"),
        (len, "function"),
        (coroutine, "coroutine"),
        (generator, "generator"),
        (async_generator, "async_generator"),
        (iterable_coroutine, "iterable_coroutine"),
        (Later(), "coroutine"),
        (functools.partial(async_generator), "async_generator"),
        (lambda: (yield), "generator"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_colours(function, expected):
    assert colour(function) == expected


def test_a_function_marked_as_coroutine_function():
    def function():
        return coroutine()

    function._is_coroutine_mark = object()  # what inspect.markcoroutinefunction does, from Python 3.12
    assert colour(function) == "coroutine"


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (plain, (("a", "b", "c"), "rest", {"c": 3, "d": 4}, False)),
        (lambda: None, ((), None, {}, False)),
        (lambda self: None, (("self",), None, {}, False)),
        (lambda *, a=1: None, ((), None, {"a": 1}, False)),
        (lambda a=(), b=b"", c=None: None, (("a", "b", "c"), None, {}, False)),
        (Shop.method, (("amount", "tax"), None, {"tax": 0.5}, True)),
        (Shop().method, (("amount", "tax"), None, {"tax": 0.5}, False)),
        (Shop.make, (("name",), None, {}, False)),
        (Shop.add, (("a", "b"), None, {}, False)),
        (Shop(), (("amount",), None, {}, False)),
        (Shop.this_is_no_self, (("this", "amount"), None, {}, False)),
        (Shop().this_is_no_self, (("amount",), None, {}, False)),
        (passing_on(plain), (("a", "b", "c"), "rest", {"c": 3, "d": 4}, False)),
        (passing_on(passing_on(plain)), (("a", "b", "c"), "rest", {"c": 3, "d": 4}, False)),
        (Shop.wrapped, (("amount",), None, {}, True)),
        (Shop().wrapped, (("amount",), None, {}, False)),
        (passing_on(Shop().wrapped), (("amount",), None, {}, False)),
        (types.MethodType(passing_on(plain), 1), (("b", "c"), "rest", {"c": 3, "d": 4}, False)),
        (functools.cache(plain), (("a", "b", "c"), "rest", {"c": 3, "d": 4}, False)),
        (functools.cache(Shop.method), (("amount", "tax"), None, {"tax": 0.5}, True)),
        (functools.cache(len), ((), None, {}, False)),
        (len, ((), None, {}, False)),
        (functools.partial(plain, 1), (("b", "c"), "rest", {"c": 3, "d": 4}, False)),
        (functools.partial(plain, 1, d=9, e="x"), (("b", "c"), "rest", {"c": 3, "d": 9, "e": "x"}, False)),
        (functools.partial(plain, 1, 2, 3, 4), ((), "rest", {}, False)),
        (functools.partial(Shop.method, Shop()), (("amount", "tax"), None, {"tax": 0.5}, False)),
        (functools.partial(Shop.method, Shop(), 1), (("tax",), None, {"tax": 0.5}, False)),
        (functools.partial(Shop.method, tax=0.25), (("amount", "tax"), None, {"tax": 0.25}, True)),
        (functools.partial(Shop().method, tax=[1]), (("amount", "tax"), None, {"tax": 0.5}, False)),
        (functools.partial(len), ((), None, {}, False)),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__) if callable(value) else "",
)
def test_parameters(function, parameters):
    assert parameters_of(function) == Parameters(*parameters)


# -- arguments of a call -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "bound"),
    [
        (plain, (1, 2), {}, {"a": 1, "b": 2, "c": 3, "d": 4}),
        (plain, (1, 2, 3, 8, 9), {"x": 5}, {"a": 1, "b": 2, "c": 3, "rest": [8, 9], "x": 5, "d": 4}),
        (plain, (1,), {"b": 7, "d": 0}, {"a": 1, "b": 7, "c": 3, "d": 0}),
        (Shop.method, ("self", 1), {}, {"amount": 1, "tax": 0.5}),
        (lambda a: a, (1, 2), {}, {"a": 1}),
        (len, ([],), {}, {}),
    ],
)
def test_bind(function, args, kwargs, bound):
    assert bind(parameters_of(function), args, kwargs) == bound


def test_bound_values_are_the_users_own():
    value = object()
    assert bind(parameters_of(lambda a, *b: None), (value, value), {})["b"][0] is value


def test_bound_methods_of_decorated_functions_keep_their_first_argument():
    shop = Shop()
    with capture() as spans:
        observe(shop.wrapped)(5)
        observe(functools.partial(Shop.method, shop))(6)
        observe(functools.partial(shop.wrapped, 7))()
        observe(shop.this_is_no_self)(8)
    assert [span.input for span in spans] == [{"amount": 5}, {"amount": 6, "tax": 0.5}, None, {"amount": 8}]


# -- what stays as it was ----------------------------------------------------------------------------------------------


async def test_an_iterable_coroutine_can_still_be_awaited():
    @callspan.observe
    @types.coroutine
    def pause(amount):
        """Wait one turn."""
        yield
        return amount

    assert pause.__doc__ == "Wait one turn."
    assert pause.__wrapped__.__name__ == "pause"
    with capture() as spans:
        assert await pause(3) == 3
    (span,) = spans
    assert (span.name, span.input, span.output, span.outcome) == ("pause", {"amount": 3}, 3, "ok")
    assert span.chunk_count is None


async def test_an_iterable_coroutine_that_fails():
    @callspan.observe
    @types.coroutine
    def pause():
        yield
        raise LookupError("nothing there")

    with capture() as spans, pytest.raises(LookupError, match="nothing there"):
        await pause()
    (span,) = spans
    assert (span.output, span.outcome, span.error.type) == (None, "error", "LookupError")


def test_names_that_are_no_texts():
    class Numbered:
        __name__ = 5

        def __call__(self):
            return 1

    numbered = Numbered()
    numbered.__qualname__ = 7
    with capture() as spans:
        assert observe(numbered)() == 1
    assert spans[0].name == "Numbered"


def test_names_of_callables_without_a_name():
    class Nameless:
        def __call__(self):
            return 1

    with capture() as spans:
        observe(Nameless())()
        observe(functools.partial(plain, 1))(2)
        observe(functools.partial(len))([])
        callspan.tool(functools.partial(Shop().method, 1))()
        observe(lambda: None)()
    assert [span.name for span in spans] == ["Nameless", "plain", "partial", "Shop.method", "<lambda>"]
