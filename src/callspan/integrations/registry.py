"""Integrations by name: `callspan.instrument()` attaches them, `callspan.uninstrument()` detaches them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.integrations.contract import Integration, Options, Versions

_NEEDED: Final = ("attach", "detach", "report")


def _openai() -> Integration:
    from callspan.integrations.openai.attach import OPENAI  # noqa: PLC0415 - on first use

    return OPENAI


def _threads() -> Integration:
    from callspan.integrations.threads.attach import THREADS  # noqa: PLC0415

    return THREADS


def _celery() -> Integration:
    from callspan.integrations.celery.attach import CELERY  # noqa: PLC0415

    return CELERY


def _langchain() -> Integration:
    from callspan.integrations.langchain.attach import LANGCHAIN  # noqa: PLC0415 - on first use

    return LANGCHAIN


def _llama_index() -> Integration:
    from callspan.integrations.llama_index.attach import LLAMA_INDEX  # noqa: PLC0415 - on first use

    return LLAMA_INDEX


class Registry:
    """All integrations, and which of them are attached."""

    def __init__(self, known: dict[str, Callable[[], Integration]]) -> None:
        """Know the integrations by functions that load them."""
        self._lock = threading.RLock()
        self._known = dict(known)
        self._attached: dict[str, Integration] = {}

    def register(self, name: str, load: Callable[[], Integration]) -> None:
        """Add an integration. What `load` returns is checked when it is first used."""
        with self._lock:
            self._known[_spelled(name)] = load

    def choose(self, names: Iterable[str]) -> list[Integration]:
        """Return the integrations of these names, or all. Raises `ConfigurationError` for one that does not exist."""
        wanted = [_spelled(name) for name in names] or [*self._known]
        for name in wanted:
            if name not in self._known:
                known = ", ".join(self._known)
                raise ConfigurationError("instrument", name, f"there is no integration {name!r}; use one of: {known}")
        return [_checked(name, self._known[name]) for name in dict.fromkeys(wanted)]

    def attach(self, integration: Integration, options: Mapping[str, Any] | None = None) -> Result:
        """Attach one integration where its library is installed and fits, and say what came of it.

        It takes those of the options that are its own; where it is attached already, they hold from now on.
        """
        name = integration.name
        with self._lock:
            is_on = name in self._attached
            reason, note = ("", "") if is_on else _judge(integration)
            if reason:
                return Result(integration, is_attached=False, text=f"skipped: {reason}")
            try:
                own = _options_of(integration)
                own.choose(options or {})
                if not is_on or any(option in own.names for option in options or ()):
                    integration.attach()
                text = integration.report()
            except Exception as error:  # noqa: BLE001 - a library that is not as expected must not stop the program
                guard.note(f"attaching {name}", error)
                return Result(integration, is_attached=False, text=f"skipped: {type(error).__name__}: {error}")
            self._attached[name] = integration
        if is_on:
            return Result(integration, is_attached=False, text=f"already on: {text}")
        return Result(integration, is_attached=True, text=f"{text} ({note})" if note else text)

    def detach(self, integration: Integration) -> None:
        """Detach one integration, if it is attached."""
        with self._lock:
            if self._attached.pop(integration.name, None) is not None:
                try:
                    integration.detach()
                except Exception as error:  # noqa: BLE001
                    guard.note(f"detaching {integration.name}", error)
                _options_of(integration).reset()


class Result(NamedTuple):
    """What came of attaching one integration."""

    integration: Integration
    is_attached: bool
    text: str


class InstrumentHandle:
    """What one call of `instrument()` did. Printed, it lists what is watched, and what is not and why."""

    def __init__(self, registry: Registry, results: list[Result]) -> None:
        """Hold the results."""
        self._registry = registry
        self.results = results

    def undo(self) -> None:
        """Take back what this call attached: the libraries are exactly as before. Harmless the second time."""
        for place, result in enumerate(self.results):
            if result.is_attached:
                self._registry.detach(result.integration)
                self.results[place] = result._replace(is_attached=False, text="taken back")

    def __repr__(self) -> str:
        """Give a line per integration."""
        width = max((len(result.integration.name) for result in self.results), default=0)
        return "\n".join(f"{result.integration.name:<{width}}  {result.text}" for result in self.results)


def _spelled(name: str) -> str:
    if not isinstance(name, str):
        raise ConfigurationError("instrument", name, 'give names as texts, as in instrument("openai")')
    return name.strip().lower().replace("_", "-")


def _checked(name: str, load: Callable[[], Integration]) -> Integration:
    """Load an integration and make sure that it is one, so that a faulty one is named and not stumbled over later."""
    integration = load()
    field = f"integration {name!r} ({type(integration).__module__}.{type(integration).__qualname__})"
    for method in _NEEDED:
        if not callable(getattr(integration, method, None)):
            raise ConfigurationError(field, integration, f"an integration needs a method {method}()")
    if getattr(integration, "name", None) != name:
        raise ConfigurationError(field, integration, f"its name must be {name!r}")
    if not isinstance(getattr(integration, "library", None), str):
        raise ConfigurationError(field, integration, "its library must be a text: what users import")
    if not isinstance(getattr(integration, "versions", None), Versions):
        raise ConfigurationError(field, integration, "its versions must be a callspan.integrations.contract.Versions")
    return integration


def _options_of(integration: Integration) -> Options:
    """Return the options that an integration has; most have none."""
    options = getattr(integration, "options", None)
    return options if isinstance(options, Options) else Options()


def _check_options(chosen: list[Integration], options: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` for an option that none of the chosen integrations has, and for a wrong value."""
    for integration in chosen:
        _options_of(integration).check(options)
    known = {name: integration.name for integration in chosen for name in _options_of(integration).names}
    for name, value in options.items():
        if name not in known:
            spelled = ", ".join(f"{option} ({of})" for option, of in known.items()) or "none here"
            raise ConfigurationError("instrument", value, f"there is no option {name!r}; the options are: {spelled}")


