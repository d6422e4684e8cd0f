"""Two patches: `Thread.start`, and `ThreadPoolExecutor.submit`, where `map` and `loop.run_in_executor` end too."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Final

from callspan.capture.patching import LateModule, Patches
from callspan.integrations.contract import Versions
from callspan.integrations.threads.carry import watch_start, watch_submit


class Threads:
    """The integration; see `callspan.integrations.contract.Integration`."""

    name = "threads"
    library = "threading"
    versions = Versions("threading", oldest=(), newest=())  # the standard library has none of its own

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._patches = Patches()
        self._pools = LateModule("concurrent.futures.thread", self._patch_pools)

    def attach(self) -> None:
        """Patch threads now, and pools when they are imported."""
        self._patches.put(threading.Thread, "start", watch_start)
        self._pools.want()

    def detach(self) -> None:
        """Take the patches off; what has been handed over already keeps what was current."""
        self._pools.forget()
        self._patches.take_off()

    def report(self) -> str:
        """Name the patched methods."""
        return f"patched {self._patches}"

    def _patch_pools(self, module: ModuleType) -> None:
        self._patches.put(module.ThreadPoolExecutor, "submit", watch_submit)


THREADS: Final = Threads()
