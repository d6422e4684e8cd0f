"""LangChain's own objects as dictionaries of their stored fields, made on the caller's thread.

Messages, documents, prompts and commands are pydantic objects or dataclasses. The copier for any object would take ten
times as long, and would keep what nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final, NamedTuple

from callspan.guard import guard
from callspan.model.span import Snapshot
from callspan.recording import stored_fields
from callspan.recording.snapshot import Texts, freeze, freeze_own

Tree = dict[str, Any]

_DEPTH: Final = 4
_FEW: Final = 32  # entries of a dictionary
_SHORT_TEXT: Final = 4_096
_ITEMS: Final = 1_024  # in one list; of what is longer the copier says what it left out
_PLAIN: Final = frozenset(map(id, [str, int, float, bool, type(None)]))
_LIBRARIES: Final = ("langchain_core", "langchain", "langgraph", "langchain_classic")


class _Shape(NamedTuple):
    """How to tell the objects of one class: whose tree it is, and how its stored fields are read."""

    tell: Callable[[Tree, int], Any]
    fields: Callable[[Any], Tree]  # they are the object's own, so nobody may write to them


def _shape_of(kind: type) -> _Shape | None:
    """Return how to tell one of LangChain's classes, or one that inherits from it, by name; None for all others."""
    mro = stored_fields.mro_of(kind)
    if kind.__module__ == _TEXT_MODULE and kind.__name__ == "TextAccessor" and mro[1] is str:
        return _TEXT
    for ancestor in mro:
        module = ancestor.__module__
        known = _TELLERS.get(ancestor.__name__)
        if known is not None and type(module) is str and module.partition(".")[0] in _LIBRARIES:
            tell, names = known
            slots = [(name, stored_fields.class_value(mro, name)) for name in names]
            stored = tuple((name, slot) for name, slot in slots if type(slot) is MemberDescriptorType)
            return _Shape(tell, partial(_slots_of, reader_of(kind), stored) if stored else reader_of(kind))
    return None


def _itself(value: Any) -> Any:
    return value


def _text_of(value: Any, _: int) -> str:
    return str.__str__(value)


_TEXT: Final = _Shape(_text_of, _itself)  # of a message's text that can be called, too: a subclass of str, and no more
_TEXT_MODULE: Final = "langchain_core.messages.base"


def _slots_of(read: Callable[[Any], Tree], slots: tuple[tuple[str, Any], ...], value: Any) -> Tree:
    stored = {**read(value)}
    for name, slot in slots:
        with suppress(AttributeError):  # never set
            stored[name] = slot.__get__(value)
    return stored


def _reader_of(kind: type) -> Callable[[Any], Tree]:
    """Return what reads `__dict__`: the interpreter's own descriptor; where there is none, or code instead, nothing."""
    found: Any = stored_fields.class_value(stored_fields.mro_of(kind), "__dict__")
    return found.__get__ if type(found) is GetSetDescriptorType else _nothing_of


def _nothing_of(_: Any) -> Tree:
    return {}


reader_of: Final[Callable[[Any], Callable[[Any], Tree]]] = lru_cache(maxsize=512)(_reader_of)
shape_of: Final[Callable[[Any], _Shape | None]] = lru_cache(maxsize=512)(_shape_of)


def tree_of(value: Any, depth: int = 0) -> Any:
    """Return a value with LangChain's objects in it, a few levels deep, as dictionaries; anything else as it is.

    What it returns is for `freeze` alone: the messages of a prompt come as `Texts` where they can.
    """
    kind = type(value)
    if id(kind) in _PLAIN:
        return value
    if kind is dict:
        if depth >= _DEPTH or len(value) > _ITEMS:
            return value
        items: Tree | None = None
        for key, item in [*value.items()]:
            if id(type(item)) not in _PLAIN:
                told = tree_of(item, depth + 1)
                if told is not item:
                    if items is None:
                        items = {**value}
                    items[key] = told
        return value if items is None else items
    if kind is list or kind is tuple:
        if depth >= _DEPTH or len(value) > _ITEMS or not value or type(value[0]) is float:
            return value
        return [item if id(type(item)) in _PLAIN else tree_of(item, depth + 1) for item in [*value]]
    shape = shape_of(kind)
    return value if shape is None else shape.tell(shape.fields(value), depth)


def snapshot_of(value: Any) -> Snapshot | None:
    """Return a private copy of what a run was given or gave back; None where that cannot be had. Never raises."""
    try:
        kind = type(value)
        if kind is str:
            return freeze([value])
        if kind is dict:
            if len(value) <= _FEW and _PLAIN.issuperset(map(id, map(type, value.values()))):
                return freeze_own(value.copy())
            return freeze([tree_of(value)])
        shape = shape_of(kind)
        if shape is None:
            return freeze([tree_of(value)])
        if shape is _TEXT and len(value) <= _SHORT_TEXT:
            return [value], None, None, str.__sizeof__(value), 0, None
        tree = shape.tell(shape.fields(value), 0)
        return freeze_own(tree) if type(tree) is dict or type(tree) is Texts else freeze([tree])
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("freezing a value of langchain", error)
        return None


