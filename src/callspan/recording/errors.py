"""What may be told of an exception without running its code: type, message, and where it was raised."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Final

from callspan.model.span import ErrorFacts
from callspan.recording import stored_fields
from callspan.recording.plain import integer_text

_FRAMES: Final = 32
_MESSAGE: Final = 8192 + 4096  # the margin goes in the worker, once the gate has looked for secrets
_ARGUMENTS: Final = 64
_OURS: Final = ("/callspan/capture/", "/callspan/integrations/")  # where wrappers of ours pass an exception on
_ARGS: Final[Any] = BaseException.__dict__["args"]


def describe(error: BaseException) -> ErrorFacts:
    """Return the facts of an exception; its message is made of plain arguments, for `str(error)` may run any code."""
    kind = type(error)
    return ErrorFacts(stored_fields.qualified_name(kind), _message(error, kind), _frames(error.__traceback__))


def is_cancellation(error: BaseException) -> bool:
    """Return whether a task was cancelled; asks only libraries that are loaded."""
    kind = type(error)
    for module_name, class_name in (("asyncio", "CancelledError"), ("trio", "Cancelled")):
        module = sys.modules.get(module_name)
        cancelled = getattr(module, class_name, None) if module is not None else None
        if cancelled is not None and issubclass(kind, cancelled):
            return True
    return False


def _message(error: BaseException, kind: type) -> str:
    args: tuple[Any, ...] = _ARGS.__get__(error)
    if issubclass(kind, OSError) and len(args) == 2 and _is_plain(args[0]) and _is_plain(args[1]):
        filename = OSError.filename.__get__(error)
        where = f": {filename!r}" if type(filename) is str else ""
        return f"[Errno {args[0]}] {args[1]}{where}"[:_MESSAGE]
    if issubclass(kind, KeyError) and len(args) == 1 and type(args[0]) is str:
        return repr(args[0][:_MESSAGE])
    return ", ".join(_text(arg) for arg in args[:_ARGUMENTS])[:_MESSAGE]


def _is_plain(value: Any) -> bool:
    kind = type(value)
    return kind is str or kind is int or kind is float or kind is bool or value is None


def _text(value: Any) -> str:
    if type(value) is str:
        return str(value[:_MESSAGE])
    if type(value) is int:
        return integer_text(value)
    if _is_plain(value):
        return str(value)
    if issubclass(type(value), str):
        return str.__str__(value)[:_MESSAGE]
    return f"<{stored_fields.qualified_name(type(value))}>"


def _frames(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    """Return file, line and function of the innermost frames, outermost first; locals and source lines are left out."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        file = code.co_filename.replace("\\", "/")
        if not any(ours in file for ours in _OURS):
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return frames[-_FRAMES:]
