"""What holds for every span of a block: conversation, user, tags, metadata, prompt; and silence.

Each is a context manager, plain or asynchronous, that does nothing while callspan is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from callspan.capture.checks import check_conversation, check_metadata, check_tags, check_user_id
from callspan.capture.switch import switch
from callspan.errors import ConfigurationError
from callspan.guard import guard

if TYPE_CHECKING:
    from typing_extensions import Self

    from callspan.recording.scope import Scope


class ScopeBlock:
    """Changes the context for a block and puts it back by value."""

    __slots__ = ("_change", "_entered")

    def __init__(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Apply `change` to the context when the block is entered."""
        self._change = change
        self._entered: list[tuple[Any, Any] | None] = []  # one block may be entered by several tasks and threads

    def __enter__(self) -> Self:
        """Enter the block."""
        entered = None
        if switch.recorder is not None:
            try:
                from callspan.recording import otel  # noqa: PLC0415 - loaded, since the switch is on

                outer = otel.get_context()
                own = {**outer}
                self._change(own)
                entered = otel.Context(own), outer
                otel.set_context(entered[0])
            except Exception as error:  # noqa: BLE001
                guard.note("entering a scope", error)
        self._entered.append(entered)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the block."""
        if self._entered == [None]:  # it was off: nothing of ours may even be loaded
            self._entered.pop()
        else:
            try:
                from callspan.recording import otel  # noqa: PLC0415

                entered = self._pop(otel.get_context())
                if entered is not None:
                    otel.put_back_keys(*entered)
            except Exception as fault:  # noqa: BLE001
                guard.note("leaving a scope", fault)

    def _pop(self, current: Any) -> tuple[Any, Any] | None:
        """Take the pair that belongs to where we are: the one whose context is current, else the latest."""
        entered = self._entered
        for index in range(len(entered) - 1, -1, -1):
            pair = entered[index]
            if pair is not None and pair[0] is current:
                return entered.pop(index)
        return entered.pop() if entered else None

    async def __aenter__(self) -> Self:
        """Enter the block."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the block."""
        self.__exit__(kind, error, trace)


def _scope_block(change: Callable[[Scope], Scope]) -> ScopeBlock:
    def put(context: dict[str, Any]) -> None:
        from callspan.recording.otel import SCOPE_KEY  # noqa: PLC0415
        from callspan.recording.scope import EMPTY_SCOPE  # noqa: PLC0415

        context[SCOPE_KEY] = change(context.get(SCOPE_KEY, EMPTY_SCOPE))

    return ScopeBlock(put)


def conversation(conversation_id: str, *, user_id: str | None = None, step: int | None = None) -> ScopeBlock:
    """Put a conversation ID and the number of the turn on every span of the block.

    A turn is the outermost callspan span inside the block; turns are numbered from 1 per conversation, in the order in
    which they open, for as long as the process lives. `step` fixes the number instead. Raises `ConfigurationError`
    when the ID is no string or the step no whole number from 1.

    >>> with conversation("c-42", user_id="u-7"):
    ...     pass
    """
    known, user = check_conversation(conversation_id, step), check_user_id(user_id)
    return _scope_block(lambda scope: scope.converse(known, step, user))


def context(
    *, user_id: str | None = None, tags: Iterable[str] = (), metadata: Mapping[str, Any] | None = None
) -> ScopeBlock:
    """Put a user, tags and metadata on every span of the block; nested blocks add up, the innermost user counts."""
    user, kept, data = check_user_id(user_id), check_tags(tags), check_metadata(metadata)

    def add(scope: Scope) -> Scope:
        from callspan.recording.snapshot import freeze  # noqa: PLC0415

        return scope.add(user, kept, (freeze([data]),) if data else ())

    return _scope_block(add)


def using_prompt(rendered: Any) -> ScopeBlock:
    """Say that the model calls of the block come from this rendered prompt, where the text itself does not reach them.

    Takes what `PromptTemplate.format` and `callspan.prompt` return; raises `ConfigurationError` for anything else.
    """
    if not hasattr(rendered, "template") or not hasattr(rendered, "variables"):
        raise ConfigurationError("using_prompt", rendered, "give what PromptTemplate.format(...) returned")
    return _scope_block(lambda scope: scope.use_prompt(rendered))


def suppress() -> ScopeBlock:
    """Record nothing in the block, by callspan or by OpenTelemetry instrumentations that honour its suppression."""

    def put(context: dict[str, Any]) -> None:
        from callspan.recording.otel import SUPPRESS_KEYS  # noqa: PLC0415

        context.update(dict.fromkeys(SUPPRESS_KEYS, True))

    return ScopeBlock(put)
