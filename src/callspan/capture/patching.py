"""Patches on other people's classes: put on once, taken off exactly, silent where somebody has patched on top of us.

Loads wrapt, and through it asyncio and email, so only `instrument()` leads here.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

import wrapt

from callspan.guard import guard

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""What runs in place of a method: `wrapper(wrapped, instance, args, kwargs)`, with `wrapped` already bound."""

Maker = Callable[[Callable[..., Any], list[Any]], Callable[..., Any]]
"""Makes what is called in place of a module's function: `maker(original, on)`, silent while nothing is in `on`."""

_ABSENT: Final = object()
_SUSPENDS: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_DEEPEST: Final = 16  # wrappers around one thing that are looked through


class Patch:
    """One patched attribute of a class or module."""

    __slots__ = ("_on", "_was_own", "name", "original", "owner", "replacement")

    def __init__(self, owner: Any, name: str, make: Callable[[Any, list[Any]], Any]) -> None:
        """Replace `owner.name` by what `make` makes of it. Raises `AttributeError` where there is nothing so named."""
        self.owner = owner
        self.name = name
        self._on = [True]  # what is empty is off: to ask a function would take longer
        self.original = _stored(owner, name)
        self._was_own = name in vars(owner)  # else inherited: taking off means deleting
        self.replacement = make(self.original, self._on)
        setattr(owner, name, self.replacement)

    @property
    def is_on(self) -> bool:
        """Whether calls run through the wrapper."""
        return bool(self._on)

    @property
    def is_gone(self) -> bool:
        """Whether somebody has put the original back, and with that taken our patch off."""
        return self._current() is (self.original if self._was_own else _ABSENT)

    def take_off(self) -> None:
        """Put the original back. Where another patch lies on top, which may still call ours, ours only falls silent."""
        self.silence()
        if self._current() is not self.replacement:
            return
        if self._was_own:
            setattr(self.owner, self.name, self.original)
        else:
            delattr(self.owner, self.name)

    def silence(self) -> None:
        """Let calls run through as if nothing were there."""
        self._on.clear()

    def _current(self) -> Any:
        return vars(self.owner).get(self.name, _ABSENT)

    def __str__(self) -> str:
        """Name the attribute as in `SyncAPIClient.request`."""
        return f"{self.owner.__name__}.{self.name}"


def _wrapping(owner: Any, wrapper: Wrapper) -> Callable[[Any, list[Any]], Any]:
    """Return what makes the replacement of something of `owner` that runs through `wrapper`.

    A plain function, of a module or a class, is called as one: wrapt's wrappers can do more, which is not needed here,
    and take twice the time. One that suspends needs them: `inspect` would no longer know it for what it is.
    """
    is_module = type(owner) is ModuleType

    def make(original: Any, on: list[Any]) -> Any:
        if type(original) is not FunctionType or original.__code__.co_flags & _SUSPENDS:
            return wrapt.FunctionWrapper(original, wrapper, enabled=cast("Any", on))  # any truth will do
        return functools.wraps(original)((_function if is_module else _method)(original, wrapper, on))

    return make


def _function(original: FunctionType, wrapper: Wrapper, on: list[Any]) -> Callable[..., Any]:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, None, args, kwargs) if on else original(*args, **kwargs)

    return replacement


def _method(original: FunctionType, wrapper: Wrapper, on: list[Any]) -> Callable[..., Any]:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        if on and args and args[0] is not None:  # which no method can be bound to
            return wrapper(MethodType(original, args[0]), args[0], args[1:], kwargs)
        return original(*args, **kwargs)

    return replacement


def _replacing(owner: Any, maker: Maker) -> Callable[[Any, list[Any]], Any]:
    """Return what makes the replacement of something of `owner` in one piece, as far as it is a plain function."""

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        def original(_: Any, /, *args: Any, **kwargs: Any) -> Any:  # `wrapped` is bound already
            return wrapped(*args, **kwargs)

        return maker(original, [True])(instance, *args, **kwargs)

    def make(original: Any, on: list[Any]) -> Any:
        if type(owner) is ModuleType or type(original) is FunctionType:
            return functools.wraps(original)(maker(original, on))
        return wrapt.FunctionWrapper(original, wrapper, enabled=cast("Any", on))

    return make


