"""A response that comes as events, and other streams of events: put together again."""

from __future__ import annotations

from typing import Any, Final

from callspan.capture.switch import STREAM_BYTES
from callspan.integrations.openai.response import Tree, claim_usage, is_client_model, tree_of
from callspan.model.span import Span

_TEXT: Final = "response.output_text.delta"
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_STARTS: Final = ("response.created", "response.queued", "response.in_progress")
_HEAD: Final = ("id", "model", "status", "service_tier", "conversation", "previous_response_id")

# Where a piece of text belongs in its item, by the type of its event: a list, the field with the place in it, the text.
_IN_LISTS: Final = {
    _TEXT: ("content", "content_index", "text", "output_text"),
    "response.refusal.delta": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text", "reasoning_text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text", "summary_text"),
}
_IN_ITEMS: Final = {
    "response.function_call_arguments.delta": ("arguments", "function_call"),
    "response.mcp_call_arguments.delta": ("arguments", "mcp_call"),
    "response.custom_tool_call_input.delta": ("input", "custom_tool_call"),
    "response.code_interpreter_call_code.delta": ("code", "code_interpreter_call"),
}
_ITEM_OF: Final = {"content": "message", "summary": "reasoning"}


class ResponseEvents:
    """Collects the events of a response into the response that would have come without streaming.

    The last event holds all of it; what came before is kept, piece by piece, for a stream that never gets there.
    `parent` as in `ChatChunks`.
    """

    __slots__ = ("_append", "_cut", "_final", "_head", "_items", "_parent", "_place", "_size", "_texts")

    is_whole = False  # is_complete was asked when the stream was closed

    def __init__(self, _: int, parent: Span | None) -> None:
        """Expect one response."""
        self._parent = parent
        self._head: Tree = {}
        self._items: dict[int, Tree] = {}
        self._final: Tree | None = None
        self._texts: dict[tuple[Any, ...], list[str]] = {}  # by item, list, place in it and field
        self._place: Any = None  # of the text that grows
        self._append: Any = None
        self._size = self._cut = 0

    def add(self, event: Any) -> None:
        """Take what is new in an event: usually one more piece of the same text."""
        try:
            fields = event.__dict__
            if fields["type"] == _TEXT and (fields["output_index"], fields["content_index"]) == self._place:
                self._append(fields["delta"])
                return
        except (AttributeError, KeyError):
            pass  # not the client's own model, or of another kind
        self._add_any(event)

    def _add_any(self, event: Any) -> None:
        tree = event if type(event) is dict else vars(event) if is_client_model(type(event)) else {}
        kind = tree.get("type")
        if kind in _IN_LISTS:
            self._grow_in_list(tree, *_IN_LISTS[kind])
        elif kind in _IN_ITEMS:
            name, item_kind = _IN_ITEMS[kind]
            self._grow(tree, (tree.get("output_index"), None, None, name), {"type": item_kind})
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._add_item(tree, is_done=kind.endswith("done"))
        elif kind in _ENDS:
            self._final = _tree(tree.get("response"))
        elif kind in _STARTS:
            self._head = {name: value for name, value in _tree(tree.get("response")).items() if name in _HEAD}
        elif kind == "error":
            told = tree.get("error")
            error = _tree(told) if told is not None else {"code": tree.get("code"), "message": tree.get("message")}
            self._head = {**self._head, "status": "failed", "error": error}

    def _grow_in_list(self, tree: Tree, where: str, index_name: str, name: str, part_kind: str) -> None:
        index, place = tree.get("output_index"), tree.get(index_name)
        self._grow(tree, (index, where, place, name, part_kind), {"type": _ITEM_OF[where]})
        if tree.get("type") == _TEXT:
            self._place = (index, place)
            self._append = self._texts[index, where, place, name, part_kind].append

    def _grow(self, tree: Tree, key: tuple[Any, ...], item: Tree) -> None:
        texts = self._texts.setdefault(key, [])
        if type(tree.get("delta")) is str:
            texts.append(tree["delta"])
        if type(key[0]) is int:
            self._items.setdefault(key[0], item)

    def _add_item(self, tree: Tree, *, is_done: bool) -> None:
        index = tree.get("output_index")
        if type(index) is int:
            self._items[index] = _tree(tree.get("item"))
            if is_done:  # it holds all of its texts
                self._place = None
                for key in [key for key in self._texts if key[0] == index]:
                    del self._texts[key]

    def compact(self) -> None:
        """Join the pieces of text, and cut off what is beyond the bound."""
        for texts in self._texts.values():
            self._join(texts)

    def _join(self, texts: list[str]) -> str:
        text = "".join([piece for piece in texts if type(piece) is str])
        self._cut += max(len(text) - STREAM_BYTES, 0)
        texts[:] = [text[:STREAM_BYTES]]
        return texts[0]

    def is_complete(self) -> bool:
        """Return whether the response has said how it ended."""
        return self._final is not None or self._head.get("status") == "failed"

    def close(self, span: Span) -> None:
        """Account for what is kept."""
        size = sum(len(self._join(texts)) for texts in self._texts.values())
        span.size += size + 512 * len(self._items) + _size_of(self._final)
        if self._cut:
            span.truncated = {**(span.truncated or {}), "output": size + self._cut}
        if self._final is not None and self._final.get("usage"):
            claim_usage(self._parent)
        self._parent = None
        self._append = self._place = None

    def read(self) -> Tree:
        """Return the response as far as it came, in the worker."""
        if self._final is not None:
            return self._final
        items = {index: {**item} for index, item in self._items.items()}
        for (index, where, place, name, *part_kind), texts in self._texts.items():
            item = items.get(index)
            if item is None:
                continue
            text = self._join(texts)
            if where is None:
                item[name] = text
            else:
                parts = item.get(where)
                item[where] = [*(parts if type(parts) is list else ()), {"type": part_kind[0], name: text, "at": place}]
        output = [items[index] for index in sorted(items)]
        return {**self._head, "output": output} if output or self._head else {}


