"""`observe` and its nine kinds: a decorated function's calls become spans."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MethodType
from typing import Any, Final, Literal, TypeVar, overload

from callspan.capture import drivers
from callspan.capture.arguments import Parameters, bind, colour, innermost, parameters_of
from callspan.capture.checks import check_metadata, check_tags, plain, texts
from callspan.errors import ConfigurationError
from callspan.model.kinds import KINDS, SYNONYMS, Kind, resolve
from callspan.policy import content_level
from callspan.recording.sites import Site

F = TypeVar("F")
Selection = bool | str | Iterable[str] | Callable[[Any], Any]
VectorPolicy = Literal["full", "hash", "none"]

_Cached: Final = type(functools.lru_cache(lambda: None))
_OBJECT_RESULTS: Final = ("llm", "retriever", "embedding", "reranker")


@overload
def observe(function: F, /) -> F: ...


@overload
def observe(
    *,
    name: str | None = None,
    kind: str = "chain",
    input: Selection = True,
    output: bool | Callable[[Any], Any] = True,
    reduce: Callable[[list[Any]], Any] | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    vectors: VectorPolicy = "full",
    capture_content: bool | Literal["metadata"] = True,
) -> Callable[[F], F]: ...


def observe(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    kind: str = "chain",
    input: Selection = True,  # noqa: A002 - the natural word, and only a keyword
    output: bool | Callable[[Any], Any] = True,
    reduce: Callable[[list[Any]], Any] | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    vectors: VectorPolicy = "full",
    capture_content: bool | Literal["metadata"] = True,
) -> Any:
    """Record every call of a function as a span; bare (`@observe`) or with arguments (`@observe(kind="tool")`).

    Works on functions, coroutine functions, generators, asynchronous generators, methods, classmethods and
    staticmethods (in either order), partials and callable objects. The function stays what it was: signature, type,
    flags, pickling, results and exceptions. Without `callspan.configure()` a call is only passed through.

    name: the span's name; the function's qualified name by default.
    kind: one of the nine kinds, or a synonym such as "workflow", which is kept as `callspan.component`.
    input: True or False, the names of the arguments to record, or a function from {name: value} to what is recorded.
    output: True or False, or a function from the result to what is recorded.
    reduce: for generators: a function from the list of what was yielded to what is recorded.
    tags, metadata: put on every span of this function.
    vectors: what embedding spans keep of vectors: "full", "hash" or "none".
    capture_content: False to record no arguments, results or exception texts, "metadata" their types and sizes only.

    Raises `ConfigurationError` when an argument cannot be meant, at decoration time.

    >>> @observe
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> add(1, 2)
    3
    """
    options = {
        "name": name,
        "kind": kind,
        "input": input,
        "output": output,
        "reduce": reduce,
        "tags": tags,
        "metadata": metadata,
        "vectors": vectors,
        "content": content_level("capture_content", capture_content),
    }
    _check(options)
    return functools.partial(_decorate, options=options) if function is None else _decorate(function, options)


def _decorate(function: Any, options: dict[str, Any]) -> Any:
    if isinstance(function, staticmethod | classmethod):
        return type(function)(_decorate(function.__func__, options))
    if isinstance(function, type) or not callable(function):
        raise ConfigurationError(
            "observe", function, "decorate a function or a method; for a class, decorate its methods"
        )
    kind = colour(function)
    site = _site(function, options, awaited=kind == "iterable_coroutine")
    if kind == "iterable_coroutine":
        return types.coroutine(drivers.drive_generator(function, site))
    drive: dict[str, Callable[[Any, Site], Any]] = {
        "function": drivers.drive_function,
        "coroutine": drivers.drive_coroutine,
        "generator": drivers.drive_generator,
        "async_generator": drivers.drive_async_generator,
    }
    decorated = drive[kind](function, site)
    if isinstance(function, _Cached):  # its methods are not in the __dict__ that functools.wraps copies
        decorated.cache_info, decorated.cache_clear = function.cache_info, function.cache_clear
    return decorated


def _site(function: Any, options: dict[str, Any], *, awaited: bool) -> Site:
    kind, component = resolve(options["kind"])
    parameters = parameters_of(function)
    selected = options["input"]
    select_output = options["output"]
    return Site(
        plain(options["name"] or _name_of(function)),
        kind,
        component=component,
        parameters=parameters.names,
        variadic=parameters.variadic,
        defaults=parameters.defaults,
        skip_first=parameters.skip_first,
        capture_input=selected is not False,
        capture_output=select_output is not False,
        select_input=None if isinstance(selected, bool) else _input_selector(selected, parameters),
        select_output=select_output if callable(select_output) else None,
        reduce=options["reduce"],
        tags=options["tags"],
        metadata=options["metadata"],
        function=innermost(function) if kind == "tool" else None,
        open_objects=kind in _OBJECT_RESULTS,
        vectors=options["vectors"],
        content=options["content"],
        awaited=awaited,
    )


def _input_selector(selected: Any, parameters: Parameters) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """Return the function that picks what is recorded of a call's arguments."""
    if callable(selected):
        return lambda args, kwargs: selected(bind(parameters, args, kwargs))

    def pick(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = bind(parameters, args, kwargs)
        return {name: bound[name] for name in selected if name in bound}

    return pick


def _name_of(function: Any) -> str:
    """Return `Class.method` or `function`, without the functions it was defined in."""
    inner = innermost(function)
    if inner is None or not isinstance(function, FunctionType | MethodType | functools.partial):
        return _text(getattr(function, "__name__", None)) or type(function).__name__  # a builtin, or a callable object
    return str(inner.__qualname__).rpartition("<locals>.")[2]


def _text(name: Any) -> str | None:
    return name if isinstance(name, str) else None


def _check(options: dict[str, Any]) -> None:
    """Raise `ConfigurationError` for what cannot be meant; keep iterables as tuples: some can be read only once."""
    kind = options["kind"]
    if not isinstance(kind, str) or (kind not in KINDS and kind not in SYNONYMS):
        raise ConfigurationError("kind", kind, f"choose one of {', '.join(KINDS)}")
    if options["name"] is not None and not isinstance(options["name"], str):
        raise ConfigurationError("name", options["name"], "give a string")
    if options["vectors"] not in ("full", "hash", "none"):
        raise ConfigurationError("vectors", options["vectors"], 'choose "full", "hash" or "none"')
    selected = options["input"]
    if not isinstance(selected, bool) and not callable(selected):
        names = (selected,) if isinstance(selected, str) else texts(selected)
        if names is None:
            raise ConfigurationError("input", selected, "give True, False, argument names or a function")
        options["input"] = names
    if not isinstance(options["output"], bool) and not callable(options["output"]):
        raise ConfigurationError("output", options["output"], "give True, False or a function of the result")
    if options["reduce"] is not None and not callable(options["reduce"]):
        raise ConfigurationError("reduce", options["reduce"], "give a function of the list of what was yielded")
    options["tags"] = check_tags(options["tags"])
    options["metadata"] = check_metadata(options["metadata"])


class _KindDecorator:
    """The type of `llm`, `tool` and the others: `observe` with the kind fixed, bare or with arguments."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Final = kind
        self.__doc__ = f"Record every call of a function as a span of kind {kind}; takes the arguments of `observe`."

    @overload
    def __call__(self, function: F, /) -> F: ...

    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        input: Selection = True,
        output: bool | Callable[[Any], Any] = True,
        reduce: Callable[[list[Any]], Any] | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        vectors: VectorPolicy = "full",
        capture_content: bool | Literal["metadata"] = True,
    ) -> Callable[[F], F]: ...

    def __call__(self, function: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Decorate, or return the decorator."""
        if "kind" in options:
            fix = f"leave it out: @{self.kind} fixes it; or use @observe(kind=…)"
            raise ConfigurationError("kind", options["kind"], fix)
        decorate = observe(kind=self.kind, **options)
        return decorate if function is None else decorate(function)

    def __repr__(self) -> str:
        return f"<callspan.{self.kind}>"


llm: Final = _KindDecorator("llm")
chain: Final = _KindDecorator("chain")
agent: Final = _KindDecorator("agent")
tool: Final = _KindDecorator("tool")
retriever: Final = _KindDecorator("retriever")
embedding: Final = _KindDecorator("embedding")
reranker: Final = _KindDecorator("reranker")
guardrail: Final = _KindDecorator("guardrail")
evaluator: Final = _KindDecorator("evaluator")
