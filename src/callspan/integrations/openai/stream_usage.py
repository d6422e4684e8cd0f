"""The token counts of a stream, asked for on the user's behalf: he sees the stream that he would have seen without.

Providers send the counts of a streamed answer only when asked, in one more chunk at its end, which has no choices. With
`stream_usage="inject"` we ask, and keep that chunk to ourselves.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

_RAW: Final = "x-stainless-raw-response"


def ask(options: Any) -> Any | None:
    """Return a copy of a request's options that asks for usage; None where the user decided, or reads raw bytes."""
    body = options.json_data
    if type(body) is not dict or body.get("stream") is not True or body.get("stream_options") is not None:
        return None
    headers = options.headers
    if type(headers) is dict and any(type(name) is str and name.lower() == _RAW for name in headers):
        return None
    asking = copy.copy(options)
    asking.json_data = {**body, "stream_options": {"include_usage": True}}
    return asking


def hide(chunks: Any) -> Any:
    """Return an iterator without the chunk that tells the usage, and whose other chunks are as if nobody had asked."""
    return _HidingAsync(chunks) if hasattr(chunks, "__anext__") else _hide(chunks)


def _hide(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        for chunk in chunks:
            if not _is_asked_for(chunk):
                yield chunk
    finally:
        chunks.close()  # type: ignore[attr-defined] # our own generator


class _HidingAsync:
    __slots__ = ("_chunks",)

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> _HidingAsync:
        return self

    async def __anext__(self) -> Any:
        chunk = await self._chunks.__anext__()
        while _is_asked_for(chunk):
            chunk = await self._chunks.__anext__()
        return chunk

    async def aclose(self) -> None:
        await self._chunks.aclose()  # type: ignore[attr-defined] # our own


def _is_asked_for(chunk: Any) -> bool:
    """Return whether a chunk is the one with the counts; take the empty field, which we asked for, off any other."""
    try:
        fields = vars(chunk)
        if fields.get("usage") is not None:
            return not fields.get("choices")
        chunk.__pydantic_fields_set__.discard("usage")
    except (AttributeError, TypeError):
        pass  # no model of the client's
    return False
