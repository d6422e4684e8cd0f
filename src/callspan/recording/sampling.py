"""Head sampling by trace ID: the same trace gets the same answer in every service that uses the same rate."""

from __future__ import annotations

from typing import Final

_BITS: Final = 56
MASK: Final = (1 << _BITS) - 1


def bound_of(rate: float) -> int | None:
    """Return the bound under which the low 56 bits of a sampled trace ID lie; None when everything is sampled.

    >>> bound_of(1.0) is None
    True
    >>> bound_of(0.0)
    0
    """
    return None if rate >= 1 else int(rate * (1 << _BITS))
