"""Two handlers on the root dispatcher, and patches on the few methods of which it says nothing (`silent`).

The dispatcher lives in `llama_index_instrumentation`, and before 0.12.42 in `llama_index.core.instrumentation`. Neither
is imported here: the handlers are put on when the user's program has imported one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

from callspan.capture.open_spans import open_spans
from callspan.capture.patching import Patches, when_imported
from callspan.integrations.contract import Options, Versions
from callspan.integrations.llama_index.silent import SILENT, patch_silent
from callspan.integrations.llama_index.tracking import Tracker

_DISPATCHERS: Final = ("llama_index_instrumentation", "llama_index.core.instrumentation")


class LlamaIndex:
    """The integration; see `callspan.integrations.contract.Integration`.

    With `detail="full"` every span of LlamaIndex is recorded, those that are usually passed over as chains.
    """

    name = "llama-index"
    library = "llama_index"
    versions = Versions("llama-index-core", oldest=(0, 12), newest=(0, 14))

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.options = Options(detail=("usual", "full"))
        self.tracker = Tracker()
        self._patches = Patches()
        self._handlers: list[tuple[list[Any], Any]] = []  # where, and what
        self._is_wanted = self._is_waiting = False

    def attach(self) -> None:
        """Put the handlers on now, or when LlamaIndex is imported."""
        self._is_wanted = True
        open_spans.watch(self.tracker.frames.spans)
        self.tracker.keeps_everything = self.options["detail"] == "full"
        for name in (*_DISPATCHERS, *SILENT):
            if sys.modules.get(name) is not None:
                self._when_imported(sys.modules[name])
            elif not self._is_waiting:
                when_imported(name, self._when_imported)
        self._is_waiting = True

    def detach(self) -> None:
        """Take handlers and patches off; an import that is still to come changes nothing then."""
        self._is_wanted = False
        self._patches.take_off()
        while self._handlers:
            _remove(*self._handlers.pop())

    def report(self) -> str:
        """Say what is watched."""
        if not self._handlers:
            return "to be watched when llama_index is imported"
        return ", ".join(filter(None, ("handlers on the root dispatcher", _patched(self._patches))))

    def _when_imported(self, module: ModuleType) -> None:
        if not self._is_wanted:
            return
        if module.__name__ in SILENT:
            patch_silent(module, self._patches, self.tracker)
        elif not self._handlers:
            root = module.get_dispatcher()
            for handlers, handler in (
                (root.span_handlers, _span_handler(module, self.tracker)),
                (root.event_handlers, _event_handler(module, self.tracker)),
            ):
                handlers.append(handler)
                self._handlers.append((handlers, handler))


LLAMA_INDEX: Final = LlamaIndex()


def _patched(patches: Patches) -> str:
    return f"patched {patches}" if str(patches) else ""


def _remove(handlers: list[Any], handler: Any) -> None:
    """Take one handler out, found by identity: comparing would ask the others' `__eq__`."""
    for place, one in enumerate(handlers):
        if one is handler:
            del handlers[place]
            return


def _span_handler(module: ModuleType, tracker: Tracker) -> Any:
    """Make a handler of the library's own base class, which knows what later versions ask of one."""

    def span_enter(
        _: Any, id_: str, bound_args: Any, instance: Any = None, parent_id: Any = None, tags: Any = None, **__: Any
    ) -> None:
        tracker.enter(id_, bound_args.arguments, instance, parent_id, tags)

    def span_exit(_: Any, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **__: Any) -> None:  # noqa: ARG001
        tracker.exit(id_, result)

    def span_drop(_: Any, id_: str, bound_args: Any, instance: Any = None, err: Any = None, **__: Any) -> None:  # noqa: ARG001
        tracker.drop(id_, err)

    made = {
        "span_enter": span_enter,
        "span_exit": span_exit,
        "span_drop": span_drop,
        **dict.fromkeys(("new_span", "prepare_to_exit_span", "prepare_to_drop_span"), _nothing),
    }
    base = sys.modules[f"{module.__name__}.span_handlers"].BaseSpanHandler
    return type("CallspanSpanHandler", (base,), {"__module__": __name__, **made})()


def _event_handler(module: ModuleType, tracker: Tracker) -> Any:
    def handle(_: Any, event: Any, **__: Any) -> None:
        tracker.event(event)

    async def ahandle(_: Any, event: Any, **__: Any) -> None:
        tracker.event(event)

    base = sys.modules[f"{module.__name__}.event_handlers"].BaseEventHandler
    made = {"__module__": __name__, "handle": handle, "ahandle": ahandle}
    return type("CallspanEventHandler", (base,), made)()


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing: entering, leaving and dropping are overridden as a whole."""