class MediaEvents:
    """Collects the events of images, transcripts and speech: pieces of text, and the last event, which has it all."""

    __slots__ = ("_final", "_parent", "_texts")

    is_whole = False

    def __init__(self, _: int, parent: Span | None) -> None:
        """Expect one answer."""
        self._final: Tree | None = None
        self._parent = parent
        self._texts: list[str] = []

    def add(self, event: Any) -> None:
        """Take what is new in an event."""
        tree = event if type(event) is dict else vars(event) if is_client_model(type(event)) else {}
        kind, delta = tree.get("type"), tree.get("delta")
        if type(kind) is not str:
            return
        if kind.endswith("text.delta") and type(delta) is str:
            self._texts.append(delta)
        elif kind.endswith((".completed", "text.done", "audio.done")):
            self._final = _tree(event)

    def compact(self) -> None:
        """Keep the text within its bound."""
        self._texts = ["".join(self._texts)[:STREAM_BYTES]]

    def is_complete(self) -> bool:
        """Return whether the last event has come."""
        return self._final is not None

    def close(self, span: Span) -> None:
        """Account for what is kept."""
        span.size += _size_of(self._final) + sum(map(len, self._texts))
        if self._final is not None and self._final.get("usage"):
            claim_usage(self._parent)
        self._parent = None

    def read(self) -> Tree:
        """Return the answer as it would have come without streaming, in the worker."""
        final = self._final or {}
        if "b64_json" in final:
            return {**final, "data": [final]}
        return {"text": "".join(self._texts), **final} if self._texts or final else {}


def _tree(model: Any) -> Tree:
    if is_client_model(type(model)):
        return tree_of(model)
    return {**model} if type(model) is dict else {}


def _size_of(tree: Any) -> int:
    """Weigh the texts of a tree, roughly."""
    if type(tree) is str:
        return len(tree)
    if type(tree) is dict:
        return 64 + sum(map(_size_of, tree.values()))
    return 64 + sum(map(_size_of, tree)) if type(tree) is list else 8
