"""Reads what an object stores, without running any code of its class.

Attribute access would ask `__getattribute__`, `__getattr__`, properties and metaclasses; here only the descriptors
that the interpreter itself made for `__dict__` and `__slots__` are used, found in the class dictionaries.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import GetSetDescriptorType, MemberDescriptorType, SimpleNamespace
from typing import Any, Final

HIDDEN: Final = "<hidden: repr=False>"

_MRO: Final[Any] = type.__dict__["__mro__"]
_QUALNAME: Final[Any] = type.__dict__["__qualname__"]
_MODULE: Final[Any] = type.__dict__["__module__"]
_DICT: Final[Any] = type.__dict__["__dict__"]


def mro_of(kind: type) -> tuple[type, ...]:
    """Return the method resolution order, asking no metaclass."""
    mro: tuple[type, ...] = _MRO.__get__(kind)
    return mro


def qualified_name(kind: type) -> str:
    """Return `module.Type`, or `Type` for a builtin."""
    name: str = _QUALNAME.__get__(kind)
    try:
        module = _MODULE.__get__(kind)
    except AttributeError:  # somebody deleted it
        return name
    return name if type(module) is not str or module == "builtins" else f"{module}.{name}"


def placeholder(kind: type) -> str:
    """Name a type where its value is not recorded: `<module.Type>`."""
    return f"<{qualified_name(kind)}>"


def class_value(mro: tuple[type, ...], name: str) -> Any:
    """Return what the class dictionaries hold under `name`, or None."""
    for kind in mro:
        found = _DICT.__get__(kind).get(name)
        if found is not None:
            return found
    return None


def instance_dict(value: Any, mro: tuple[type, ...]) -> dict[Any, Any] | None:
    """Return the instance's `__dict__`, or None if it has none or hides it behind code."""
    descriptor: Any = class_value(mro, "__dict__")
    if type(descriptor) is not GetSetDescriptorType and type(descriptor) is not MemberDescriptorType:
        return None
    found = descriptor.__get__(value)
    return found if type(found) is dict else None


def namedtuple_fields(mro: tuple[type, ...]) -> tuple[str, ...] | None:
    """Return the field names of a named tuple's class."""
    names = class_value(mro, "_fields")
    if type(names) is tuple and all(type(name) is str for name in names):
        return names
    return None


def of(value: Any, mro: tuple[type, ...], *, any_object: bool) -> dict[Any, Any] | None:
    """Return the stored public fields of a data object in a new dictionary; None when `value` is no such object.

    Data objects are dataclasses, attrs and pydantic instances, simple namespaces and enum members; with `any_object`
    everything that has an instance dictionary.
    """
    fields = class_value(mro, "__dataclass_fields__")
    if type(fields) is dict and "dataclasses" in sys.modules:
        field_type = vars(sys.modules["dataclasses"])["Field"]
        shown = [(name, field.repr is not False) for name, field in fields.items() if type(field) is field_type]
        return _named(value, mro, shown)
    attributes = class_value(mro, "__attrs_attrs__")
    if attributes is not None and issubclass(type(attributes), tuple) and "attr" in sys.modules:
        attribute_type = vars(sys.modules["attr"])["Attribute"]
        known = [item for item in tuple.__iter__(attributes) if type(item) is attribute_type]
        return _named(value, mro, [(item.name, item.repr is not False) for item in known])
    if class_value(mro, "__pydantic_core_schema__") is not None or class_value(mro, "__pydantic_fields__") is not None:
        return _pydantic(value, mro)
    stored = instance_dict(value, mro)
    if stored is None:
        return None
    if class_value(mro, "_member_map_") is not None and "_value_" in stored:
        return {"name": stored.get("_name_"), "value": stored["_value_"]}
    if issubclass(mro[0], SimpleNamespace) or any_object:
        return _public(stored)
    return None


def _named(value: Any, mro: tuple[type, ...], names: Iterable[tuple[str, bool]]) -> dict[Any, Any]:
    stored = instance_dict(value, mro) or {}
    fields: dict[Any, Any] = {}
    for name, shown in names:
        if name in stored:
            fields[name] = stored[name] if shown else HIDDEN
            continue
        slot = class_value(mro, name)
        if type(slot) is MemberDescriptorType:
            try:
                fields[name] = slot.__get__(value) if shown else HIDDEN
            except AttributeError:
                continue
    return fields


def _pydantic(value: Any, mro: tuple[type, ...]) -> dict[Any, Any] | None:
    stored = instance_dict(value, mro)
    if stored is None:
        return None
    fields = _public(stored)
    slot = class_value(mro, "__pydantic_extra__")
    if type(slot) is MemberDescriptorType:
        try:
            extra = slot.__get__(value)
        except AttributeError:
            extra = None
        if type(extra) is dict:
            fields.update(extra)
    described = class_value(mro, "__pydantic_fields__") or class_value(mro, "model_fields")
    field_module = sys.modules.get("pydantic.fields")
    if type(described) is dict and field_module is not None:
        info_type = vars(field_module)["FieldInfo"]
        for name, info in described.items():
            if name in fields and type(info) is info_type and info.repr is False:
                fields[name] = HIDDEN
    return fields


def _public(stored: dict[Any, Any]) -> dict[Any, Any]:
    return {name: item for name, item in stored.copy().items() if type(name) is str and name[:1] != "_"}
