"""Checks attributes against the data of the GenAI conventions, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DATA = Path(__file__).parent / "data"
NEWEST: dict[str, str] = json.loads((DATA / "genai-registry.json").read_text())["attribute_types"]
RELEASED: dict[str, str] = json.loads((DATA / "genai-1.41-types.json").read_text())
KNOWN_VALUES: dict[str, list[str]] = json.loads((DATA / "genai-registry.json").read_text())["well_known_values"]
VARIABLE = "gen_ai.prompt.variable."

# What the newest conventions have and the release has not; more attributes than a schema names are allowed.
UNRELEASED = {
    "gen_ai.prompt.version",
    "gen_ai.request.reasoning.level",
    "gen_ai.request.previous_response.id",
    "gen_ai.response.status",
    *(f"gen_ai.usage.{what}.{way}_tokens" for what in ("audio", "text", "image") for way in ("input", "output")),
}

_IS = {
    "string": lambda value: type(value) is str,
    "int": lambda value: type(value) is int,
    "double": lambda value: type(value) is float,
    "boolean": lambda value: type(value) is bool,
    "string[]": lambda value: type(value) is list and all(type(item) is str for item in value),
    "any": lambda value: type(value) is str,
}


def misfits(attributes: dict[str, Any], types: dict[str, str]) -> list[str]:
    """Return every attribute of the conventions whose name or type is not theirs."""
    return [key for key, value in attributes.items() if _is_theirs(key) and not _fits(key, value, types)]


def schema_errors(attributes: dict[str, Any], name: str, schema: str) -> list[str]:
    """Return what the schema in the file of that name says against a JSON attribute."""
    validator = Draft202012Validator(json.loads((DATA / f"{schema}.json").read_text()))
    return [error.message for error in validator.iter_errors(json.loads(attributes[name]))]


def _is_theirs(key: str) -> bool:
    return key.startswith(("gen_ai.", "openai.", "server.", "error."))


def _fits(key: str, value: object, types: dict[str, str]) -> bool:
    if key.startswith(VARIABLE):
        return type(value) is str
    return _IS[types.get(key, "string" if key == "error.type" else "unknown")](value)


_IS["unknown"] = lambda _: False
