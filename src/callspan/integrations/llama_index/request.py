"""What goes into a call: taken from LlamaIndex's objects on the caller's thread, by their stored fields.

Nothing here calls a method or property of theirs. Values are taken by reference into containers of our own, which
the recorder freezes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

Tree = dict[str, Any]

_SCALARS: Final = frozenset(map(id, [str, int, float, bool, type(None)]))
_DEPTH: Final = 5
_ITEMS: Final = 256  # of one list of messages, tool calls or nodes
_PARAMETERS: Final = (
    "model",
    "model_name",
    "temperature",
    "max_tokens",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "service_tier",
    "stop",
)


def fields_of(value: Any) -> dict[Any, Any]:
    """Return the stored fields of an object: its dictionary, asked of the interpreter; empty where it has none."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def tree_of(value: Any, depth: int = _DEPTH) -> Any:
    """Return a value with the pydantic objects in it as dictionaries; the general copier takes ten times as long."""
    kind = type(value)
    if id(kind) in _SCALARS or depth == 0:
        return value
    if kind is dict:
        return {name: tree_of(item, depth - 1) for name, item in value.items()}
    if kind is list or kind is tuple:
        if not value or len(value) > _ITEMS or type(value[0]) is float:  # a vector has nothing to open
            return value
        return [tree_of(item, depth - 1) for item in value]
    if is_model(kind):
        return {name: tree_of(item, depth - 1) for name, item in fields_of(value).items() if item is not None}
    return value


def _is_model(kind: type) -> bool:
    """Return whether a type is one of pydantic's models."""
    return any(one.__name__ == "BaseModel" and one.__module__.startswith("pydantic.") for one in kind.__mro__)


is_model: Final[Callable[[Any], bool]] = lru_cache(maxsize=1024)(_is_model)


# -- messages and models -----------------------------------------------------------------------------------------------


def message_tree(message: Any) -> Any:
    """Take a chat message: role, blocks (or content, as it was before 0.12), and what a provider added."""
    fields = fields_of(message)
    if not fields:
        return message  # a text
    role = fields.get("role")
    blocks = fields.get("blocks")
    taken: Tree = {"role": fields_of(role).get("_value_", role)}
    if type(blocks) is list:
        taken["blocks"] = [_block_tree(block) for block in blocks[:_ITEMS]]
    else:
        taken["content"] = tree_of(fields.get("content"))
    if fields.get("additional_kwargs"):
        taken["more"] = tree_of(fields["additional_kwargs"])
    return taken


def _block_tree(block: Any) -> Any:
    fields = fields_of(block)
    if fields.get("block_type") == "text" and type(fields.get("text")) is str:
        return fields["text"]
    return {name: _url(tree_of(item)) for name, item in fields.items() if item is not None}


def _url(value: Any) -> Any:
    """Spell pydantic's own URLs and the standard library's paths; anything else stays."""
    return str(value) if type(value).__module__.partition(".")[0] in ("pydantic", "pathlib") else value


def messages_tree(messages: Any) -> Any:
    """Take a list of chat messages."""
    return [message_tree(message) for message in messages[:_ITEMS]] if type(messages) in (list, tuple) else messages


def model_call(arguments: Tree) -> Tree:
    """Take the arguments of `chat` or `complete`: messages or a prompt, and the keywords."""
    given = {**arguments}
    keywords = given.pop("kwargs", None)
    taken: Tree = {"keywords": tree_of(keywords)} if keywords else {}
    positional = given.pop("args", ())
    if "messages" in given:
        taken["messages"] = messages_tree(given.pop("messages"))
    else:
        prompt = given.pop("prompt", positional[0] if positional else (keywords or {}).get("prompt"))
        taken["prompt"] = prompt if type(prompt) is str else tree_of(prompt)
    return taken


def parameters_of(model: Any) -> Tree:
    """Take the settings of a model that are no secrets, by name."""
    fields = fields_of(model)
    return {
        name: fields[name]
        for name in _PARAMETERS
        if name in fields and fields[name] is not None and (id(type(fields[name])) in _SCALARS or name == "stop")
    }


# -- prompts -----------------------------------------------------------------------------------------------------------


def prompt_call(arguments: Tree) -> Tree | None:
    """Take the template and the variables of `predict` and its kin: candidates, since a selector chooses by the model.

    The ones with a condition come first, as the selector tries them.
    """
    prompt = arguments.get("prompt")
    fields = fields_of(prompt)
    if not fields:
        return None
    candidates = [fields_of(template) for template in _candidates(fields)] or [fields]
    variables = {**(fields.get("kwargs") or {}), **(arguments.get("prompt_args") or {})}
    mapped = fields.get("template_var_mappings")
    if type(mapped) is dict:
        variables = {mapped.get(name, name): value for name, value in variables.items()}
    metadata = fields.get("metadata")
    kind = metadata.get("prompt_type") if type(metadata) is dict else None
    return {
        "templates": [_template_tree(candidate) for candidate in candidates],
        "variables": tree_of(variables),
        "name": fields_of(kind).get("_value_", kind),
    }


def _candidates(fields: Tree) -> list[Any]:
    conditionals = fields.get("conditionals")
    if type(conditionals) is not list:
        return []
    return [*(pair[1] for pair in conditionals if len(pair) == 2), fields.get("default_template")]


def _template_tree(fields: Tree) -> Any:
    messages = fields.get("message_templates")
    if type(messages) is list:
        return messages_tree(messages)
    return fields.get("template", fields.get("template_str"))


# -- queries, nodes, texts ---------------------------------------------------------------------------------------------


def query_text(query: Any) -> Any:
    """Take a query: a text, or the text of a query bundle or message."""
    if type(query) is str or query is None:
        return query
    fields = fields_of(query)
    if "query_str" in fields:
        return fields["query_str"]
    return text_of_message(query) if "role" in fields else tree_of(query)


def text_of_message(message: Any) -> Any:
    """Return the text of a chat message, its blocks joined."""
    taken = message_tree(message)
    if type(taken) is not dict:
        return taken
    blocks = taken.get("blocks")
    if type(blocks) is not list:
        return taken.get("content")
    return "\n".join(block for block in blocks if type(block) is str)


def node_tree(scored: Any) -> Any:
    """Take a node, with its score where it has one: id, text and metadata."""
    fields = fields_of(scored)
    node = fields_of(fields.get("node")) or fields
    text = node.get("text")
    if type(text) is not str:
        text = fields_of(node.get("text_resource")).get("text")
    taken: Tree = {"id": node.get("id_"), "text": text}
    if node.get("metadata"):
        taken["metadata"] = tree_of(node["metadata"])
    if fields.get("score") is not None:
        taken["score"] = fields["score"]
    return taken


def nodes_tree(nodes: Any) -> Any:
    """Take a list of nodes."""
    return [node_tree(node) for node in nodes[:_ITEMS]] if type(nodes) in (list, tuple) else tree_of(nodes)


def count_of(values: Any) -> int | None:
    """Count what a list holds."""
    return len(values) if type(values) in (list, tuple) else None
