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

    from callspan.capture.call import Call
    from callspan.recording.sites import Site

AnyFunction = Callable[..., Any]


def drive_function(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch a plain function."""

    @_wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        open_call = switch.open_call
        if open_call is None or (call := open_call(site, args, kwargs)) is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            try:  # noqa: SIM105 - near the end of the stack there is no frame left for a context manager
                call.fail(error)
            except RecursionError:
                pass
            raise
        try:  # noqa: SIM105
            call.finish(result)
        except RecursionError:
            pass
        return result

    return wrapper


def drive_coroutine(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch a coroutine function; the coroutine stays in its caller's task."""

    @_wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        open_call = switch.open_call
        if open_call is None or (call := open_call(site, args, kwargs)) is None:
            return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            try:  # noqa: SIM105 - near the end of the stack there is no frame left for a context manager
                call.fail(error)
            except RecursionError:
                pass
            raise
        try:  # noqa: SIM105
            call.finish(result)
        except RecursionError:
            pass
        return result

    return wrapper


def drive_generator(  # noqa: PLR0915 - two loops in one frame, or each traceback would have one more
    function: AnyFunction, site: Site
) -> AnyFunction:
    """Watch a generator function, step by step: `send`, `throw`, `close` and the return value go through."""

    @_wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: PLR0912
        open_call = switch.open_call
        if open_call is None or (call := open_call(site, args, kwargs)) is None:
            generator = function(*args, **kwargs)
            step, value = generator.send, None
            try:  # `yield from` would swallow what the body returns when it is closed (3.13), or makes of GeneratorExit
                while True:
                    item = step(value)
                    try:
                        value, step = (yield item), generator.send
                    except BaseException as thrown:  # noqa: BLE001 - it goes to the user's generator
                        value, step = _take(thrown, None), generator.throw
            except StopIteration as stop:
                return stop.value
            finally:
                value = None  # it may be an error, which refers to this frame
        keep, own, outer = call.begin_stream()
        current, make_current = call.get_context, call.set_context
        room = 0  # for further chunks, in bytes; none before the first, which goes another way
        value = None
        try:
            generator = function(*args, **kwargs)
            step = generator.send
            while True:
                item = step(value)
                if current() is own:  # what suspend() and enter() do, without calling them for every chunk
                    make_current(outer)
                else:
                    own, outer = call.suspend()
                if room > 0 and type(item) is str:
                    room -= len(item)
                    keep(item)
                else:
                    room = STREAM_BYTES - call.chunk(item, STREAM_BYTES - room)
                try:
                    value = yield item
                    step = generator.send
                except BaseException as thrown:  # noqa: BLE001 - it goes to the user's generator
                    value, step = _take(thrown, call), generator.throw
                if current() is outer:
                    make_current(own)
                else:
                    own, outer = call.enter()
        except StopIteration as stop:
            call.finish_stream(STREAM_BYTES - room, stop.value)
            return stop.value
        except BaseException as error:
            value = None  # it may be the error, which refers to this frame
            call.fail(error)
            raise

    return wrapper


def drive_async_generator(function: AnyFunction, site: Site) -> AnyFunction:
    """Watch an asynchronous generator function, in the consumer's task: `asend`, `athrow` and `aclose` go through."""

    @_wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        open_call = switch.open_call
        call = None if open_call is None else open_call(site, args, kwargs)
        size = 0
        if call is not None:
            call.begin_stream()
        try:
            generator = function(*args, **kwargs)
            step: Any = first_step(generator)
            while True:
                item = await step
                if call is not None:
                    call.suspend()
                    size = call.chunk(item, size)
                try:
                    sent = yield item
                except BaseException as thrown:  # noqa: BLE001
                    if call is not None:
                        call.enter()
                    step = generator.athrow(_take(thrown, call))
                else:
                    if call is not None:
                        call.enter()
                    step = generator.asend(sent)
        except StopAsyncIteration:
            if call is not None:
                call.finish_stream(size)
        except BaseException as error:
            step = None  # it may hold the error, which refers to this frame
            if call is not None:
                call.fail(error)
            raise

    return wrapper


def _wraps(function: AnyFunction) -> Callable[[AnyFunction], AnyFunction]:
    """Do what `functools.wraps` does, for callable objects too whose names are no texts."""
    names = ("__name__", "__qualname__")
    odd = [name for name in names if not isinstance(getattr(function, name, ""), str)]
    return functools.wraps(function, [name for name in functools.WRAPPER_ASSIGNMENTS if name not in odd])


def _take(thrown: BaseException, call: Call | None) -> BaseException:
    """Take what the consumer threw in: without the frame that our `yield` has just put on its traceback."""
    trace = thrown.__traceback__
    thrown.__traceback__ = None if trace is None else trace.tb_next
    if call is not None and type(thrown) is GeneratorExit:
        call.give_up()
    return thrown


def first_step(generator: Any) -> Any:
    """Start the inner generator with other hooks than the event loop's: the outer one closes it, nobody else.

    The hooks are set per thread and looked up by the first `asend` itself, so no other code runs in between.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _leave_to_outer)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave_to_outer(_: Any) -> None:
    """Do nothing with an inner generator that is found to be garbage in a ring: its outer one is found with it.

    Without any hook it would be closed on the spot, where no event loop waits for what its `finally` awaits.
    """
