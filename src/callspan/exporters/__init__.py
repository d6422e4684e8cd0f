"""Where spans go. The exporters that ship with callspan, and the contract for your own.

>>> from callspan.exporters import MemoryExporter
>>> MemoryExporter().spans
[]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from callspan.exporters.console import ConsoleExporter
    from callspan.exporters.contract import Batch, Exporter, ExportResult
    from callspan.exporters.file import FileExporter
    from callspan.exporters.http import HTTPExporter
    from callspan.exporters.memory import MemoryExporter
    from callspan.exporters.otel import OtelExporter
    from callspan.exporters.otlp import OTLPExporter

__all__ = [
    "Batch",
    "ConsoleExporter",
    "ExportResult",
    "Exporter",
    "FileExporter",
    "HTTPExporter",
    "MemoryExporter",
    "OTLPExporter",
    "OtelExporter",
]

_PLACES: Final = {
    "Batch": "contract",
    "ConsoleExporter": "console",
    "ExportResult": "contract",
    "Exporter": "contract",
    "FileExporter": "file",
    "HTTPExporter": "http",
    "MemoryExporter": "memory",
    "OTLPExporter": "otlp",
    "OtelExporter": "otel",
}


def __getattr__(name: str) -> Any:
    """Load an exporter when it is first asked for."""
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
