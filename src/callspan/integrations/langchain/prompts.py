"""Prompt templates: what they say, what was put in, and which model calls they led to.

A template's messages become plain texts before a model sees them. So each text that a template has rendered is
remembered, and a model call finds the templates of its messages by their content; see `callspan.model.prompt`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.langchain.objects import Tree, fields_of, tree_of
from callspan.integrations.langchain.runs import RUN_KEY
from callspan.model.facts import Facts, PromptUse
from callspan.model.messages import read_message, texts_of
from callspan.model.prompt import recent_texts, remember
from callspan.model.span import Snapshot, Span
from callspan.recording.opening import value_of
from callspan.recording.otel import get_context
from callspan.recording.snapshot import freeze

_ROLES: Final = {
    "HumanMessagePromptTemplate": "user",
    "AIMessagePromptTemplate": "assistant",
    "SystemMessagePromptTemplate": "system",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessage": "system",
}
_HUB_NAMES: Final = ("lc_hub_owner", "lc_hub_repo")
_HUB_VERSION: Final = "lc_hub_commit_hash"


class Piece(NamedTuple):
    """One message of a template; `variable` is that of a placeholder, which stands for any number of messages."""

    role: str
    text: str
    variable: str | None = None


class Template(NamedTuple):
    """A template, read: its messages or its one text, its variables, and the values that it brings along."""

    pieces: list[Piece]
    variables: list[str]
    partial: Tree

    @property
    def text(self) -> str:
        """The whole template as one text; several messages, each with its role."""
        if len(self.pieces) == 1:
            return self.pieces[0].text
        return "\n".join(piece.text if piece.variable else f"{piece.role}: {piece.text}" for piece in self.pieces)

    def values(self, given: Any) -> Tree:
        """Return the variables' values: of what was given, only what the template asks for."""
        if not isinstance(given, dict):
            given = {self.variables[0]: given} if len(self.variables) == 1 else {}
        asked = {*self.variables, *(piece.variable for piece in self.pieces if piece.variable)}
        return {**self.partial, **{name: value for name, value in given.items() if name in asked}}

    def rendered(self, messages: list[Any], values: Tree) -> Iterator[Any]:
        """Yield the messages that pieces of the template have become; those of placeholders are somebody else's."""
        place = 0
        for piece in self.pieces:
            if piece.variable is not None:
                held = values.get(piece.variable)
                place += len(held) if isinstance(held, list) else 0
            elif place < len(messages):
                yield messages[place]
                place += 1


# -- in the worker -----------------------------------------------------------------------------------------------------


def read_prompt(serialized: Any, metadata: Any, span: Span, facts: Facts) -> None:
    """Read the run of a template: the template, its variables and the result, and remember the texts.

    `serialized` is LangChain's own dump of it, which nobody changes; the metadata tells of prompts from the hub.
    """
    template = read_serialized(serialized)
    if template is None:
        return
    name, version = _named(metadata, span.name, serialized)
    values = template.values(facts.input)
    texts = _texts_of(template, facts.output, values)
    rendered = [remember(text, template.text, values, name, version) for text in texts]
    version = rendered[0].version if rendered else version
    facts.prompts.append(PromptUse(template.text, values, name, version))


def read_serialized(serialized: Any) -> Template | None:
    """Read LangChain's dump of a template; None for one of another kind."""
    fields = serialized.get("kwargs") if isinstance(serialized, dict) else None
    return _read(fields, _dumped) if isinstance(fields, dict) else None


def read_object(template: Any) -> Template | None:
    """Read a template itself, by its stored fields."""
    return _read(fields_of(template), lambda one: (type(one).__name__, fields_of(one)))


def _dumped(one: Any) -> tuple[str, Tree]:
    path = one.get("id") if isinstance(one, dict) else None
    fields = one.get("kwargs") if isinstance(one, dict) else None
    return (str(path[-1]) if path else "", fields if isinstance(fields, dict) else {})


def _read(fields: Tree, look: Callable[[Any], tuple[str, Tree]]) -> Template | None:
    """Read a template's fields; `look` returns the class and the fields of one inside."""
    partial = fields.get("partial_variables")
    partial = {**partial} if isinstance(partial, dict) else {}
    partial = {name: value for name, value in partial.items() if not callable(value) and not _is_dump(value)}
    names = fields.get("input_variables")
    variables = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    messages = fields.get("messages")
    if isinstance(messages, list):
        return Template([piece for one in messages for piece in _pieces(*look(one), look)], variables, partial)
    text = fields.get("template")
    return Template([Piece("user", text)], variables, partial) if isinstance(text, str) else None


def _pieces(kind: str, fields: Tree, look: Callable[[Any], tuple[str, Tree]]) -> Iterator[Piece]:
    variable = fields.get("variable_name")
    if isinstance(variable, str):
        yield Piece("", f"{{{variable}}}", variable)
        return
    role = _ROLES.get(kind) or str(fields.get("role") or "user")
    inner = fields.get("prompt")
    if inner is None:
        content = fields.get("content")
        yield Piece(role, content if isinstance(content, str) else "")
        return
    parts = [look(one)[1].get("template") for one in (inner if isinstance(inner, list) else [inner])]
    yield Piece(role, "\n".join(part for part in parts if isinstance(part, str)))


def _is_dump(value: Any) -> bool:
    return isinstance(value, dict) and "lc" in value


def _named(metadata: Any, name: str, serialized: Any) -> tuple[str | None, str | None]:
    """Return what a template is called, and its version; None for what nobody has said."""
    if type(metadata) is dict and isinstance(metadata.get("lc_hub_repo"), str):
        path = "/".join(str(metadata[key]) for key in _HUB_NAMES if metadata.get(key) not in (None, "", "-"))
        version = metadata.get(_HUB_VERSION)
        return path, version if isinstance(version, str) else None
    return (None if name == _dumped(serialized)[0] else name), None


def _texts_of(template: Template, output: Any, values: Tree) -> list[str]:
    if isinstance(output, str):
        return [output]
    if not isinstance(output, list):
        return []
    found = [read_message(one) for one in template.rendered(output, values)]
    return texts_of(message for message in found if message is not None)


# -- templates that are formatted outside a chain ----------------------------------------------------------------------


def format_text(original: Callable[..., Any], on: list[Any]) -> Callable[..., Any]:
    """Return what runs in place of `format` or `format_messages`, of which LangChain tells nobody, and notes it."""

    def format_and_note(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if on and args and switch.recorder is not None and not _is_told():
            _note(args[0], kwargs, result)
        return result

    return format_and_note


async def format_later(
    wrapped: Callable[..., Any], template: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run `aformat_messages`, as `format_text`."""
    result = await wrapped(*args, **kwargs)
    if switch.recorder is not None and not _is_told():
        _note(template, kwargs, result)
    return result


def _is_told() -> bool:
    """Return whether this happens in the run of a template, which tells all of it."""
    inside: Any = get_context().get(RUN_KEY)
    return inside is not None and inside.component == "prompt" and not inside.end_ns


def _note(template: Any, given: dict[str, Any], result: Any) -> None:
    try:
        values, texts = freeze([tree_of(given)]), freeze([tree_of(result)])
        recent_texts.defer(lambda: _remember_later(template, values, texts))
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("noting a prompt of langchain", error)


def _remember_later(template: Any, given: Snapshot, result: Snapshot) -> None:
    try:
        read = read_object(template)
        if read is None:
            return
        values = read.values(value_of(given))
        for text in _texts_of(read, value_of(result), values):
            remember(text, read.text, values, None, None)
    except Exception as error:  # noqa: BLE001
        guard.note("reading a prompt of langchain", error)
