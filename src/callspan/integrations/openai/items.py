"""The items of the Responses API as messages and parts: known ones by their kind, all others as they came."""

from __future__ import annotations

from typing import Any, Final

from callspan.model.messages import Message, Part, parse_json, read_message, read_part

Tree = dict[str, Any]

_CALLS: Final = {  # the caller runs them: where their arguments stand
    "function_call": "arguments",
    "custom_tool_call": "input",
    "computer_call": "action",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
}
_OUTPUTS: Final = (
    "function_call_output",
    "custom_tool_call_output",
    "computer_call_output",
    "local_shell_call_output",
    "shell_call_output",
    "apply_patch_call_output",
)
_SERVER_CALLS: Final = {  # the provider runs them: where their results stand, in the same item
    "web_search_call": ("results",),
    "file_search_call": ("results",),
    "code_interpreter_call": ("outputs",),
    "mcp_call": ("output", "error"),
    "mcp_list_tools": ("tools", "error"),
    "tool_search_call": (),
    "program": (),
}
_SERVER_OUTPUTS: Final = ("tool_search_output", "program_output")
_OPAQUE: Final = ("encrypted_content", "fingerprint")  # for the provider's eyes only, and long


def read_input(given: Any) -> list[Message] | None:
    """Read the input of a response; None when it is neither a text nor a list of items."""
    if isinstance(given, str):
        return [{"role": "user", "parts": [{"type": "text", "content": given}]}]
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        return None
    return [_read_input_item(item) for item in given]


def _read_input_item(item: Tree) -> Message:
    message = read_message({"role": "user", **item}) if item.get("type") in (None, "message") else None
    if message is not None:
        return message
    kind = item.get("type")
    role = (
        "tool" if kind in _OUTPUTS else "user" if kind in ("mcp_approval_response", "item_reference") else "assistant"
    )
    return {"role": role, "parts": read_item(item)}


def read_output(items: Any) -> Message | None:
    """Read the output of a response as the one message it is; None when there are no items."""
    if not isinstance(items, list):
        return None
    parts = [part for item in items if isinstance(item, dict) for part in read_item(item)]
    return {"role": "assistant", "parts": parts} if parts else None


def read_item(item: Tree) -> list[Part]:
    """Read any item as parts of a message."""
    kind = item.get("type")
    if kind == "message":
        content = item.get("content")
        return [read_part(part) for part in content] if isinstance(content, list) else [read_part(content)]
    if kind == "reasoning":
        return [_reasoning(item)]
    if kind in _CALLS:
        return [_call(item, str(kind))]
    if kind in _OUTPUTS:
        return [_with_id({"type": "tool_call_response", "response": _output(item)}, item)]
    if kind in _SERVER_CALLS:
        return _server_call(item, str(kind), _SERVER_CALLS[str(kind)])
    if kind in _SERVER_OUTPUTS:
        return [_with_id({"type": "server_tool_call_response", "server_tool_call_response": _plain(item)}, item)]
    if kind == "image_generation_call":
        return _image(item)
    if kind == "compaction":
        return [_with_id({"type": "compaction"}, item)]
    return [{**_plain(item), "type": kind if isinstance(kind, str) else "unknown"}]


def _reasoning(item: Tree) -> Part:
    """Read reasoning: the text of it where it is told, else its summary; often neither is."""
    for name in ("content", "summary"):
        rows = item.get(name)
        texts = [row["text"] for row in rows if _has_text(row)] if isinstance(rows, list) else []
        if texts:
            return _with_id({"type": "reasoning", "content": "\n\n".join(texts)}, item)
    return _with_id({"type": "reasoning", "content": ""}, item)


def _has_text(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("text"), str)


def _call(item: Tree, kind: str) -> Part:
    name = item.get("name")
    part: Part = {"type": "tool_call", "name": name if isinstance(name, str) else kind.removesuffix("_call")}
    arguments = item.get(_CALLS[kind], item.get("actions"))
    if arguments is not None:
        part["arguments"] = parse_json(arguments)
    return _with_id(part, item)


def _output(item: Tree) -> Any:
    output = item.get("output")
    return [read_part(part) for part in output] if isinstance(output, list) else output


def _server_call(item: Tree, kind: str, results: tuple[str, ...]) -> list[Part]:
    name = item.get("name")
    told = {key: parse_json(value) for key, value in _plain(item).items() if key not in results}
    shown = name if isinstance(name, str) else kind.removesuffix("_call")
    parts = [_with_id({"type": "server_tool_call", "name": shown, "server_tool_call": told}, item)]
    found = {key: parse_json(item[key]) for key in results if item.get(key) is not None}
    if found:
        answer = {"type": kind, **found}
        parts.append(_with_id({"type": "server_tool_call_response", "server_tool_call_response": answer}, item))
    return parts


def _image(item: Tree) -> list[Part]:
    told = {key: value for key, value in _plain(item).items() if key != "result"}
    parts = [_with_id({"type": "server_tool_call", "name": "image_generation", "server_tool_call": told}, item)]
    if isinstance(item.get("result"), str) and item["result"]:
        kind = item.get("output_format")
        mime = f"image/{kind if isinstance(kind, str) else 'png'}"
        parts.append({"type": "blob", "modality": "image", "mime_type": mime, "content": item["result"]})
    return parts


def _plain(item: Tree) -> Tree:
    return {key: value for key, value in item.items() if value is not None and key not in _OPAQUE}


def _with_id(part: Part, item: Tree) -> Part:
    identity = item.get("call_id") or item.get("id")
    return {**part, "id": identity} if isinstance(identity, str) else part