class Patches:
    """The patches of one integration, from any thread: a second `put` changes nothing, nor does a second `take_off`."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.RLock()
        self._patches: list[Patch] = []

    def put(self, owner: Any, name: str, wrapper: Wrapper) -> None:
        """Let calls of `owner.name` run through `wrapper`. Raises `AttributeError` where there is no such attribute."""
        self._put(owner, name, _wrapping(owner, wrapper))

    def replace(self, owner: Any, name: str, maker: Maker) -> None:
        """Put what `maker` makes in the place of a function or method. For what runs many times in a call of theirs."""
        self._put(owner, name, _replacing(owner, maker))

    def _put(self, owner: Any, name: str, make: Callable[[Any, list[Any]], Any]) -> None:
        with self._lock:
            for patch in self._patches:
                if patch.owner is owner and patch.name == name:
                    if not patch.is_gone:
                        return
                    patch.silence()
                    self._patches.remove(patch)
                    break
            self._patches.append(Patch(owner, name, make))

    def cover(self, owner: Any, name: str, wrapper: Wrapper) -> None:
        """Patch `owner.name` where what stands there does not lead to a patch of ours, as far as can be seen.

        Others patch a subclass, and leave the original there when they go: either hides our patch of its base.
        """
        with self._lock:
            found, ours = _stored(owner, name), {id(patch.replacement) for patch in self._patches if patch.is_on}
            for _ in range(_DEEPEST):
                if id(found) in ours:
                    return
                found = getattr(found, "__wrapped__", None)
            self._patches.append(Patch(owner, name, _wrapping(owner, wrapper)))

    def take_off(self) -> None:
        """Take all patches off, the last one first."""
        with self._lock:
            while self._patches:
                self._patches.pop().take_off()

    def __str__(self) -> str:
        """Name what is patched, as in `SyncAPIClient.request, AsyncAPIClient.request`."""
        with self._lock:
            return ", ".join(map(str, self._patches))


def inside_proxies(value: Any) -> Any:
    """Return what wrapt's proxies stand for: others return them in place of a library's objects."""
    for _ in range(_DEEPEST):
        if not issubclass(type(value), wrapt.ObjectProxy):
            break
        value = value.__wrapped__
    return value


def when_imported(name: str, action: Callable[[ModuleType], None]) -> None:
    """Run `action(module)` after the first import of the module called `name`, or now if that has been.

    Errors of the action are noted, since they would otherwise make the user's import fail.
    """

    def hook(module: ModuleType) -> None:
        try:
            action(module)
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note(f"patching {name}", error)

    loaded = sys.modules.get(name)
    if loaded is not None:
        hook(loaded)
    else:
        wrapt.register_post_import_hook(hook, name)


class LateModule:
    """A module that may be imported later: `action(module)` runs once it is there, for as long as that is wanted."""

    def __init__(self, name: str, action: Callable[[ModuleType], None]) -> None:
        """Want nothing yet."""
        self._name = name
        self._action = action
        self._is_wanted = self._is_waiting = False

    def want(self) -> None:
        """Run the action now, or after the import. What it raises now is for the caller."""
        self._is_wanted = True
        module = sys.modules.get(self._name)
        if module is not None:
            self._action(module)
        elif not self._is_waiting:
            self._is_waiting = True
            when_imported(self._name, self._when_imported)

    def forget(self) -> None:
        """Do nothing at an import that is still to come."""
        self._is_wanted = False

    def _when_imported(self, module: ModuleType) -> None:
        self._is_waiting = False
        if self._is_wanted:
            self._action(module)


def _stored(owner: Any, name: str) -> Any:
    """Return what a class or one of its bases stores under a name, unbound, or what a module does."""
    for holder in getattr(owner, "__mro__", (owner,)):
        if name in vars(holder):
            return vars(holder)[name]
    message = f"{owner.__name__} has no attribute {name!r}"
    raise AttributeError(message)
