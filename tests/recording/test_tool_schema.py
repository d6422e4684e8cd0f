"""The JSON schema of a tool's parameters, from annotations as objects and as texts."""

from __future__ import annotations

import collections.abc
import typing
from typing import Annotated, Any, List, Literal, Optional, Union  # noqa: UP035 - what people write

import pytest

from callspan.recording.tool_schema import parameters_schema, schema_of


class Own:
    pass


STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, STRING),
        (int, INTEGER),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, NULL),
        (type(None), NULL),
        (list, {"type": "array"}),
        (tuple, {"type": "array"}),
        (set, {"type": "array"}),
        (dict, {"type": "object"}),
        (list[int], {"type": "array", "items": INTEGER}),
        (List[int], {"type": "array", "items": INTEGER}),  # noqa: UP006
        (List, {"type": "array"}),  # noqa: UP006
        (tuple[str, int], {"type": "array", "items": STRING}),
        (set[Own], {"type": "array"}),
        (dict[str, int], {"type": "object"}),
        (list[list[int]], {"type": "array", "items": {"type": "array", "items": INTEGER}}),
        (Optional[str], {"anyOf": [STRING, NULL]}),  # noqa: UP045
        (Union[str, int], {"anyOf": [STRING, INTEGER]}),  # noqa: UP007
        (str | None, {"anyOf": [STRING, NULL]}),
        (list[int] | None, {"anyOf": [{"type": "array", "items": INTEGER}, NULL]}),
        (Literal["a", "b", 1], {"enum": ["a", "b", 1]}),
        (Annotated[str, "in metres"], STRING),
        (Any, {}),
        (Own, {}),
        (typing.TypeVar("T"), {}),
        (collections.abc.Callable[[int], str], {}),
        (collections.abc.Sequence[int], {}),
        (5, {}),
    ],
    ids=str,
)
def test_annotations(annotation, schema):
    assert schema_of(annotation) == schema


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("str", STRING),
        (" int ", INTEGER),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("None", NULL),
        ("list", {"type": "array"}),
        ("dict", {"type": "object"}),
        ("list[int]", {"type": "array", "items": INTEGER}),
        ("typing.List[int]", {"type": "array", "items": INTEGER}),
        ("Sequence[str]", {"type": "array", "items": STRING}),
        ("collections.abc.Sequence[str]", {"type": "array", "items": STRING}),
        ("dict[str, list[int]]", {"type": "object"}),
        ("tuple[dict[str, int], str]", {"type": "array", "items": {"type": "object"}}),
        ("list[Own]", {"type": "array"}),
        ("str | None", {"anyOf": [STRING, NULL]}),
        ("list[int] | None", {"anyOf": [{"type": "array", "items": INTEGER}, NULL]}),
        ("None | list[int]", {"anyOf": [NULL, {"type": "array", "items": INTEGER}]}),
        ("list[int | str]", {"type": "array", "items": {"anyOf": [INTEGER, STRING]}}),
        ("dict[str, int | None]", {"type": "object"}),
        ("Optional[str]", {"anyOf": [STRING, NULL]}),
        ("typing.Optional[list[int]]", {"anyOf": [{"type": "array", "items": INTEGER}, NULL]}),
        ("Union[str, dict[str, int]]", {"anyOf": [STRING, {"type": "object"}]}),
        ("Optional", {}),
        ("Union", {}),
        ("Literal['a|b', 'c']", {}),
        ("Own", {}),
        ("Own[int]", {}),
        ("", {}),
    ],
)
def test_texts_of_annotations(annotation, schema):
    assert schema_of(annotation) == schema


def test_parameters():
    def function(self, city: str, /, days=3, *rest: int, unit: Literal["C", "F"] = "C", exact: bool, **more: str):
        pass

    assert parameters_schema(function) == {
        "type": "object",
        "properties": {"city": STRING, "days": {}, "unit": {}, "exact": {"type": "boolean"}},
        "required": ["city", "exact"],
    }


def test_nothing_is_required():
    assert parameters_schema(lambda tool_call_id, n=1: n) == {"type": "object", "properties": {"n": {}}}
    assert parameters_schema(lambda: None) == {"type": "object", "properties": {}}
