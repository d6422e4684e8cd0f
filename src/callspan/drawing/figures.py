"""Numbers as people read them: durations, token counts, times of day."""

from __future__ import annotations

from datetime import datetime


def duration(nanoseconds: int) -> str:
    """Write a duration with the two or three digits that matter.

    >>> [duration(n) for n in (0, 85_000, 1_234_567, 120_000_000, 1_840_000_000, 12_345_000_000, 125_000_000_000)]
    ['0 ms', '0.09 ms', '1.23 ms', '120 ms', '1.84 s', '12.3 s', '2 min 05 s']
    """
    seconds = nanoseconds / 1e9
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    if seconds >= 99.95:
        return f"{whole // 60} min {whole % 60:02} s"
    if seconds >= 0.9995:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"
    milliseconds = nanoseconds / 1e6
    if 0 < milliseconds < 0.005:
        return "<0.01 ms"
    return f"{milliseconds:.2f} ms" if 0 < milliseconds < 9.995 else f"{milliseconds:.0f} ms"


def count(number: int) -> str:
    """Write a count in at most five characters, up to a billion.

    >>> [count(n) for n in (7, 9_999, 12_345, 123_456, 1_234_567)]
    ['7', '9999', '12.3k', '123k', '1.2M']
    """
    if number < 10_000:
        return str(number)
    scaled, unit = (number / 1e3, "k") if number < 999_500 else (number / 1e6, "M")
    return f"{scaled:.{1 if scaled < 99.95 else 0}f}{unit}"


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
