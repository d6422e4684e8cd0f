"""Types of the standard library and of numeric libraries whose values can be told in a few words or numbers.

They are recognised by identity in modules that are already loaded: nothing is imported, and a class that only calls
itself `Decimal` is not asked anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from callspan.recording import stored_fields

_NUMPY_FLOATS: Final = ("float16", "float32")
_NUMPY_INTEGERS: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMPY_BOOLS: Final = ("bool", "bool_")  # numpy 2, numpy 1
_SMALL_ARRAY: Final = 32_768
_PREFIX_BYTES: Final = 8


def _as_text(value: Any) -> str:
    return str(value)


def _iso(value: Any) -> str:
    """Return the ISO form; the offset only where no foreign `tzinfo` has to be asked for it."""
    zone = getattr(value, "tzinfo", None)
    if zone is None or _is(type(zone), "datetime", "timezone") or _is(type(zone), "zoneinfo", "ZoneInfo"):
        return str(value.isoformat())
    return f"{value.replace(tzinfo=None).isoformat()} {stored_fields.placeholder(type(zone))}"


def _bytes(value: Any) -> str:
    return f"<{type(value).__name__} of {len(value)}: {bytes(value[:_PREFIX_BYTES]).hex()}…>"


def _memory(value: Any) -> str:
    return f"<memoryview of {value.nbytes}>"


def _array(value: Any) -> Any:
    """Return the numbers of a small vector or matrix of floats, else type, shape and element type."""
    if value.ndim in (1, 2) and value.size <= _SMALL_ARRAY and value.dtype.char in "efd":
        return value.tolist()
    return f"<numpy.ndarray shape={value.shape} dtype={value.dtype.str}>"


def _item(value: Any) -> Any:
    return value.item()


def _shaped(value: Any) -> str:
    return f"<{stored_fields.qualified_name(type(value))} shape={tuple(value.shape)}>"


# (module, class, how to tell it). Everything here is C code or code of the library itself, on exactly this class.
_TELLERS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("builtins", "bytes", _bytes),
    ("builtins", "bytearray", _bytes),
    ("builtins", "memoryview", _memory),
    ("builtins", "complex", _as_text),
    ("builtins", "range", _as_text),
    ("datetime", "datetime", _iso),
    ("datetime", "date", _iso),
    ("datetime", "time", _iso),
    ("datetime", "timedelta", _as_text),
    ("decimal", "Decimal", _as_text),
    ("fractions", "Fraction", _as_text),
    ("uuid", "UUID", _as_text),
    ("pathlib", "PosixPath", _as_text),
    ("pathlib", "WindowsPath", _as_text),
    ("pathlib", "PurePosixPath", _as_text),
    ("numpy", "ndarray", _array),
    *(("numpy", name, _item) for name in (*_NUMPY_FLOATS, *_NUMPY_INTEGERS, *_NUMPY_BOOLS)),
    ("torch", "Tensor", _shaped),
    ("pandas", "DataFrame", _shaped),
    ("pandas", "Series", _shaped),
)


_BY_NAME: Final = {class_name: (module_name, tell) for module_name, class_name, tell in _TELLERS}


def describe(value: Any, kind: type) -> Any:
    """Return plain data that stands for `value`, or None when its type is not known."""
    name = stored_fields.qualified_name(kind).rpartition(".")[2]
    module_name, tell = _BY_NAME.get(name, ("", _as_text))
    return tell(value) if module_name and _is(kind, module_name, name) else None


def _is(kind: type, module_name: str, class_name: str) -> bool:
    module = sys.modules.get(module_name)
    return module is not None and vars(module).get(class_name) is kind
