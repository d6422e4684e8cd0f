"""What comes out of a call: taken from LlamaIndex's objects on the caller's thread, by their stored fields."""

from __future__ import annotations

from typing import Any, Final

from callspan.integrations.llama_index.request import (
    Tree,
    count_of,
    fields_of,
    is_model,
    message_tree,
    nodes_tree,
    text_of_message,
    tree_of,
)

# What is taken of a provider's answer. The rest is the text again, or nothing that a span has room for.
_RAW: Final = (
    "id",
    "model",
    "usage",
    "usage_metadata",
    "service_tier",
    "system_fingerprint",
    "status",
    "stop_reason",
    "done_reason",
    "incomplete_details",
    "prompt_eval_count",
    "eval_count",
)


def answer_tree(result: Any) -> Tree:
    """Take the answer of a model: a chat or completion response, a text, or an object that was asked for."""
    if type(result) is str:
        return {"text": result}
    fields = fields_of(result)
    if "message" in fields:
        return _with_raw({"message": message_tree(fields["message"])}, fields)
    if "text" in fields and "raw" in fields:
        return _with_raw({"text": fields["text"]}, fields)
    return {} if result is None else {"object": tree_of(result)}


def _with_raw(taken: Tree, fields: Tree) -> Tree:
    raw = fields.get("raw")
    stored = raw if type(raw) is dict else fields_of(raw)
    if stored:
        told = {name: tree_of(stored[name]) for name in _RAW if stored.get(name) is not None}
        reasons = [_get(choice, "finish_reason") for choice in stored.get("choices") or ()]
        if any(reasons):
            told["finish_reasons"] = reasons
        taken["raw"] = told
    if fields.get("additional_kwargs"):
        taken["more"] = tree_of(fields["additional_kwargs"])
    return taken


def _get(value: Any, name: str) -> Any:
    return (value if type(value) is dict else fields_of(value)).get(name)


def response_text(result: Any) -> Any:
    """Take what a query or chat engine or a synthesizer returned: its text, or the object that it holds."""
    fields = fields_of(result)
    if "response" not in fields:
        return tree_of(result)
    response = fields["response"]
    return response if type(response) is str else tree_of(response)


def documents(result: Any) -> Any:
    """Take the nodes of a retriever or reranker."""
    return nodes_tree(result)


def node_count(result: Any) -> Tree:
    """Count the nodes that a transformation made."""
    return {"nodes": count_of(result)}


def tool_output(result: Any) -> Any:
    """Take what a tool returned, as the model gets to see it."""
    fields = fields_of(result)
    if "raw_output" not in fields:
        return tree_of(result)
    text = fields.get("content")
    return text if type(text) is str else text_of_message(result)


def event_tree(event: Any) -> Any:
    """Take an event of a workflow: its fields, those that are not declared too, or the result that it carries.

    Older workflows end with the bare result.
    """
    if not is_model(type(event)):
        return result_tree(event)
    stored = fields_of(event)
    if "response" in stored and "tool_calls" in stored:
        return result_tree(event)
    taken = event_fields(event)
    result = taken.pop("_result", taken.get("result"))
    if result is not None:
        return result_tree(result)
    return {name: result_tree(value) for name, value in taken.items() if value is not None and name != "memory"}


def event_fields(event: Any) -> Tree:
    """Return the fields of an event, declared or not; the result of a `StopEvent` may be hidden as `_result`."""
    private = event.__pydantic_private__ if is_model(type(event)) else None
    private = private if type(private) is dict else {}
    dynamic = private.get("_data")
    result = {"_result": private["_result"]} if "_result" in private else {}
    return {**fields_of(event), **(dynamic if type(dynamic) is dict else {}), **result}


def result_tree(value: Any) -> Any:
    """Take a value in an event: an agent's output and a message as their texts, anything else by its fields."""
    fields = fields_of(value)
    if "role" in fields:
        return text_of_message(value)
    if "response" in fields and "tool_calls" in fields:  # what an agent says, or wants to have called
        return text_of_message(fields["response"]) or tree_of(fields["tool_calls"])
    if type(value) in (list, tuple) and len(value) <= 64:
        return [result_tree(item) for item in value]
    return tree_of(value)
