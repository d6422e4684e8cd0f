"""Where a run's span is current: in what the run does, and nowhere else.

LangChain runs a step in a copy of the caller's context and throws the copy away. There the span of the run around is
made current, so nothing has to be restored, whatever becomes of the step: a stream in the middle, a task, a thread.
Models and retrievers are called in the caller's own context. Their spans are made current at the start and taken out
with the first piece of a stream, or at the end.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, Final

from callspan.guard import guard
from callspan.integrations.langchain import endings
from callspan.integrations.langchain.runs import Hidden, Run, Runs
from callspan.integrations.langchain.stream import answer_so_far

Arguments = tuple[Any, ...]
Named = dict[str, Any]

_started: Final[ContextVar[list[Run] | None]] = ContextVar("callspan_langchain_started", default=None)


def note_start(run: Run) -> None:
    """Let the call around, of a retriever or a tool, know which run is its own: the first one that starts in it."""
    box = _started.get()
    if box is not None and not box:
        box.append(run)


class Inside:
    """The wrappers around LangChain's own functions, for one set of runs."""

    def __init__(self, runs: Runs) -> None:
        """Look for runs in `runs`."""
        self._runs = runs

    def enter_step(self, original: Callable[..., Any], on: list[Any]) -> Callable[..., Any]:
        """Return what runs in place of `_set_config_context`, which prepares the copy of a context for a run's step."""
        runs = self._runs.by_number

        def set_config_context(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if on:
                try:
                    config = args[0] if args else kwargs.get("config")
                    callbacks = config.get("callbacks") if type(config) is dict else None
                    run_id = getattr(callbacks, "parent_run_id", None)  # as LangChain itself looks for it
                    found = runs.get(getattr(run_id, "int", run_id))
                    run = found.parent if isinstance(found, Hidden) else found
                    if run is not None:
                        run.enter_copy()
                except Exception as error:  # noqa: BLE001 - our fault must not become the user's
                    guard.note("entering a step of langchain", error)
            return result

        return set_config_context

    def generate(self, wrapped: Callable[..., Any], _: Any, args: Arguments, kwargs: Named) -> Any:
        """Call a model for one of the prompts it was given."""
        run = self._run_of(args, kwargs)
        if run is None:
            return wrapped(*args, **kwargs)
        run.enter_here()
        try:
            return wrapped(*args, **kwargs)
        finally:
            run.leave_here()

    def stream(self, wrapped: Callable[..., Any], _: Any, args: Arguments, kwargs: Named) -> Any:
        """Return a model's events, of whose end LangChain does not tell where their consumer drops them."""
        run = self._run_of(args, kwargs)
        events = wrapped(*args, **kwargs)
        return events if run is None else self._watch_events(run, events)

    def _watch_events(self, run: Run, events: Any) -> Generator[Any, Any, Any]:
        try:
            return (yield from events)
        except GeneratorExit as error:
            self._end(run, error)
            raise

    def generate_later(self, wrapped: Callable[..., Any], _: Any, args: Arguments, kwargs: Named) -> Any:
        """Call a model in a task of its own, which LangChain makes of the coroutine that this returns."""
        run = self._run_of(args, kwargs)
        if run is None:
            return wrapped(*args, **kwargs)
        run.leave()
        return self._generate_in_task(run, wrapped, args, kwargs)

    async def _generate_in_task(self, run: Run, wrapped: Callable[..., Any], args: Arguments, kwargs: Named) -> Any:
        run.enter_here()
        try:
            return await wrapped(*args, **kwargs)
        except CancelledError as error:
            self._end(run, error)  # LangChain does not tell of it
            raise
        finally:
            run.leave()

    def call(self, wrapped: Callable[..., Any], _: Any, args: Arguments, kwargs: Named) -> Any:
        """Call a retriever, whose run LangChain leaves open where something else than an Exception ends it."""
        before = _started.get()
        box: list[Run] = []
        _started.set(box)
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            self._end_all(box, error)
            raise
        finally:
            _started.set(before)

    async def call_later(self, wrapped: Callable[..., Any], _: Any, args: Arguments, kwargs: Named) -> Any:
        """Call a retriever or a tool, as `call`."""
        before = _started.get()
        box: list[Run] = []
        _started.set(box)
        try:
            return await wrapped(*args, **kwargs)
        except BaseException as error:
            self._end_all(box, error)
            raise
        finally:
            for run in box:
                run.leave()
            _started.set(before)

    def _end_all(self, box: list[Run], error: BaseException) -> None:
        for run in box:
            self._end(run, error)

    def _end(self, run: Run, error: BaseException) -> None:
        try:
            if self._runs.take(run.identity) is run:
                endings.fail(self._runs, run, error, answer_so_far(run))
        except Exception as fault:  # noqa: BLE001
            guard.note("ending a run of langchain", fault)

    def _run_of(self, args: Arguments, kwargs: Named) -> Run | None:
        """Return the run of a model's call: that of its only prompt, None where it answers several at once."""
        try:
            manager = kwargs.get("run_manager")
            if manager is None:
                managers = kwargs.get("run_managers", args[2] if len(args) > 2 else None)
                manager = managers[0] if type(managers) is list and len(managers) == 1 else None
            run = self._runs.find(getattr(manager, "run_id", None))
        except Exception as error:  # noqa: BLE001 - a manager of somebody's own
            guard.note("finding a run of langchain", error)
            return None
        return run if type(run) is Run else None
