"""Spans as lines of a spool, and back: a checksum, a blank, and JSON with the fields of a `SpanRecord`.

What stands at its default is left out. `extra` and `trace_state` stand beside what a record has, so that a span comes
back as it was. A line whose checksum does not fit, or whose fields do not, is never guessed at.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, Final, TypeVar, cast

from callspan.dialects.json_text import to_json
from callspan.encoding.outline import trace_state
from callspan.forks import forks
from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.kinds import KINDS
from callspan.model.resource import Resource
from callspan.model.span import ErrorFacts, Event, Link, Span
from callspan.model.usage import Usage

FORMAT: Final = 1
"""Raised when an old reader would misunderstand a line; a new field does not raise it."""

Tree = dict[str, Any]
T = TypeVar("T")

_CHECK: Final = 9  # eight hexadecimal digits and a blank
_DATA: Final = ("usage", "tool", "prompts")  # dataclasses of ours; all other facts are plain trees
_VALUES: Final = ("input", "output")  # may be None, which is not the same as missing
_OPTIONAL: Final = tuple(it.name for it in fields(Facts) if it.default is None and it.name not in _DATA)
_FILLED: Final = tuple(
    it.name for it in fields(Facts) if it.name not in (*_DATA, *_VALUES, *_OPTIONAL)
)  # empty or 0 by default
_TEXTS: Final = ("name", "kind", "outcome")
_NUMBERS: Final = ("start_time_unix_ns", "end_time_unix_ns", "status")
_UNSET: Final = (
    "attributes",
    "input",
    "is_entry",
    "output",
    "prompts",
    "provider_call",
    "reader",
    "scope",
    "site",
    "stream",
    "truncated",
)


class UnreadableError(ValueError):
    """A line, or the first line of a file, is not what was written."""


def head(resource: Resource, first: int) -> bytes:
    """Write the first line of a file: the format, the number of its first span, and whose spans they are."""
    return _line({"callspan_spool": FORMAT, "first": first, "resource": resource.attributes})


def read_head(line: bytes) -> tuple[Resource, int]:
    """Read what `head` wrote. Raises `UnreadableError` for anything else, other formats included."""
    tree = _tree(line)
    first, attributes = tree.get("first"), tree.get("resource")
    if tree.get("callspan_spool") != FORMAT or type(first) is not int or first < 0 or type(attributes) is not dict:
        raise UnreadableError("not a spool of this format")
    return Resource(attributes), first


def pack(span: Span) -> bytes:
    """Write a span whose facts are filled as one line, its end included."""
    facts = span.facts
    assert facts is not None
    tree: Tree = {
        "trace_id": f"{span.trace_id:032x}",
        "span_id": f"{span.span_id:016x}",
        "name": span.name,
        "kind": span.kind,
        "start_time_unix_ns": span.start_ns,
        "end_time_unix_ns": span.end_ns,
        "status": span.status,
        "outcome": span.outcome,
    }
    if span.parent_id is not None:
        tree["parent_id"] = f"{span.parent_id:016x}"
    for name, given in (
        ("component", span.component),
        ("status_message", span.status_message),
        ("usage_below", span.usage_below),
        ("trace_state", trace_state(span)),
    ):
        if given:
            tree[name] = given
    _pack_told(span, tree)
    _pack_facts(facts, tree)
    return _line(tree)


def unpack(line: bytes) -> Span:
    """Read what `pack` wrote, with or without the end of the line. Raises `UnreadableError` for anything else."""
    tree = _tree(line)
    span = Span()
    for slot in _UNSET:
        setattr(span, slot, None)
    try:
        span.trace_id, span.span_id = int(tree["trace_id"], 16), int(tree["span_id"], 16)
        span.parent_id = int(tree["parent_id"], 16) if "parent_id" in tree else None
        span.name, span.kind, span.outcome = (tree[name] for name in _TEXTS)
        span.start_ns, span.end_ns, span.status = (tree[name] for name in _NUMBERS)
        span.component, span.status_message = tree.get("component"), tree.get("status_message")
        span.usage_below, span.trace_state = tree.get("usage_below", False), tree.get("trace_state")
        span.error = _error(tree.get("error"))
        span.events = [Event(it["name"], it["time_unix_ns"], it.get("attributes", {})) for it in tree.get("events", ())]
        span.links = [
            Link(int(it["trace_id"], 16), int(it["span_id"], 16), it.get("attributes", {}))
            for it in tree.get("links", ())
        ]
        span.facts = _facts(tree)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError("a field is missing or odd") from error
    if span.kind not in KINDS or any(type(tree[name]) is not int for name in _NUMBERS) or type(span.name) is not str:
        raise UnreadableError("a field is odd")
    span.size = len(line)
    return span


def _pack_told(span: Span, tree: Tree) -> None:
    error = span.error
    if error is not None:
        frames = [{"file": file, "line": line, "function": function} for file, line, function in error.frames]
        tree["error"] = {"type": error.type, "message": error.message, "frames": frames}
    if span.events:
        tree["events"] = [
            {"name": event.name, "time_unix_ns": event.time_ns, "attributes": event.attributes or {}}
            for event in span.events
        ]
    if span.links:
        tree["links"] = [
            {
                "trace_id": f"{link.trace_id:032x}",
                "span_id": f"{link.span_id:016x}",
                "attributes": link.attributes or {},
            }
            for link in span.links
        ]


def _pack_facts(facts: Facts, tree: Tree) -> None:
    for name in _VALUES:
        value = getattr(facts, name)
        if value is not MISSING:
            tree[name] = value
    for name in _OPTIONAL:
        value = getattr(facts, name)
        if value is not None:
            tree[name] = value
    for name in _FILLED:
        value = getattr(facts, name)
        if value:
            tree[name] = value
    if facts.usage is not None:
        tree["usage"] = _said(facts.usage)
    if facts.tool is not None:
        tree["tool"] = _said(facts.tool)
    if facts.prompts:
        tree["prompts"] = [_said(prompt) for prompt in facts.prompts]


def _said(data: Any) -> Tree:
    """Return the fields of one of our dataclasses that say something."""
    return {name: value for name in data.__slots__ if (value := getattr(data, name)) is not None}


def _facts(tree: Tree) -> Facts:
    facts = Facts()
    for name in (*_VALUES, *_OPTIONAL, *_FILLED):
        if name in tree:
            setattr(facts, name, tree[name])
    if "usage" in tree:
        facts.usage = _made(Usage, tree["usage"])
    if "tool" in tree:
        facts.tool = _made(ToolFacts, tree["tool"])
    facts.prompts = [_made(PromptUse, prompt) for prompt in tree.get("prompts", ())]
    return facts


def _made(kind: type[T], tree: Tree) -> T:
    """Make one of our dataclasses; fields that a later version has added are left out."""
    known = cast("Any", kind).__slots__
    return kind(**{name: value for name, value in tree.items() if name in known})


def _error(tree: Tree | None) -> ErrorFacts | None:
    if tree is None:
        return None
    frames = [(frame["file"], frame["line"], frame["function"]) for frame in tree.get("frames", ())]
    return ErrorFacts(tree["type"], tree["message"], frames)


def _line(tree: Tree) -> bytes:
    data = to_json(tree).encode()
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _tree(line: bytes) -> Tree:
    """Return the tree of a line that is whole."""
    data = line[_CHECK:].rstrip(b"\n")
    if b"%08x " % zlib.crc32(data) != line[:_CHECK]:
        raise UnreadableError("the checksum does not fit")
    try:
        tree = _reader()(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("not JSON") from error
    if type(tree) is not dict:
        raise UnreadableError("not a span")
    return tree


@cache
def _reader() -> Callable[[bytes], Any]:
    try:
        with forks.kept_off():
            import orjson  # noqa: PLC0415 - not before it is needed
    except ImportError:
        return json.loads
    reader: Callable[[bytes], Any] = orjson.loads
    return reader
