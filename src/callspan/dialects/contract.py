"""What a dialect is: a spelling of a span's facts as flat attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from callspan.model.span import Span

AttributeValue = str | bool | int | float | list[str] | list[bool] | list[int] | list[float]
Attribute = tuple[str, AttributeValue]


class Dialect(Protocol):
    """A spelling. `schema_url` is None where the convention has published none for these names."""

    name: str
    schema_url: str | None

    def attributes(self, span: Span) -> Iterator[Attribute]:
        """Yield the attributes of a finished span; keys are unique, values are never None."""
