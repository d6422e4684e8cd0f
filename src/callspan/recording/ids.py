"""Trace and span IDs from a generator of our own.

It is deaf to `random.seed` in the application, and a forked child gets a fresh one: a private generator would
otherwise repeat its parent's IDs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Final

RandomBits = Callable[[int], int]


class IdSource:
    """Makes IDs; `random_bits(n)` is atomic under the GIL, so threads share it without a lock."""

    __slots__ = ("random_bits",)

    def __init__(self, seed: int | None = None) -> None:
        """Seed from the operating system, or with `seed` where tests want the same IDs every time."""
        self.random_bits: RandomBits = random.Random(os.urandom(32) if seed is None else seed).getrandbits  # noqa: S311 - IDs, no secrets

    def reseed(self) -> None:
        """Start afresh; called in a forked child."""
        self.random_bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311

    def trace_id(self) -> int:
        """Return 128 random bits, never 0."""
        return self.random_bits(128) or 1

    def span_id(self) -> int:
        """Return 64 random bits, never 0."""
        return self.random_bits(64) or 1


ids: Final = IdSource()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ids.reseed)
