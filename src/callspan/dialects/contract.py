"""What a dialect is: a spelling of a span's facts as flat attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from callspan.model.span import Span

AttributeValue = str | bool | int | float | list[str] | list[bool] | list[int] | list[float]
Attributes = dict[str, AttributeValue]

WriteJson = Callable[[Any], Any]
"""`to_json`, or `to_json_utf8` for an encoder that writes such texts as they are: the only `bytes` among attributes."""


@runtime_checkable
class Dialect(Protocol):
    """A spelling. `schema_url` is None where the convention has published none for these names."""

    name: str
    schema_url: str | None

    def attributes(self, span: Span) -> Attributes:
        """Return the attributes of a finished span in a new dictionary; no value is ever None."""
