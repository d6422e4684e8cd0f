"""What a client got, without what differs from request to request: two answers can be compared."""

from __future__ import annotations

from typing import Any

_CHANGING = ("id", "item_id", "created", "created_at", "completed_at", "_request_id", "call_id")


def plain(result: Any) -> Any:
    """Return all that a result says, which fields were set included."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    tree = _without_changing(result.model_dump())
    return type(result), tree, result.model_fields_set


def _without_changing(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _without_changing(value) for name, value in tree.items() if name not in _CHANGING}
    return [_without_changing(item) for item in tree] if isinstance(tree, list) else tree
