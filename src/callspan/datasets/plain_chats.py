"""Chats of one text a message, which most are, to lines for chat models without an example in between.

msgspec checks their shape while it reads them. Whatever is unusual is left to `callspan.datasets.chat`, and so is
everything where msgspec is not installed; the lines are the same.
"""

from __future__ import annotations

import contextlib
from functools import cache, lru_cache
from typing import Annotated, Any, Final, Literal

from callspan.datasets.examples import BESIDES
from callspan.reading.shapes import list_of, shape

Tree = dict[str, Any]

_INSTRUCTIONS: Final = "gen_ai.system_instructions"
_INPUT: Final = "gen_ai.input.messages"
_OUTPUT: Final = "gen_ai.output.messages"
_NAMES: Final = frozenset((_INSTRUCTIONS, _INPUT, _OUTPUT)) | BESIDES


def plain_messages(attributes: Tree) -> list[Tree] | None:
    """Return the messages of a chat as `chat_line` does, not yet checked; None for a chat that is not plain."""
    reader = _reader()
    return None if reader is None or not _are_plain(tuple(attributes)) else reader.read(attributes)


@lru_cache(maxsize=4096)
def _are_plain(names: tuple[str, ...]) -> bool:
    return _OUTPUT in names and _NAMES.issuperset(names)


@cache
def _reader() -> _Reader | None:
    with contextlib.suppress(ImportError):
        return _Reader()
    return None


class _Reader:
    """Reads contents, with what msgspec has made of their shapes."""

    def __init__(self) -> None:
        from msgspec import Meta, MsgspecError  # noqa: PLC0415 - an extra
        from msgspec.json import Decoder  # noqa: PLC0415

        self._errors = (MsgspecError, ValueError, TypeError, RecursionError)
        alone = Meta(min_length=1, max_length=1)
        part = shape("Part", type=(Literal["text"],), content=(str,), forbid_unknown_fields=True)
        message = shape(
            "Message",
            role=(Literal["system", "developer", "user", "assistant"],),
            parts=(Annotated[list_of(part), alone],),
            finish_reason=(Literal["stop", "length", "content_filter"] | None, None),
            forbid_unknown_fields=True,
        )
        self._instructions = Decoder(Annotated[list_of(part), alone]).decode
        self._messages = Decoder(list_of(message)).decode
        self._answers = Decoder(Annotated[list_of(message), alone]).decode

    def read(self, attributes: Tree) -> list[Tree] | None:
        """Read a chat, if it is as usual."""
        told: list[Tree] = []
        try:
            if _INSTRUCTIONS in attributes:
                (instruction,) = self._instructions(attributes[_INSTRUCTIONS])
                if instruction.content:
                    told.append({"role": "system", "content": instruction.content})
            if _INPUT in attributes:
                told += [
                    {"role": one.role, "content": one.parts[0].content} for one in self._messages(attributes[_INPUT])
                ]
            (answer,) = self._answers(attributes[_OUTPUT])
        except self._errors:
            return None
        told.append({"role": "assistant", "content": answer.parts[0].content})
        return told
