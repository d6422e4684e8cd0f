"""How a run came to its end: well, by an error, cancelled, given up, or handed on by LangGraph's control flow."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from callspan.integrations.langchain.objects import tree_of
from callspan.integrations.langchain.runs import Run, Runs
from callspan.model.span import Snapshot
from callspan.recording.errors import is_cancellation
from callspan.recording.recorder import account
from callspan.recording.stored_fields import mro_of

_ARGS: Final[Any] = BaseException.__dict__["args"]


def finish(run: Run, told: Snapshot | None, *, is_stream: bool = False) -> None:
    """End a run that LangChain says went well, with a snapshot of what it gave back.

    A stream that its consumer has dropped is reported so too. It is known by what is still open below: in one that was
    read to its end, everything below has ended before.
    """
    span, parent = run.span, run.parent_run
    is_given_up = parent is not None and parent.span.end_ns and parent.span.outcome == "abandoned"
    if is_given_up or (is_stream and run.below):
        span.outcome = "abandoned"
    if run.is_entered:
        run.leave_here()
    if told is not None and span.output is None and not span.end_ns:
        span.output = told
        span.size += told[3]
        if told[4] or told[5]:
            account(span, "output", told)
    run.finish(None)


def fail(runs: Runs, run: Run, error: BaseException, tree: Any = None) -> None:
    """End a run by what it raised; `tree` is what there was of an answer."""
    kind: Any = type(error)
    if _is_control_flow(kind):
        _hand_on(run, error)
        return
    if is_cancellation(error):
        cancel_below(runs, run, error)
    run.leave_here()
    if tree is not None and not run.span.end_ns:
        run.span.set_output(tree)
    run.fail(error)


def cancel_below(runs: Runs, run: Run, error: BaseException) -> None:
    """End what a cancelled run has left open: LangChain tells of the end of some, but not of all."""
    while run.below:
        try:
            child = run.below.popitem()[1]
        except KeyError:  # another thread was faster
            return
        cancel_below(runs, child, error)
        if runs.take(child.identity) is not None:
            child.leave_here()
            child.fail(error)


def _hand_on(run: Run, error: BaseException) -> None:
    """End a run that LangGraph interrupts, or that sends a command to the graph around: nothing has failed."""
    args: tuple[Any, ...] = _ARGS.__get__(error)
    told = tree_of(args[0], 1) if args else None
    if type(error).__name__ == "ParentCommand":
        run.leave_here()
        run.finish(told)
        return
    interrupts = told if type(told) is list else [told]
    for one in interrupts:
        run.span.add_event("interrupt", one if type(one) is dict else {"value": one})
    run.leave_here()
    run.finish({"__interrupt__": interrupts})


@lru_cache(maxsize=256)
def _is_control_flow(kind: type) -> bool:
    """Return whether LangGraph raises this type to steer: interrupts, and commands to the graph around."""
    return any(
        ancestor.__name__ == "GraphBubbleUp" and ancestor.__module__ == "langgraph.errors" for ancestor in mro_of(kind)
    )
