"""Calls as lines for fine-tuning chat models: https://platform.openai.com/docs/guides/supervised-fine-tuning.

What the rules of the format do not admit is refused with a reason that can be counted.
"""

from __future__ import annotations

import json
from typing import Any, Final

from callspan.datasets.examples import Example
from callspan.reading.texts import show

Tree = dict[str, Any]

ROLES: Final = ("system", "developer", "user", "assistant", "tool")


class Refused(ValueError):  # noqa: N818 - it is a verdict, not a fault
    """Says in a few words why a call makes no example."""


def chat_line(example: Example) -> Tree:
    """Return `{"messages": [...], "tools": [...]}`; raises `Refused` where the rules do not admit it."""
    answer = _answer(example.output_messages)
    line: Tree = {"messages": [*question(example), answer]}
    tools = [_tool(tool) for tool in example.tool_definitions or ()]
    if tools:
        line["tools"] = tools
    return check(line)


def question(example: Example) -> list[Tree]:
    """Return the messages that went in, instructions first."""
    instructions = [text for part in example.system_instructions or () if (text := _text(part))]
    system = [{"role": "system", "content": "\n".join(instructions)}] if instructions else []
    return [*system, *(line for message in example.input_messages or () for line in _messages(message))]


def check(line: Tree) -> Tree:
    """Hold a line to the rules of the format: roles, tool calls with their answers, an assistant at the end.

    Returns the line; raises `Refused`.
    """
    messages = line["messages"]
    roles = [message["role"] for message in messages]
    if "user" not in roles:
        raise Refused("no message of a user")
    open_calls: set[str] = set()
    called: set[str] = set()
    for role, message in zip(roles, messages, strict=True):
        if role not in ROLES:
            raise Refused(f"role {role!r} is not admitted")
        if role == "tool":
            if message["tool_call_id"] not in open_calls:
                raise Refused("answer of a tool without a call")
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            raise Refused("call of a tool without an answer")
        calls = message.get("tool_calls")
        if calls:
            open_calls = {call["id"] for call in calls}
            if len(open_calls) < len(calls):
                raise Refused("two calls of tools with the same ID")
            called.update(call["function"]["name"] for call in calls)
        elif not message.get("content"):
            raise Refused("empty message")
    if roles[-1] != "assistant":
        raise Refused("the last message is not the assistant's")
    if called and called - {tool["function"]["name"] for tool in line.get("tools", ())}:
        raise Refused("call of a tool that was not offered")
    return line


def _answer(messages: list[Tree] | None) -> Tree:
    if not messages:
        raise Refused("no answer")
    (answer, *rest) = _messages({**messages[0], "role": "assistant"})
    if rest:
        raise Refused("answer in several messages")
    return answer


def _messages(message: Tree) -> list[Tree]:
    """Return one message of ours as those of the format: each answer of a tool is one of its own."""
    role, parts = str(message.get("role") or "user"), message.get("parts") or []
    if type(parts) is not list or not all([type(part) is dict for part in parts]):  # noqa: C419 - a list takes half
        raise Refused("a message whose parts are no list of objects")
    kinds = [part.get("type") for part in parts]
    if role == "tool" or "tool_call_response" in kinds:
        answers = [part for part in parts if part.get("type") == "tool_call_response"]
        return [
            {"role": "tool", "tool_call_id": str(part.get("id") or ""), "content": show(part.get("response"))}
            for part in answers
        ]
    texts = [text for part in parts if (text := _text(part)) is not None]
    line: Tree = {"role": role, "content": "\n".join(texts)}
    if "tool_call" in kinds:
        line["tool_calls"] = [_call(part) for part in parts if part.get("type") == "tool_call"]
        if not texts:
            line["content"] = None
    if isinstance(message.get("name"), str):
        line["name"] = message["name"]
    return [line]


def _text(part: Tree) -> str | None:
    kind = part.get("type")
    if kind == "text":
        return show(part.get("content"))
    if kind in ("tool_call", "reasoning"):  # what the model thought is not what it should learn to say
        return None
    raise Refused(f"a part of type {kind!r}, which is no text")


def _call(part: Tree) -> Tree:
    arguments = part.get("arguments")
    told = (
        arguments
        if isinstance(arguments, str)
        else json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    )
    return {
        "id": str(part.get("id") or ""),
        "type": "function",
        "function": {"name": str(part.get("name") or ""), "arguments": told},
    }


def _tool(tool: Tree) -> Tree:
    function = tool.get("function", tool)
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise Refused("a tool that is no function")
    kept = {
        key: function[key] for key in ("name", "description", "parameters", "strict") if function.get(key) is not None
    }
    return {"type": "function", "function": kept}
