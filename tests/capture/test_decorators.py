"""Where decorators can stand, what they are told, and what becomes of the arguments."""

from __future__ import annotations

import abc
import asyncio
import functools
import inspect
import operator
from unittest import mock

import pytest

import callspan
from callspan import ConfigurationError
from callspan.capture.decorators import observe
from callspan.guard import guard
from callspan.model.kinds import KINDS
from callspan.testing import capture


class Shop:
    """Methods in every order of decorators."""

    def __init__(self):
        self.stock = 3

    @observe
    def method(self, amount=1):
        return self.stock - amount

    @observe
    @classmethod
    def outer_class(cls, amount):
        return cls.__name__, amount

    @classmethod
    @observe
    def inner_class(cls, amount):
        return cls.__name__, amount

    @observe
    @staticmethod
    def outer_static(amount):
        return amount

    @staticmethod
    @observe
    def inner_static(amount):
        return amount

    @property
    @observe
    def left(self):
        return self.stock

    @observe
    async def later(self, amount):
        return amount

    @observe
    def items(self, count):
        yield from range(count)

    @observe
    def __call__(self, amount):
        return amount

    @functools.lru_cache  # noqa: B019 - the order under test
    @observe
    def cached(self, amount):
        return amount


def test_methods():
    shop = Shop()
    with capture() as spans:
        assert shop.method(amount=2) == 1
        assert Shop.method(shop) == 2
        assert Shop.outer_class(1) == ("Shop", 1)
        assert shop.outer_class(1) == ("Shop", 1)
        assert Shop.inner_class(2) == ("Shop", 2)
        assert Shop.outer_static(3) == 3
        assert shop.outer_static(3) == 3
        assert Shop.inner_static(4) == 4
        assert shop.left == 3
        assert asyncio.run(shop.later(5)) == 5
        assert [*shop.items(2)] == [0, 1]
        assert shop(6) == 6
        assert (shop.cached(7), shop.cached(7)) == (7, 7)
    assert [(span.name, span.input) for span in spans] == [
        ("Shop.method", {"amount": 2}),
        ("Shop.method", {"amount": 1}),
        ("Shop.outer_class", {"amount": 1}),
        ("Shop.outer_class", {"amount": 1}),
        ("Shop.inner_class", {"amount": 2}),
        ("Shop.outer_static", {"amount": 3}),
        ("Shop.outer_static", {"amount": 3}),
        ("Shop.inner_static", {"amount": 4}),
        ("Shop.left", None),
        ("Shop.later", {"amount": 5}),
        ("Shop.items", {"count": 2}),
        ("Shop.__call__", {"amount": 6}),
        ("Shop.cached", {"amount": 7}),
    ]


def test_inheritance_and_super():
    class Base:
        @observe
        def run(self):
            return "base"

        @observe
        @abc.abstractmethod
        def missing(self): ...

    class Child(Base):
        @observe
        def run(self):
            return "child of " + super().run()

    with capture() as spans:
        assert Child().run() == "child of base"
    assert spans.tree() == "chain Child.run\n  chain Base.run"
    assert Base.missing.__isabstractmethod__


def test_a_class_inside_a_function():
    class Local:
        @observe
        def method(self, a):
            return a

    with capture() as spans:
        Local().method(1)
    assert (spans[0].name, spans[0].input) == ("Local.method", {"a": 1})


# -- other callables ---------------------------------------------------------------------------------------------------


class Adder:
    def __init__(self, plus):
        self.plus = plus

    def __call__(self, value, times=1):
        return value * times + self.plus


class AsyncAdder:
    async def __call__(self, value):
        return value


def test_callable_objects():
    adder = observe(Adder(10))
    with capture() as spans:
        assert adder(1, times=3) == 13
        assert asyncio.run(observe(AsyncAdder())(2)) == 2
    assert inspect.iscoroutinefunction(observe(AsyncAdder()))
    assert [(span.name, span.input) for span in spans] == [
        ("Adder", {"value": 1, "times": 3}),
        ("AsyncAdder", {"value": 2}),
    ]


def test_builtins_bound_methods_lambdas_and_cached_functions():
    cached = functools.cache(lambda number, plus=1: number + plus)
    double = lambda number: number * 2
    with capture() as spans:
        assert observe(len)([1, 2]) == 2
        assert observe(operator.itemgetter(0))([5]) == 5
        assert observe([1, 2].count)(1) == 1
        assert observe(Shop().method)(1) == 2
        assert observe(double)(2) == 4
        assert observe(cached)(1) == 2
        assert observe(str.upper)("a") == "A"
    assert [(span.name, span.input) for span in spans][:3] == [
        ("len", {"0": [1, 2]}),
        ("itemgetter", {"0": [5]}),
        ("count", {"0": 1}),
    ]
    assert [(span.name, span.input) for span in spans if span.name.startswith(("Shop", "<"))] == [
        ("Shop.method", {"amount": 1}),  # the inner one ends first
        ("Shop.method", {"amount": 1}),
        ("<lambda>", {"number": 2}),
        ("<lambda>", {"number": 1, "plus": 1}),
    ]


