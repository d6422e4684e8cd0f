"""Four short drivers around one `Call`: function, coroutine, generator, asynchronous generator.

Each keeps the protocol of what it wraps: the same objects go in and out, in the same order, on the same thread and in
the same task. The span is current while the user's code runs and never while a generator is suspended. Each adds one
frame to a traceback. All are plain closures that pickle by name; the wrapped function is called directly when nothing
is recorded.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from callspan.capture.switch import STREAM_BYTES, switch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from callspan.recording.sites import Site

AnyFunction = Callable[..., Any]


def drive_function(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch a plain function."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        open_call = switch.open_call
        if open_call is None or (call := open_call(site, args, kwargs)) is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        call.finish(result)
        return result

    return wrapper


def drive_coroutine(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch a coroutine function; the coroutine stays in its caller's task."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        open_call = switch.open_call
        if open_call is None or (call := open_call(site, args, kwargs)) is None:
            return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        call.finish(result)
        return result

    return wrapper


def drive_generator(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch a generator function, step by step: `send`, `throw`, `close` and the return value go through."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        open_call = switch.open_call
        if open_call is None or (call := open_call(site, args, kwargs)) is None:
            return (yield from function(*args, **kwargs))
        keep, current, make_current = call.begin_stream(), call.get_context, call.set_context
        own, outer = call.contexts
        size = -1  # until the first chunk
        try:
            generator = function(*args, **kwargs)
            step, value = generator.send, None
            while True:
                item = step(value)
                if current() is own:  # what leave() and enter() do, without calling them for every chunk
                    make_current(outer)
                else:
                    call.leave()
                if type(item) is str and -1 < size < STREAM_BYTES:
                    size += len(item)
                    keep(item)
                else:
                    size = call.chunk(item, max(size, 0))
                try:
                    value = yield item
                    step = generator.send
                except BaseException as thrown:  # noqa: BLE001 - it goes to the user's generator
                    value, step = _without_our_frame(thrown), generator.throw
                if current() is outer:
                    make_current(own)
                else:
                    own, outer = call.enter()
        except StopIteration as stop:
            call.finish_stream(max(size, 0))
            return stop.value
        except BaseException as error:
            call.fail(error)
            raise

    return wrapper


def drive_async_generator(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch an asynchronous generator function, in the consumer's task: `asend`, `athrow` and `aclose` go through."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        open_call = switch.open_call
        call = None if open_call is None else open_call(site, args, kwargs)
        size = 0
        if call is not None:
            call.begin_stream()
        try:
            generator = function(*args, **kwargs)
            step: Any = _first_step(generator)
            while True:
                item = await step
                if call is not None:
                    call.leave()
                    size = call.chunk(item, size)
                try:
                    sent = yield item
                except BaseException as thrown:  # noqa: BLE001
                    if call is not None:
                        call.enter()
                    step = generator.athrow(_without_our_frame(thrown))
                else:
                    if call is not None:
                        call.enter()
                    step = generator.asend(sent)
        except StopAsyncIteration:
            if call is not None:
                call.finish_stream(size)
        except BaseException as error:
            if call is not None:
                call.fail(error)
            raise

    return wrapper


def _without_our_frame(error: BaseException) -> BaseException:
    """Take off the frame that our `yield` has just put on the traceback of what was thrown in."""
    trace = error.__traceback__
    error.__traceback__ = None if trace is None else trace.tb_next
    return error


def _first_step(generator: Any) -> Any:
    """Start the inner generator without the event loop's hooks: it is closed by the outer one, not a second time.

    The hooks are set per thread and looked up by the first `asend` itself, so no other code runs in between.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
