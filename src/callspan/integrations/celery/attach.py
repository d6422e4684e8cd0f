"""Four of Celery's signals: before a task is published, before it runs, after that, and before its process ends."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Final

from callspan.capture.patching import LateModule
from callspan.integrations.celery.headers import after_run, before_exit, before_publish, before_run
from callspan.integrations.contract import Versions

_MODULE: Final = "celery.signals"
_RECEIVERS: Final = {
    "before_task_publish": before_publish,
    "task_prerun": before_run,
    "task_postrun": after_run,
    "worker_process_shutdown": before_exit,
}


class Celery:
    """The integration; see `callspan.integrations.contract.Integration`."""

    name = "celery"
    library = "celery"
    versions = Versions("celery", oldest=(5, 2), newest=(5,))

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._module = LateModule(_MODULE, _connect)

    def attach(self) -> None:
        """Listen to the signals now, or when they are imported."""
        self._module.want()

    def detach(self) -> None:
        """Listen no more."""
        self._module.forget()
        module = sys.modules.get(_MODULE)
        for name, receiver in _RECEIVERS.items() if module is not None else ():
            getattr(module, name).disconnect(receiver)

    def report(self) -> str:
        """Name the signals."""
        return "listens to the signals " + ", ".join(_RECEIVERS)


def _connect(module: ModuleType) -> None:
    for name, receiver in _RECEIVERS.items():
        getattr(module, name).connect(receiver, weak=False)


CELERY: Final = Celery()