def test_what_functools_cache_adds_stays_within_reach():
    cached = functools.cache(lambda: 1)
    decorated = observe(cached)
    decorated()
    decorated()
    assert decorated.cache_info().hits == 1
    decorated.cache_clear()
    assert decorated.cache_info().hits == 0


def test_singledispatch():
    @observe
    @functools.singledispatch
    def show(value):
        return "any"

    show.register(int, lambda value: "int")
    with capture() as spans:
        assert (show(1), show("a")) == ("int", "any")
    assert len(spans) == 2


def test_mocks():
    plain, later = mock.MagicMock(return_value=1), mock.AsyncMock(return_value=2)
    with capture() as spans:
        assert observe(plain)(3) == 1
        assert asyncio.run(observe(later)(4)) == 2
    plain.assert_called_once_with(3)
    later.assert_awaited_once_with(4)
    assert [span.output for span in spans] == [1, 2]


def test_over_another_decorator_the_names_of_the_innermost_count():
    def another(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @observe
    @another
    def add(a, b):
        return a + b

    with capture() as spans:
        assert add(1, b=2) == 3
    assert (spans[0].name.rpartition(".")[2], spans[0].input) == ("add", {"a": 1, "b": 2})


@pytest.mark.parametrize("thing", [int, 5, "text", None, property(lambda self: 1)])
def test_what_cannot_be_decorated(thing):
    if thing is None:
        assert callable(observe(thing))  # `observe(None)` is `observe()`
        return
    with pytest.raises(ConfigurationError, match="decorate a function or a method"):
        observe(thing)


# -- arguments of calls ------------------------------------------------------------------------------------------------


def test_names_of_arguments():
    @observe
    def function(a, /, b, *rest, c=3, d=None, **more):
        pass

    with capture() as spans:
        function(1, 2)
        function(1, 2, 3, 4, c=5)
        function(1, b=2, a=9, d="x")
    assert [span.input for span in spans] == [
        {"a": 1, "b": 2, "c": 3},
        {"a": 1, "b": 2, "rest": [3, 4], "c": 5},
        {"a": 1, "b": 2, "a #2": 9, "d": "x", "c": 3},
    ]


def test_too_many_arguments_are_kept_under_numbers():
    with capture() as spans, pytest.raises(TypeError):
        observe(lambda a: a)(1, 2, 3)
    assert spans[0].input == {"a": 1, "1": 2, "2": 3}


def test_defaults_that_can_change_are_not_recorded():
    with capture() as spans:
        observe(lambda a=[], b={}, c="x", d=1.5, e=True, f=None: None)()
    assert spans[0].input == {"c": "x", "d": 1.5, "e": True}


def test_keyword_that_is_a_subclass_of_str():
    class Name(str):
        __slots__ = ()

        def __hash__(self):
            calls.append(1)
            return str.__hash__(self)

    calls = []
    with capture() as spans:
        observe(lambda **more: None)(**{Name("key"): 1})
        calls.clear()
        spans.clear()
        function = observe(lambda **more: calls.clear())
        function(**{Name("key"): 1})
    assert spans[0].input == {"key": 1}
    assert calls == []


# -- what decorators are told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_nine_kinds_bare_and_with_arguments(kind):
    decorate = getattr(callspan, kind)
    with capture() as spans:
        decorate(lambda: "text")()
        decorate(name="named", tags=["a"])(lambda: "text")()
        observe(kind=kind)(lambda: "text")()
        with callspan.span("block", kind=kind):
            pass
    assert [span.kind for span in spans] == [kind] * 4
    assert (spans[1].name, spans[1].tags) == ("named", ["a"])
    assert repr(decorate) == f"<callspan.{kind}>"


def test_synonyms_become_a_kind_and_a_component():
    with capture() as spans:
        observe(kind="workflow")(lambda: None)()
        observe(kind="generation")(lambda: "x")()
    assert [(span.kind, span.component) for span in spans] == [("chain", "workflow"), ("llm", None)]


def test_tags_and_metadata():
    with capture() as spans:
        observe(tags=("a", "b"), metadata={"team": "search", "nested": {"n": 1}})(lambda: None)()
    assert (spans[0].tags, spans[0].metadata) == (["a", "b"], {"team": "search", "nested": {"n": 1}})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "bogus"}, "kind: got str; choose one of llm, chain"),
        ({"kind": 5}, "kind: got int"),
        ({"kind": ["llm"]}, "kind: got list"),
        ({"name": 5}, "name: got int; give a string"),
        ({"vectors": "some"}, 'vectors: got str; choose "full", "hash" or "none"'),
        ({"input": 5}, "input: got int; give True, False, argument names or a function"),
        ({"input": [1]}, "input: got list"),
        ({"output": "answer"}, "output: got str; give True, False or a function"),
        ({"reduce": "join"}, "reduce: got str; give a function"),
        ({"tags": "beta"}, "tags: got str; give a list of strings"),
        ({"tags": [1]}, "tags: got list"),
        ({"tags": 1}, "tags: got int"),
        ({"metadata": [1]}, "metadata: got list; give a dictionary"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_options_raise_where_the_function_is_decorated(options, words):
    with pytest.raises(ConfigurationError) as bare:
        observe(**options)
    assert str(bare.value).startswith(words)
    with pytest.raises(ConfigurationError) as with_function:
        observe(lambda: None, **options)
    assert str(with_function.value) == str(bare.value)


def test_the_kind_of_a_kind_decorator_is_fixed():
    with pytest.raises(ConfigurationError, match="leave it out: @tool fixes it"):
        callspan.tool(kind="llm")
    with pytest.raises(TypeError):
        callspan.tool(colour="red")


# -- input=, output= ---------------------------------------------------------------------------------------------------


def test_selected_input():
    def function(self, a, b=2, *rest, c=3):
        return a

    with capture() as spans:
        observe(function, input=False)(0, 1)
        observe(function, input="a")(0, 1)
        observe(function, input=(name for name in ["b", "c", "nothing", "rest"]))(0, 1, 2, 3)
        observe(function, input=lambda arguments: {"sum": arguments["a"] + arguments["b"]})(0, 1)
    assert [span.input for span in spans] == [None, {"a": 1}, {"b": 2, "c": 3, "rest": [3]}, {"sum": 3}]


def test_selected_input_of_a_method_leaves_self_out():
    class Owner:
        @observe(input=lambda arguments: arguments)
        def method(self, a):
            return a

    with capture() as spans:
        Owner().method(1)
    assert spans[0].input == {"a": 1}


def test_one_decorator_for_several_functions():
    decorate = observe(input=iter(["a"]), tags=iter(["t"]))
    with capture() as spans:
        decorate(lambda a, b: a)(1, 2)
        decorate(lambda a, b: b)(3, 4)
    assert [(span.input, span.tags) for span in spans] == [({"a": 1}, ["t"]), ({"a": 3}, ["t"])]


def test_selected_output():
    with capture() as spans:
        assert observe(output=False)(lambda: "secret")() == "secret"
        assert observe(output=len)(lambda: [1, 2])() == [1, 2]
    assert [span.output for span in spans] == [None, 2]


def fail(value):
    raise ArithmeticError("the user's own mistake")


@pytest.mark.parametrize("option", ["input", "output", "reduce"])
@pytest.mark.parametrize("colour", ["function", "coroutine", "generator", "async_generator"])
def test_a_callable_of_the_user_that_fails_costs_only_what_it_was_to_make(option, colour):
    guard.strict = False

    def function(a):
        return [a]

    async def coroutine(a):
        return [a]

    def generator(a):
        yield a

    async def async_generator(a):
        yield a

    async def collect(iterable):
        return [item async for item in iterable]

    decorated = observe(locals()[colour], **{option: fail})
    with capture() as spans:
        result = decorated(1)
        if colour == "coroutine":
            result = asyncio.run(result)
        elif colour == "async_generator":
            result = asyncio.run(collect(result))
        assert [*result] == [1]
    (span,) = spans
    assert span.outcome == "ok"
    assert span.input == (None if option == "input" else {"a": 1})
    if option == "output" or (option == "reduce" and "generator" in colour):
        assert span.output is None
    else:
        assert span.output == [1]
    makes_nothing = option == "reduce" and "generator" not in colour
    assert sum(guard.counts.values()) == (0 if makes_nothing else 1)


def test_a_reduce_that_fails_does_not_hide_the_error_of_a_stream():
    guard.strict = False

    @observe(reduce=fail)
    def stream():
        yield 1
        raise OSError("broken")

    with capture() as spans, pytest.raises(OSError, match="broken"):
        [*stream()]
    assert (spans[0].outcome, spans[0].error.message, spans[0].output) == ("error", "broken", None)


def test_output_set_inside_is_final():
    @observe
    def function():
        callspan.current_span().set_output("mine").set_input("also mine")
        return "theirs"

    with capture() as spans:
        assert function() == "theirs"
    assert (spans[0].input, spans[0].output) == ("also mine", "mine")
