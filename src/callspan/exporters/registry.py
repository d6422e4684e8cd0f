"""Exporters by name: our own, and those that other distributions bring as `callspan.exporters` entry points."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from callspan.errors import ConfigurationError
from callspan.exporters.contract import Exporter

GROUP: Final = "callspan.exporters"


def _file() -> Exporter:
    from callspan.exporters.file import default_exporter  # noqa: PLC0415 - on first use

    return default_exporter()


def _memory() -> Exporter:
    from callspan.exporters.memory import MemoryExporter  # noqa: PLC0415

    return MemoryExporter()


def _otlp() -> Exporter:
    from callspan.exporters.otlp import OTLPExporter  # noqa: PLC0415

    return OTLPExporter()


def _http() -> Exporter:
    from callspan.exporters.http import HTTPExporter  # noqa: PLC0415

    return HTTPExporter()


def _console() -> Exporter:
    from callspan.exporters.console import ConsoleExporter  # noqa: PLC0415

    return ConsoleExporter()


def _otel() -> Exporter:
    from callspan.exporters.otel import OtelExporter  # noqa: PLC0415 - loads the SDK of OpenTelemetry

    return OtelExporter()


BUILT_IN: Final[dict[str, Callable[[], Exporter]]] = {
    "file": _file,
    "memory": _memory,
    "otlp": _otlp,
    "http": _http,
    "console": _console,
    "otel": _otel,
}


def make(given: Any, field: str = "exporters") -> Exporter:
    """Return the exporter for a setting: a name, an object with `export` and `close`, or one of OpenTelemetry's SDK.

    Raises `ConfigurationError` naming what is missing, and for an entry point the distribution that brought it.
    """
    if isinstance(given, str):
        return _by_name(given.strip().lower(), field)
    if _is_of_opentelemetry(given):
        from callspan.exporters.otel import adapter_of  # noqa: PLC0415

        return adapter_of(given)
    return _checked(given, field)


def _is_of_opentelemetry(given: Any) -> bool:
    """Return whether it has the methods of a span exporter, a span processor or a provider of OpenTelemetry's SDK."""
    if isinstance(given, type) or not hasattr(given, "shutdown"):
        return False
    is_exporter = hasattr(given, "export") and not hasattr(given, "close")
    return is_exporter or hasattr(given, "on_end") or hasattr(given, "add_span_processor")


def _by_name(name: str, field: str) -> Exporter:
    if name in BUILT_IN:
        return BUILT_IN[name]()
    brought = {entry.name.lower(): entry for entry in entry_points(group=GROUP)}
    entry = brought.get(name)
    if entry is None:  # the name itself is not told: it may be a secret that slipped into the wrong variable
        known = ", ".join(dict.fromkeys([*BUILT_IN, *brought]))
        raise ConfigurationError(field, name, f"no exporter has that name; use one of: {known}; or an exporter object")
    return _checked(_load(entry), f"exporter {entry.name!r} of {_origin(entry)}")


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()()
    except (Exception, SystemExit) as error:
        fix = f"{entry.value} of {_origin(entry)} failed with {type(error).__name__}; update or remove that package"
        raise ConfigurationError(f"exporter {entry.name!r}", error, fix) from error


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown distribution"


def _checked(exporter: Any, field: str) -> Exporter:
    if isinstance(exporter, type):
        raise ConfigurationError(field, exporter, f"make an instance of it: {exporter.__name__}(...)")
    for method in ("export", "close"):
        if not callable(getattr(exporter, method, None)):
            raise ConfigurationError(field, exporter, f"an exporter needs a method {method}(); see callspan.exporters")
    checked: Exporter = exporter
    return checked
