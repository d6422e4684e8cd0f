"""One request to an OpenAI-compatible client, synchronous or asynchronous, and what it used."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any


async def ask(client: Any, request: Mapping[str, Any]) -> Any:
    """Return the chat completion; a synchronous client is asked in a thread. Raises what the client raises."""
    create = client.chat.completions.create
    if inspect.iscoroutinefunction(create):
        return await create(**request)
    answer = await asyncio.to_thread(create, **request)
    return await answer if inspect.isawaitable(answer) else answer


def used_by(answer: Any) -> tuple[int, int]:
    """Return the tokens that went in and came out, 0 where the server does not say."""
    usage = getattr(answer, "usage", None)
    return _count(getattr(usage, "prompt_tokens", 0)), _count(getattr(usage, "completion_tokens", 0))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