def _judge(integration: Integration) -> tuple[str, str]:
    """Return why an integration cannot be attached, if so, and what to know of the installed version, if anything."""
    if not _is_installed(integration.library):
        return f"{integration.library} is not installed", ""
    installed = _version_of(integration.versions.distribution)
    return integration.versions.complaint(installed), integration.versions.caution(installed)


def _is_installed(library: str) -> bool:
    if sys.modules.get(library) is not None:
        return True
    from importlib.util import find_spec  # noqa: PLC0415 - on first use

    return find_spec(library) is not None


def _version_of(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow to load

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"


REGISTRY: Final = Registry(
    {
        "openai": _openai,
        "langchain": _langchain,
        "llama-index": _llama_index,
        "threads": _threads,
        "celery": _celery,
    }
)


def instrument(*names: str, **options: Any) -> InstrumentHandle:
    """Watch libraries that make model calls, from now on; with no names, every supported one that is installed.

    They may be imported before or after. Nothing is recorded until `configure()`. `print(handle)` says what is watched
    and what was skipped and why; `handle.undo()` takes it back. Options go to the integrations that know them, and hold
    until these are detached. Raises `ConfigurationError` for a name or an option that does not exist, and for a library
    that is named but not installed.

    >>> handle = instrument()
    >>> handle.undo()
    """
    chosen = REGISTRY.choose(names)
    for integration in chosen if names else ():
        if not _is_installed(integration.library):
            fix = f"{integration.library} is not installed; run: pip install 'callspan[{integration.name}]'"
            raise ConfigurationError("instrument", integration.name, fix)
    _check_options(chosen, options)
    return InstrumentHandle(REGISTRY, [REGISTRY.attach(integration, options) for integration in chosen])


def uninstrument(*names: str) -> None:
    """Stop to watch these libraries, or all; harmless where nothing is watched. Raises as `instrument` for a name."""
    for integration in REGISTRY.choose(names):
        REGISTRY.detach(integration)
