"""Numbers as people read them: durations, token counts, times of day."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_UNITS: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))


def duration(nanoseconds: int, *, ascii_only: bool = False) -> str:
    """Write a duration with two or three digits that matter.

    >>> [duration(n) for n in (850, 85_000, 1_234_567, 120_000_000, 1_840_000_000, 125_000_000_000)]
    ['0.85 µs', '85 µs', '1.23 ms', '120 ms', '1.84 s', '2 min 05 s']
    """
    seconds = round(nanoseconds / 1e9)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    if seconds >= 100:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    for size, unit in _UNITS:
        if nanoseconds >= size or unit == "µs":
            number = nanoseconds / size
            digits = 2 if number < 10 else 1 if number < 100 and unit == "s" else 0
            text = f"{number:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {'us' if ascii_only and unit == 'µs' else unit}"
    raise AssertionError


def count(number: int) -> str:
    """Write a count in at most five characters, up to a billion.

    >>> [count(n) for n in (7, 9_999, 12_345, 123_456, 1_234_567)]
    ['7', '9999', '12.3k', '123k', '1.2M']
    """
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= (size if unit == "M" else 10_000):
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
    return str(number)


def exact(number: int) -> str:
    """Write a count with its thousands set apart."""
    return f"{number:,}"


def things(number: int, word: str) -> str:
    """Write how many there are of something.

    >>> things(1, "span"), things(12_000, "trace")
    ('1 span', '12,000 traces')
    """
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def moment(nanoseconds: int) -> str:
    """Write a time, in nanoseconds since 1970, as this machine's clock shows it."""
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "at no known time"