def fields_of(value: Any) -> Tree:
    """Return the stored fields of one of LangChain's objects; empty for what has none. Nobody may write to them."""
    return reader_of(type(value))(value)


def message_tree(stored: Tree, _: int = 0) -> Tree:
    """Return what a message says."""
    found = stored.get
    kind = found("type")
    tree: Tree = {"type": kind, "content": found("content")}
    if found("name"):
        tree["name"] = stored["name"]
    more = found("additional_kwargs")
    if more:
        for name in ("reasoning_content", "refusal", "audio"):
            if more.get(name):
                tree[name] = more[name]
    if kind == "human" or kind == "system":  # noqa: PLR1714 - twice as fast, and these call no tools
        return tree
    if found("tool_calls"):
        tree["tool_calls"] = stored["tool_calls"]
    if found("tool_call_id"):
        tree["tool_call_id"] = stored["tool_call_id"]
    if found("role"):
        tree["role"] = stored["role"]
    if found("status") == "error":
        tree["status"] = "error"
    return tree


def messages_given(messages: Any) -> Any:
    """Return what a chat model was given: the messages of its one prompt."""
    return messages_tree(messages[0]) if type(messages) is list and messages else []


def messages_tree(messages: list[Any]) -> Any:
    """Return what the messages of a prompt say, for a snapshot of its own: `Texts` where that is all they say."""
    rows: list[Tree] = []
    size = 0
    for message in [*messages]:
        stored = reader_of(type(message))(message).get
        kind, content = stored("type"), stored("content")
        if (
            (kind == "human" or kind == "system")  # noqa: PLR1714
            and type(content) is str
            and not stored("name")
            and not stored("additional_kwargs")
        ):
            rows.append({"type": kind, "content": content})
            size += len(content)
        else:
            return [message_tree(fields_of(one)) for one in [*messages]]
    return Texts(rows, size)


def document_tree(stored: Tree, _: int = 0) -> Tree:
    """Return what a document says."""
    tree: Tree = {"page_content": stored.get("page_content")}
    if stored.get("id") is not None:
        tree["id"] = stored["id"]
    if stored.get("metadata"):
        tree["metadata"] = stored["metadata"]
    return tree


def result_tree(stored: Tree, _: int = 0) -> Tree:
    """Return what a model gave back to one prompt: its generations, and what the whole answer says of itself."""
    rows = stored.get("generations")
    generations = rows[0] if type(rows) is list and rows and type(rows[0]) is list else []
    trees = [_generation_tree(one) for one in [*generations]]
    about = stored.get("llm_output")
    if len(trees) == 1 and not about:
        return trees[0]  # one level less to copy
    tree: Tree = {"generations": trees}
    if about:
        tree["llm_output"] = about
    return tree


def _generation_tree(generation: Any) -> Tree:
    """Return one generation: the fields of its message, and beside them what is said of it."""
    stored = fields_of(generation)
    message = stored.get("message")
    if message is None:
        tree: Tree = {"type": "text", "content": stored.get("text")}
    else:
        said = fields_of(message)
        tree = message_tree(said)
        for name in ("id", "usage_metadata", "response_metadata"):
            if said.get(name):
                tree[name] = said[name]
    if stored.get("generation_info"):
        tree["generation_info"] = stored["generation_info"]
    return tree


def _chat_prompt_tree(stored: Tree, depth: int) -> Any:
    messages = stored.get("messages")
    return messages_tree(messages) if depth == 0 and type(messages) is list else tree_of(messages, depth)


def _text_prompt_tree(stored: Tree, _: int) -> Any:
    return stored.get("text")


def _command_tree(stored: Tree, depth: int) -> Any:
    kept = {name: stored.get(name) for name in ("graph", "update", "resume", "goto")}
    return {name: tree_of(value, depth + 1) for name, value in kept.items() if value is not None and value != ()}


def _send_tree(stored: Tree, depth: int) -> Any:
    return {"node": stored.get("node"), "arg": tree_of(stored.get("arg"), depth + 1)}


def _interrupt_tree(stored: Tree, depth: int) -> Any:
    return {"id": stored.get("id"), "value": tree_of(stored.get("value"), depth + 1)}


def _action_tree(stored: Tree, _: int) -> Any:
    return {name: stored.get(name) for name in ("tool", "tool_input", "log")}


def _finish_tree(stored: Tree, _: int) -> Any:
    return {name: stored.get(name) for name in ("return_values", "log")}


_TELLERS: Final[dict[str, tuple[Callable[[Tree, int], Any], tuple[str, ...]]]] = {
    "BaseMessage": (message_tree, ()),
    "Document": (document_tree, ()),
    "ChatPromptValue": (_chat_prompt_tree, ()),
    "StringPromptValue": (_text_prompt_tree, ()),
    "LLMResult": (result_tree, ()),
    "Command": (_command_tree, ("graph", "update", "resume", "goto")),
    "Send": (_send_tree, ("node", "arg")),
    "Interrupt": (_interrupt_tree, ("id", "value")),
    "AgentAction": (_action_tree, ()),
    "AgentFinish": (_finish_tree, ()),
}
