"""A stack that is nearly full, as in the depths of a recursion."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar, cast

T = TypeVar("T")


def on_a_stack_with(frames: int, function: Callable[[], T]) -> T:
    """Call a function where only so many more frames fit."""

    def down(left: int) -> T:
        return down(left - 1) if left else function()

    depth, frame = 0, cast("FrameType | None", sys._getframe())
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return down(sys.getrecursionlimit() - depth - frames - 1)
