"""Dialects by their names in settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from callspan.dialects.contract import Dialect
from callspan.dialects.genai import GENAI, GENAI_1_41
from callspan.dialects.openinference import OPENINFERENCE
from callspan.errors import ConfigurationError

DIALECTS: Final[dict[str, Dialect]] = {dialect.name: dialect for dialect in (GENAI, GENAI_1_41, OPENINFERENCE)}


def find(name: object) -> Dialect:
    """Return the dialect of that name. Raises `ConfigurationError` for an unknown one.

    >>> find("genai-1.41").schema_url
    'https://opentelemetry.io/schemas/1.41.0'
    """
    if isinstance(name, str):
        dialect = DIALECTS.get(name.strip().lower())
        if dialect is not None:
            return dialect
    raise ConfigurationError("dialects", name, f"use one or several of: {', '.join(DIALECTS)}")


def resolve(chosen: str | Dialect | Iterable[str | Dialect]) -> tuple[Dialect, ...]:
    """Turn a setting into dialects: one or several names, separated by commas or in a list, or objects of your own.

    Names may repeat; order is kept and decides nothing but which spelling wins where two dialects share a name. Raises
    `ConfigurationError` for an unknown name and for none at all.

    >>> [dialect.name for dialect in resolve("genai, openinference")]
    ['genai', 'openinference']
    """
    several: Iterable[object]
    if isinstance(chosen, str):
        several = [name for name in chosen.split(",") if name.strip()]
    elif isinstance(chosen, Iterable):
        several = chosen
    else:
        several = [chosen]
    found = [item if isinstance(item, Dialect) else find(item) for item in several]
    if not found:
        raise ConfigurationError("dialects", chosen, f"name at least one of: {', '.join(DIALECTS)}")
    return tuple({dialect.name: dialect for dialect in found}.values())
