"""Shapes for msgspec, which comes with an extra, so that no class of a module can be one."""

from __future__ import annotations

from typing import Any


def shape(title: str, /, *, forbid_unknown_fields: bool = False, **fields: Any) -> Any:
    """Return a shape of these fields: each a type, and a default where there is one.

    What it is read from must have nothing that could be a ring, since the garbage collector does not look at it.
    """
    from msgspec import defstruct  # noqa: PLC0415 - an extra

    told = [(name, *field) for name, field in fields.items()]
    return defstruct(title, told, gc=False, forbid_unknown_fields=forbid_unknown_fields)


def list_of(one: Any) -> Any:
    """Return the shape of a list."""
    return list[one]
