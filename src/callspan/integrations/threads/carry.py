"""The OpenTelemetry context, carried into the thread that does the work: attached before, restored after.

Never a whole `copy_context()`: that would move the user's own context variables, and change what their code does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Final

from callspan.capture.switch import switch
from callspan.guard import guard

# Threads that serve whoever comes, not the one who happened to start them: pools, our own, and those of tracers.
_SERVING: Final = ("concurrent.futures.", "multiprocessing.", "callspan.", "opentelemetry.")
_ABSENT: Final = object()


def watch_start(wrapped: Callable[[], None], thread: threading.Thread, args: tuple[Any, ...], kwargs: Any) -> None:
    """Start a thread whose `run` finds current what is current here."""
    undo = _prepare(thread) if switch.recorder is not None else None
    try:
        wrapped(*args, **kwargs)
    except BaseException:
        if undo is not None:
            undo()
        raise


def watch_submit(wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
    """Submit work that finds current what is current here."""
    if args and switch.recorder is not None:
        context = _current()
        if context:
            return wrapped(_run_in, context, *args, **kwargs)
    return wrapped(*args, **kwargs)


def _current() -> Any:
    """Return what is to be carried; None where there is nothing."""
    try:
        from callspan.recording.otel import get_context  # noqa: PLC0415 - loaded, since the switch is on

        return get_context()
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("carrying the context", error)
        return None


def _run_in(context: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function with `context` current, and put back what the thread had."""
    from callspan.recording.otel import attached  # noqa: PLC0415 - loaded, since something was current

    with attached(context):
        return function(*args, **kwargs)


def _prepare(thread: threading.Thread) -> Callable[[], None] | None:
    """Let the thread's `run` carry the context, and return what undoes that.

    The method of the instance comes before that of its class, whoever overrides it; it is gone before it runs.
    """
    context = _current()
    if not context:
        return None
    try:
        from callspan.recording.otel import attached  # noqa: PLC0415 - loaded, since something is current

        own = threading.Thread.__dict__["__dict__"].__get__(thread)
        if _is_serving(own.get("_target")):
            return None
        before = own.get("run", _ABSENT)

        def undo() -> None:
            if before is _ABSENT:
                own.pop("run", None)
            else:
                own["run"] = before

        def run() -> None:
            undo()
            with attached(context):
                thread.run()

        own["run"] = run
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("carrying the context", error)
        return None
    return undo


def _is_serving(target: Any) -> bool:
    """Return whether the function of a thread is known to serve anybody."""
    function = target.__func__ if type(target) is MethodType else target
    module = function.__module__ if type(function) is FunctionType else None
    return type(module) is str and module.startswith(_SERVING)
