"""What is current when a task is sent travels in the headers of its message, and is current again while it runs.

A task makes no span by itself: decorate its function, if it is a step of the application.
"""

from __future__ import annotations

from typing import Any, Final

from callspan.capture.propagation import inject, take_over
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.recording.carriers import NAMES

_BLOCK: Final = "_callspan_block"


def before_publish(headers: Any = None, **_: Any) -> None:
    """Add the headers to a message that is about to be sent."""
    if type(headers) is dict:
        inject(headers)


def before_run(task: Any = None, **_: Any) -> None:
    """Make current what the message of a task names; a task that runs where it was called has no message."""
    try:
        request = task.request
        if request.is_eager:
            return
        given = vars(request)
        block = take_over([(name, given[name]) for name in NAMES if name in given], None)
        if block is not None:
            block.__enter__()
            given[_BLOCK] = block
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("beginning a task of celery", error)


def after_run(task: Any = None, **_: Any) -> None:
    """Make current again what was before the task."""
    try:
        block = vars(task.request).pop(_BLOCK, None)
        if block is not None:
            block.__exit__(None, None, None)
    except Exception as error:  # noqa: BLE001
        guard.note("ending a task of celery", error)


def before_exit(**_: Any) -> None:
    """Deliver what a worker's process has left: it is about to be killed, past everything that is done at an exit."""
    try:
        if switch.deliver is not None:
            switch.deliver()
    except Exception as error:  # noqa: BLE001
        guard.note("ending a process of celery", error)
