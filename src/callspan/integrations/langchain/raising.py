"""Handlers of the user's that raise: LangChain then tells the others nothing of the event, nor of the run's end.

One that guards a budget raises when an answer has come, before we are told of it, or lets a model not start. So what it
has kept from us is told afterwards, and a run that it has stopped at its start ends by what it raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from callspan.guard import guard
from callspan.integrations.langchain import endings
from callspan.integrations.langchain.handler import Handler
from callspan.integrations.langchain.runs import Runs

_ENDS: Final = ("_end", "_error")


class Raising:
    """The wrappers around LangChain's functions that tell all handlers of an event, for one set of runs."""

    def __init__(self, runs: Runs) -> None:
        """Look for runs in `runs`."""
        self._runs = runs

    def handle_event(self, original: Callable[..., Any], on: list[Any]) -> Callable[..., Any]:
        """Return what runs in place of `handle_event`."""

        def handle_event(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            except BaseException as error:
                if on:
                    self._mend(error, args, kwargs)
                raise

        return handle_event

    def handle_event_later(self, original: Callable[..., Any], on: list[Any]) -> Callable[..., Any]:
        """Return what runs in place of `ahandle_event`."""

        async def ahandle_event(*args: Any, **kwargs: Any) -> Any:
            try:
                return await original(*args, **kwargs)
            except BaseException as error:
                if on:
                    self._mend(error, args, kwargs)
                raise

        return ahandle_event

    def _mend(self, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Tell of an event that a handler has stopped: `args` are the handlers, the event's name and what it tells."""
        try:
            handlers, event, _, *told = args
            run_id = kwargs.get("run_id")
            identity = getattr(run_id, "int", run_id)
            if type(event) is not str or identity not in self._runs.by_number:
                return  # no run of ours, or its end is told already
            if event.endswith("_start"):
                run = self._runs.take(identity)
                if run is not None:
                    endings.fail(self._runs, run, error)
            elif event.endswith(_ENDS):
                for handler in handlers:
                    if issubclass(type(handler), Handler):
                        getattr(handler, event)(*told, **kwargs)
        except Exception as fault:  # noqa: BLE001 - our fault must not become the user's
            guard.note("telling of an event that a handler of langchain stopped", fault)
