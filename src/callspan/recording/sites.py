"""What is known of a place in the code before it runs: computed once, shared by all its spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from callspan.model.facts import ToolFacts
    from callspan.model.kinds import Kind


class Awaited:
    """Says, as `Span.provider_call`, that no call of a provider has been seen yet."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Name it."""
        return "AWAITED"


AWAITED: Final = Awaited()


class Site:
    """A decorated function, a `with span(...)` or an integration's hook.

    `parameters` are the names of positional parameters, `variadic` that of `*args`; `defaults` the plain default
    values by name. `skip_first` leaves out `self` or `cls`. `select_input` and `select_output` are the user's
    callables. `function` is kept for tools, whose description the worker reads. `open_objects` says that results may
    be objects whose stored fields are the facts (documents, answers). `awaited` says of a generator that it is a
    coroutine of the old kind: what it returns is the output, and what it yields is for the event loop.
    `content` is how much of what passes may be told, where that is less than the settings say (`policy.Content`).
    `awaits_provider` says of a framework's hook that a provider's call below may write its facts into the span, and
    `may_repeat` that its answer may be one that another span tells of too: then the later one leaves usage out.
    """

    __slots__ = (
        "awaited",
        "capture_input",
        "capture_output",
        "component",
        "content",
        "defaults",
        "function",
        "kind",
        "may_repeat",
        "metadata",
        "name",
        "open_objects",
        "parameters",
        "provider_call",
        "reader",
        "reduce",
        "select_input",
        "select_output",
        "skip_first",
        "tags",
        "tool",
        "variadic",
        "vectors",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        *,
        component: str | None = None,
        parameters: tuple[str, ...] = (),
        variadic: str | None = None,
        defaults: dict[str, Any] | None = None,
        skip_first: bool = False,
        capture_input: bool = True,
        capture_output: bool = True,
        select_input: Callable[[tuple[Any, ...], dict[str, Any]], Any] | None = None,
        select_output: Callable[[Any], Any] | None = None,
        reduce: Callable[[list[Any]], Any] | None = None,
        tags: tuple[str, ...] = (),
        metadata: Any = None,
        function: Callable[..., Any] | None = None,
        reader: Callable[[Any, Any], None] | None = None,
        open_objects: bool = False,
        vectors: str = "full",
        content: str | None = None,
        awaited: bool = False,
        awaits_provider: bool = False,
        may_repeat: bool = False,
    ) -> None:
        """Hold what was found out at decoration time."""
        self.name = name
        self.kind = kind
        self.component = component
        self.parameters = parameters
        self.variadic = variadic
        self.defaults = defaults or {}
        self.skip_first = skip_first
        self.capture_input = capture_input
        self.capture_output = capture_output
        self.select_input = select_input
        self.select_output = select_output
        self.reduce = reduce
        self.tags = tags
        self.metadata = metadata
        self.function = function
        self.tool: ToolFacts | None = None  # found out by the worker
        self.reader = reader
        self.open_objects = open_objects
        self.vectors = vectors
        self.content = content
        self.awaited = awaited
        self.provider_call = AWAITED if awaits_provider else None  # of each span, at first
        self.may_repeat = may_repeat or awaits_provider

    def name_values(self, values: list[Any], keywords: tuple[str, ...]) -> dict[str, Any]:
        """Put names to the values of a call: positional parameters, `*args` as one list, then the keywords.

        Plain default values stand for what was not passed. A parameter that is passed twice, or one too many, is the
        user's TypeError to come: such values are kept under a number.
        """
        parameters = self.parameters
        if not keywords and not self.defaults and len(values) == len(parameters):
            return dict(zip(parameters, values))  # noqa: B905 - of one length, and it runs for every span
        count = len(values) - len(keywords)
        named = dict(zip(parameters, values[:count], strict=False))
        if count > len(parameters):
            extra = values[len(parameters) : count]
            if self.variadic:
                named[self.variadic] = extra
            else:
                named.update({str(index): value for index, value in enumerate(extra, len(parameters))})
        for given, value in zip(keywords, values[count:], strict=True):
            keyword = given if type(given) is str else str.__str__(given)
            named[keyword if keyword not in named else f"{keyword} #2"] = value
        for name, default in self.defaults.items():
            named.setdefault(name, default)
        return named
