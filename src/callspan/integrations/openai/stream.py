"""A chat completion that comes in chunks: put together again, one fast path for the token of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from callspan.capture.switch import STREAM_BYTES
from callspan.integrations.openai.response import Tree, claim_usage, is_client_model, tree_of
from callspan.model.span import Span

_ONCE: Final = ("role", "id", "type", "name", "index")  # said once; all other texts are pieces of a longer one


class Pieces:
    """A text that is still growing."""

    __slots__ = ("texts",)

    def __init__(self, first: str) -> None:
        """Start with a text."""
        self.texts = [first]


class ChatChunks:
    """Collects the chunks of a chat completion into the completion that would have come without streaming.

    `count` is how many choices were asked for. `parent` is a model span around, which leaves its own usage out as soon
    as ours is known.
    """

    __slots__ = (
        "_choices",
        "_count",
        "_cut",
        "_finished",
        "_head",
        "_logprobs",
        "_parent",
        "_size",
        "_texts",
    )

    is_whole = False  # is_complete was asked when the stream was closed

    def __init__(self, count: int, parent: Span | None) -> None:
        """Expect `count` choices."""
        self._count = count
        self._parent = parent
        self._texts: list[Any] = []  # of the first choice
        self._head: Tree = {}
        self._choices: dict[int, Tree] = {}
        self._finished: dict[int, str] = {}
        self._logprobs: dict[int, Tree] = {}
        self._size = self._cut = 0

    def add(self, chunk: Any) -> None:
        """Take what is new in a chunk."""
        self._add_any(chunk)

    def fast_add(self) -> Callable[[Any], None]:
        """Return an `add` that is quick for what a chunk usually is: one more piece of text of the first choice."""
        texts, add_any = self._texts, self._add_any
        append: Any = None  # the first chunk has to go the long way

        def add(chunk: Any) -> None:
            nonlocal append
            try:
                (choice,) = chunk.choices
                fields = choice.__dict__
                delta = fields["delta"].__dict__
                text = delta["content"]
                if (
                    text
                    and fields["finish_reason"] is None
                    and delta["tool_calls"] is None
                    and fields["index"] == 0
                    and fields["logprobs"] is None
                ):
                    append(text)
                    return
            except (AttributeError, KeyError, TypeError, ValueError):
                pass  # the first chunk, none or several choices, or not the client's own models
            append = texts.append
            add_any(chunk)

        return add

    def _add_any(self, chunk: Any) -> None:
        tree = tree_of(chunk) if is_client_model(type(chunk)) else chunk
        if type(tree) is not dict:
            return
        choices = tree.get("choices")
        for choice in choices if type(choices) is list else ():
            if type(choice) is dict:
                self._add_choice(choice)
        for name in ("id", "model", "system_fingerprint", "service_tier", "usage"):
            value = tree.get(name)
            if type(value) is str:
                self._head[name] = value
            elif type(value) is dict:
                self._head[name] = {**value}

    def _add_choice(self, choice: Tree) -> None:
        index = choice.get("index")
        index = index if type(index) is int else 0
        delta = choice.get("delta")
        if type(delta) is dict:
            message = self._choices.setdefault(index, {})
            if index == 0 and type(delta.get("content")) is str:
                self._texts.append(delta["content"])
                delta = {name: value for name, value in delta.items() if name != "content"}
            self._merge(message, delta)
        if type(choice.get("logprobs")) is dict:
            self._add_logprobs(index, choice["logprobs"])
        reason = choice.get("finish_reason")
        if type(reason) is str:
            self._finished[index] = reason

    def _add_logprobs(self, index: int, told: Tree) -> None:
        """Keep the log probabilities of an answer's tokens, where they were asked for."""
        for name, rows in told.items():
            if type(rows) is list and self._size <= STREAM_BYTES:
                self._size += 64 * len(rows)
                self._logprobs.setdefault(index, {}).setdefault(name, []).extend(rows)

    def _merge(self, message: Tree, delta: Tree) -> None:
        """Add to a message what a chunk says of it: texts grow, lists are merged by the `index` of their items."""
        for name, value in delta.items():
            kind, before = type(value), message.get(name)
            if value is None or (kind is str and name in _ONCE and before is not None):
                continue
            if kind is str and name not in _ONCE:
                self._grow(message, name, value)
            elif kind is dict:
                inner = message.setdefault(name, {})
                if type(inner) is dict:
                    self._merge(inner, value)
            elif kind is list:
                self._merge_list(message.setdefault(name, {}), value)
            elif kind is str or kind is int or kind is float or kind is bool:
                message[name] = value

    def _grow(self, message: Tree, name: str, text: str) -> None:
        if self._size > STREAM_BYTES:
            self._cut += len(text)
            return
        self._size += len(text)
        before = message.get(name)
        if type(before) is Pieces:
            before.texts.append(text)
        else:
            message[name] = Pieces(text)

    def _merge_list(self, items: Any, news: list[Any]) -> None:
        """Merge items, which are kept by their index until the end; one without an index is a new one."""
        for new in news:
            if type(new) is dict and type(items) is dict:
                index = new.get("index")
                self._merge(items.setdefault(index if type(index) is int else len(items), {}), new)

    def compact(self) -> None:
        """Join the pieces of text, and cut off what is beyond the bound."""
        self._join()

    def _join(self) -> str:
        text = "".join([piece for piece in self._texts if type(piece) is str])
        self._cut += max(len(text) - STREAM_BYTES, 0)
        self._texts[:] = [text[:STREAM_BYTES]]
        return text[:STREAM_BYTES]

    def is_complete(self) -> bool:
        """Return whether every choice has said why it ended."""
        return len(self._finished) >= self._count

    def close(self, span: Span) -> None:
        """Account for what is kept."""
        size = self._size + len(self._join())
        span.size += size
        if self._cut:
            span.truncated = {**(span.truncated or {}), "output": size + self._cut}
        if "usage" in self._head:
            claim_usage(self._parent)
        self._parent = None

    def read(self) -> Tree:
        """Return the completion, in the worker."""
        text = self._join()
        if text:
            self._choices.setdefault(0, {})["content"] = text
        indexes = sorted({*self._choices, *self._finished})
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", **_joined(self._choices.get(index, {}))},
                "finish_reason": self._finished.get(index),
                "logprobs": self._logprobs.get(index),
            }
            for index in indexes
        ]
        return {**self._head, "choices": choices} if choices else self._head


class CompletionChunks(ChatChunks):
    """Collects the chunks of a completion of the older kind, whose choices hold their text themselves."""

    __slots__ = ()

    fast_add = None  # type: ignore[assignment]

    def _add_choice(self, choice: Tree) -> None:
        super()._add_choice({**choice, "delta": {"content": choice.get("text")}})


def _joined(tree: Any) -> Any:
    """Return a merged message with its texts joined and its lists back in order."""
    if type(tree) is Pieces:
        return "".join(tree.texts)
    if type(tree) is not dict:
        return tree
    if tree and all(type(key) is int for key in tree):
        return [_joined(tree[index]) for index in sorted(tree)]
    return {name: _joined(value) for name, value in tree.items()}
