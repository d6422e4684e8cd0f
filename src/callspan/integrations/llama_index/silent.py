"""The few methods that a person asks about and that LlamaIndex itself has no span for: they are patched.

They go the same way as the spans of the dispatcher, under an ID of ours.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from callspan.capture.patching import Patches
from callspan.integrations.llama_index.tracking import UUID_LENGTH, Tracker

_NODES: Final = ("nodes", "query_bundle", "query_str")

# Module, class and methods, and the names of their first arguments. Not every version has all of them.
SILENT: Final[dict[str, tuple[str, dict[str, tuple[str, ...]]]]] = {
    "llama_index.core.indices.base": (
        "BaseIndex",
        {
            "from_documents": ("documents",),
            "insert": ("document",),
            "ainsert": ("document",),
            "refresh_ref_docs": ("documents",),
            "arefresh_ref_docs": ("documents",),
        },
    ),
    "llama_index.core.postprocessor.types": (
        "BaseNodePostprocessor",
        {"postprocess_nodes": _NODES, "apostprocess_nodes": _NODES},
    ),
}
_numbers: Final = itertools.count(1)


def patch_silent(module: ModuleType, patches: Patches, tracker: Tracker) -> None:
    """Patch the methods of a module that has just been imported."""
    class_name, methods = SILENT[module.__name__]
    owner = getattr(module, class_name)
    for name, names in methods.items():
        if hasattr(owner, name):
            patches.put(owner, name, _watch(tracker, name, names))


def _watch(tracker: Tracker, name: str, names: tuple[str, ...]) -> Callable[..., Any]:
    def watch(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(wrapped):
            return _run(wrapped, instance, args, kwargs)
        id_ = _enter(tracker, name, instance, {**dict(zip(names, args, strict=False)), **kwargs})
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            tracker.drop(id_, error)
            raise
        tracker.exit(id_, result)
        return result

    async def _run(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        id_ = _enter(tracker, name, instance, {**dict(zip(names, args, strict=False)), **kwargs})
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            tracker.drop(id_, error)
            raise
        tracker.exit(id_, result)
        return result

    return watch


def _enter(tracker: Tracker, name: str, instance: Any, arguments: dict[str, Any]) -> str:
    kind = instance if isinstance(instance, type) else type(instance)
    id_ = f"{kind.__name__}.{name}-{next(_numbers):0{UUID_LENGTH}d}"
    tracker.enter(id_, arguments, instance, None, None)
    return id_
