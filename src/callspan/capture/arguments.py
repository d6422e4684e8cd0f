"""What can be known of a function's parameters at decoration time, from its code object alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType, MethodType
from typing import Any, Final, NamedTuple

_COROUTINE: Final = 0x80
_GENERATOR: Final = 0x20
_ASYNC_GENERATOR: Final = 0x200
_ITERABLE_COROUTINE: Final = 0x100
_VARIADIC: Final = 0x04
_PLAIN: Final = (str, int, float, bool)

AnyFunction = Callable[..., Any]


class Parameters(NamedTuple):
    """Names of positional parameters and of `*args`, plain defaults, and whether the first is `self` or `cls`."""

    names: tuple[str, ...] = ()
    variadic: str | None = None
    defaults: dict[str, Any] = {}  # noqa: RUF012 - never written to
    skip_first: bool = False


def innermost(function: Any) -> Any:
    """Return the function whose code runs: through `functools.partial`, bound methods and the `__call__` of an object.

    None for what has no Python code of its own: builtins, C extensions, mocks that only pretend.
    """
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):  # which shows the __code__ of its function too
            function = function.__func__
        elif isinstance(getattr(function, "__code__", None), CodeType):
            return function
        else:
            function = getattr(type(function), "__call__", None)  # noqa: B004 - to have it, not to know whether
            if not isinstance(function, FunctionType):
                return None


def colour(function: Any) -> str:
    """Return which driver fits: function, coroutine, generator, async_generator or iterable_coroutine."""
    inner = innermost(function)
    flags = inner.__code__.co_flags if inner is not None else 0
    if flags & _COROUTINE or getattr(inner, "_is_coroutine_mark", None) is not None:
        return "coroutine"
    if flags & _ASYNC_GENERATOR:
        return "async_generator"
    if flags & _ITERABLE_COROUTINE:
        return "iterable_coroutine"
    return "generator" if flags & _GENERATOR else "function"


def parameters_of(function: Any) -> Parameters:
    """Return what is known of a callable's parameters; empty for builtins and partials, whose names do not line up."""
    if isinstance(function, functools.partial):
        return _after_partial(function)
    inner = innermost(function)
    if inner is None:
        wrapped = getattr(function, "__wrapped__", None)  # what functools.cache keeps
        return parameters_of(wrapped) if isinstance(wrapped, FunctionType) else Parameters()
    code: CodeType = inner.__code__
    if type(code) is not CodeType:  # a mock's, which has the flags and no more
        return Parameters()
    if not code.co_argcount and code.co_flags & _VARIADIC and hasattr(inner, "__wrapped__"):
        passed_on = parameters_of(inner.__wrapped__)  # another decorator passes everything on
        return passed_on if inner is function else _after_first(passed_on)
    names = code.co_varnames[: code.co_argcount]
    variadic_at = code.co_argcount + code.co_kwonlyargcount
    variadic = code.co_varnames[variadic_at] if code.co_flags & _VARIADIC else None
    defaults = _plain_defaults(inner, names)
    if inner is not function:  # a bound method or a callable object: the first parameter is bound already
        return Parameters(names[1:], variadic, defaults)
    skip_first = bool(names) and names[0] in ("self", "cls") and _is_in_class(inner)
    return Parameters(names[1:] if skip_first else names, variadic, defaults, skip_first)


def _after_partial(partial: Any) -> Parameters:
    inner = parameters_of(partial.func)
    taken = len(partial.args)
    if inner.skip_first:
        if not taken:
            return inner._replace(defaults={**inner.defaults, **_plain(partial.keywords.items())})
        inner, taken = _after_first(inner), taken - 1
    if len(inner.names) < taken:
        return Parameters((), inner.variadic)
    return Parameters(inner.names[taken:], inner.variadic, {**inner.defaults, **_plain(partial.keywords.items())})


def _after_first(parameters: Parameters) -> Parameters:
    """Return what is left once the first parameter is bound."""
    names = parameters.names if parameters.skip_first else parameters.names[1:]
    return parameters._replace(names=names, skip_first=False)


def _plain_defaults(function: Any, names: tuple[str, ...]) -> dict[str, Any]:
    positional = function.__defaults__ or ()
    pairs = [*zip(names[len(names) - len(positional) :], positional, strict=True)]
    return _plain([*pairs, *(function.__kwdefaults__ or {}).items()])


def _plain(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Keep the defaults that cannot change and say something."""
    return {name: value for name, value in pairs if any(type(value) is kind for kind in _PLAIN)}


def _is_in_class(function: Any) -> bool:
    owner = function.__qualname__.rpartition(".")[0]
    return bool(owner) and not owner.endswith("<locals>")


def bind(parameters: Parameters, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Put the arguments of a call under their names, for a user's `input=`; the values are the user's own."""
    names = parameters.names
    if parameters.skip_first:
        args = args[1:]
    bound = dict(zip(names, args, strict=False))
    if parameters.variadic and len(args) > len(names):
        bound[parameters.variadic] = [*args[len(names) :]]
    bound.update(kwargs)
    return {**bound, **{name: value for name, value in parameters.defaults.items() if name not in bound}}
