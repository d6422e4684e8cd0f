"""An answer as it came: the bytes that the client has read, or passes on to the user, taken by reference."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from callspan.capture.streams import StreamWatch, tee
from callspan.capture.switch import STREAM_BYTES
from callspan.integrations.openai.response import Tree, claim_usage
from callspan.model.facts import MISSING
from callspan.model.span import Span

BODY_BYTES: Final = 20 * 1_048_576  # of an answer that is kept as it came: 2,048 vectors fit
_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')


class Kept:
    """An answer of which only a tree is kept: where there are no bytes, or too many of them."""

    __slots__ = ("count", "is_whole", "tree")

    def __init__(self, tree: Tree) -> None:
        """Hold the tree."""
        self.tree = tree
        self.count = None
        self.is_whole = True

    def read(self) -> Tree:
        """Return the tree."""
        return self.tree


class Body:
    """Collects the bytes of an answer. `events` puts server-sent events together, where they may come.

    As the collector of a watched stream it gets the pieces that the user reads; else `keep` gets all of them at once.
    Once it was read in the worker, `is_whole` says that nothing of the answer was missing, and `count` how many events
    came; None where they were none.
    """

    __slots__ = ("_events", "_is_text", "_kept", "_parent", "_pieces", "_size", "_type", "count", "is_whole")

    def __init__(self, headers: Any, parent: Span | None, events: Any = None) -> None:
        """Hold the answer's headers; `parent` is a model span around, which leaves its usage out when ours is told."""
        self._type = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
        self._is_text = not self._type or self._type.endswith("json") or self._type.startswith("text/")
        self._parent = parent
        self._events = events
        self._pieces: list[bytes] = []
        self._size = self._kept = 0
        self.count: int | None = None
        self.is_whole = False

    def add(self, piece: Any) -> None:
        """Take one piece of the answer; of one that is no text only its size."""
        if type(piece) is bytes:
            self._size += len(piece)
            if self._is_text and self._size <= BODY_BYTES:
                self._pieces.append(piece)
                self._kept = self._size

    def compact(self) -> None:
        """Do nothing: the bound is in `add`."""

    def is_complete(self) -> bool:
        """Return False: whether all of it has come is seen when it is read."""
        return False

    def close(self, span: Span) -> None:
        """Account for what is kept."""
        span.size += self._kept
        if self._kept < self._size and self._is_text:
            span.truncated = {**(span.truncated or {}), "output": self._size}
        if self._parent is not None and any(map(_USAGE.search, self._pieces)):
            claim_usage(self._parent)
        self._parent = None

    def read(self) -> Any:
        """Return what the answer says, in the worker; MISSING where there is none."""
        if not self._size or (self._is_text and self._kept < self._size):
            return MISSING
        if not self._is_text:
            return {"content_type": self._type, "bytes": self._size}
        data, self._pieces = b"".join(self._pieces), []
        if self._type == "text/event-stream":
            return self._read_events(data)
        try:
            tree = load(data)
        except (ValueError, RecursionError):
            return data[:STREAM_BYTES].decode("utf-8", "replace")
        self.is_whole = True
        return tree

    def _read_events(self, data: bytes) -> Any:
        events = self._events
        if events is None:
            return data[:STREAM_BYTES].decode("utf-8", "replace")
        self.count = 0
        for line in data.splitlines():
            name, _, value = line.partition(b":")
            if name == b"data" and value.strip() not in (b"[DONE]", b""):
                try:
                    events.add(load(value))
                except (ValueError, RecursionError):
                    continue  # cut, or broken on its way
                self.count += 1
        self.is_whole = events.is_complete()
        return events.read()


def follow(http_response: Any, watch: StreamWatch) -> None:
    """Let `watch` see what the user reads of a response, and when it is closed. Nothing is read for it."""
    is_async = not hasattr(http_response.stream, "__iter__")
    name = "aiter_bytes" if is_async else "iter_bytes"  # every other way of reading leads through it
    original = getattr(http_response, name)

    def read_bytes(*args: Any, **kwargs: Any) -> Any:
        pieces = original(*args, **kwargs)
        return tee(pieces, watch) if watch.is_open() and not watch.is_teed else pieces

    watch.override(http_response, name, read_bytes)
    watch.end_with(http_response, "aclose" if is_async else "close", while_reading=False)


def load(data: bytes) -> Any:
    """Read JSON, in the worker. Raises `ValueError` where it is none."""
    try:
        from orjson import loads  # noqa: PLC0415 - on first use, and not on every platform
    except ImportError:
        return json.loads(data)
    try:
        return loads(data)
    except ValueError:  # NaN, and numbers that are too big for it
        return json.loads(data)
