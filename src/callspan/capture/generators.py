"""Generators that a framework hands out while a span of its own stays open: followed, and known again when they run.

The body of a generator runs later, in whatever context its consumer has. What it calls belongs to the span that was
open when it was made, so its frame is remembered: whoever opens a span finds the frame on the stack.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from types import AsyncGeneratorType, CodeType, GeneratorType
from typing import Any, Final

from callspan.capture.drivers import first_step
from callspan.capture.streams import StreamWatch

_FRAMES: Final = 128  # how far down the stack is looked


class LazyBodies:
    """Whose the bodies of generators are, by their frames. Holds neither generator nor frame."""

    def __init__(self) -> None:
        """Know of none."""
        self._owners: dict[int, tuple[CodeType, Any]] = {}

    def __bool__(self) -> bool:
        """Return whether there is any: else nobody has to look at the stack."""
        return bool(self._owners)

    def add(self, generator: Any, owner: Any) -> None:
        """Say that what the body of a generator calls belongs to `owner`; forgotten when the generator is gone."""
        frame = generator.gi_frame if type(generator) is GeneratorType else generator.ag_frame
        if frame is not None:
            key = id(frame)  # the frame object stays the same for as long as the body can run
            self._owners[key] = frame.f_code, owner
            finalizer = weakref.finalize(generator, self._owners.pop, key, None)
            finalizer.atexit = False

    def forget(self, owner: Any) -> None:
        """Forget the generators of an owner: its span has ended."""
        for key, (_, kept) in [*self._owners.items()]:
            if kept is owner:
                self._owners.pop(key, None)

    def running(self) -> Any:
        """Return the owner of the innermost generator whose body runs here; None where none of them does."""
        owners = self._owners
        frame = sys._getframe(1)  # noqa: SLF001 - the stack has no other door
        for _ in range(_FRAMES):
            found = owners.get(id(frame))
            if found is not None and found[0] is frame.f_code:
                return found[1]
            if frame.f_back is None:
                return None
            frame = frame.f_back
        return None


lazy_bodies: Final = LazyBodies()
"""Of all frameworks. An owner has a `span`."""


def is_generator(value: Any) -> bool:
    """Return whether a value is a generator, or an asynchronous one, as the interpreter makes them."""
    return type(value) is GeneratorType or type(value) is AsyncGeneratorType


def follow(generator: Any, watch: StreamWatch) -> Any:
    """Return a generator of the same kind that does what `generator` does, tells `watch` of it, and ends it."""
    watch.is_teed = True
    followed = _follow(generator, watch) if type(generator) is GeneratorType else _follow_async(generator, watch)
    watch.end_when_dropped(followed)
    return followed


def _follow(generator: Generator[Any, Any, Any], watch: StreamWatch) -> Generator[Any, Any, Any]:
    step: Callable[[Any], Any] = generator.send
    value: Any = None
    try:
        while True:
            item = step(value)
            watch.note(item)
            try:
                value = yield item
                step = generator.send
            except BaseException as thrown:  # noqa: BLE001 - it goes to the generator
                value, step = thrown, generator.throw
    except StopIteration as stop:
        watch.finish()
        return stop.value
    except BaseException as error:
        value = None  # it may be the error, which refers to this frame
        watch.fail(error)
        raise


async def _follow_async(generator: AsyncGenerator[Any, Any], watch: StreamWatch) -> AsyncGenerator[Any, Any]:
    try:
        step: Any = first_step(generator)
        while True:
            item = await step
            watch.note(item)
            try:
                sent = yield item
            except BaseException as thrown:  # noqa: BLE001
                step = generator.athrow(thrown)
            else:
                step = generator.asend(sent)
    except StopAsyncIteration:
        watch.finish()
    except BaseException as error:
        step = None
        watch.fail(error)
        raise
