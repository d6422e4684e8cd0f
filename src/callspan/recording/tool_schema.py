"""The JSON schema of a function's parameters, from its annotations as they stand: nothing is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Union, get_args, get_origin

_TYPES: Final[dict[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    tuple: "array",
    set: "array",
    dict: "object",
    None: "null",
    type(None): "null",
}
_NAMES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}
_CONTAINERS: Final = {
    "list": "array",
    "tuple": "array",
    "set": "array",
    "dict": "object",
    "List": "array",
    "Tuple": "array",
    "Set": "array",
    "Dict": "object",
    "Sequence": "array",
}
_SKIPPED: Final = ("self", "cls", "return", "tool_call_id")


def parameters_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return `{"type": "object", "properties": …, "required": […]}` for the named parameters of a function.

    An annotation that is not understood leaves its property open (`{}`).
    """
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = function.__defaults__ or ()
    optional = {*positional[len(positional) - len(defaults) :], *(function.__kwdefaults__ or {})}
    annotations = getattr(function, "__annotations__", {})
    names = [name for name in (*positional, *keyword) if name not in _SKIPPED]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema_of(annotations.get(name, Any)) for name in names},
    }
    required = [name for name in names if name not in optional]
    if required:
        schema["required"] = required
    return schema


def schema_of(annotation: Any) -> dict[str, Any]:
    """Return the schema of one annotation: a type, a generic alias, a union, a literal, or the text of one."""
    if isinstance(annotation, str):
        return _schema_of_text(annotation.strip())
    for known, name in _TYPES.items():
        if annotation is known:
            return {"type": name}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is Union or type(annotation).__name__ == "UnionType":
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin in (list, tuple, set):
        inner = schema_of(arguments[0]) if arguments else {}
        return {"type": "array", **({"items": inner} if inner else {})}
    if origin is dict:
        return {"type": "object"}
    return schema_of(arguments[0]) if type(annotation).__name__ == "_AnnotatedAlias" else {}


def _schema_of_text(text: str) -> dict[str, Any]:
    if text in _NAMES:
        return {"type": _NAMES[text]}
    members = _split(text, "|")
    if len(members) > 1:
        return {"anyOf": [_schema_of_text(member) for member in members]}
    head, bracket, inner = text.partition("[")
    head, arguments = head.rpartition(".")[2], _split(inner[:-1], ",") if bracket else []
    if head == "Optional" and arguments:
        return {"anyOf": [_schema_of_text(arguments[0]), {"type": "null"}]}
    if head == "Union" and arguments:
        return {"anyOf": [_schema_of_text(argument) for argument in arguments]}
    kind = _CONTAINERS.get(head)
    item = _schema_of_text(arguments[0]) if kind == "array" and arguments else {}
    return {"type": kind, **({"items": item} if item else {})} if kind else {}


def _split(text: str, separator: str) -> list[str]:
    """Split a text at the separators that stand outside of brackets."""
    pieces, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == separator and not depth:
            pieces.append("")
        else:
            pieces[-1] += character
    return [piece.strip() for piece in pieces]
