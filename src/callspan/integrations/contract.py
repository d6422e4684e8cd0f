"""What an integration is: something that watches a library which knows nothing of it."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol, runtime_checkable


class Versions(NamedTuple):
    """Which versions of a distribution are supported: from `oldest`, and tested up to all of `newest`.

    >>> versions = Versions("openai", oldest=(1, 40), newest=(3,))
    >>> versions.complaint("0.28.1")
    'openai 0.28.1 is too old: 1.40 and later are supported'
    >>> versions.caution("3.54.0"), versions.caution("4.0.0b1")
    ('', 'newer than tested')
    """

    distribution: str
    oldest: tuple[int, ...]
    newest: tuple[int, ...]

    def complaint(self, installed: str) -> str:
        """Return why a version cannot be watched; an empty text when it can, or when its number cannot be read."""
        numbers = numbers_of(installed)
        if not numbers or numbers >= self.oldest:
            return ""
        oldest = ".".join(map(str, self.oldest))
        return f"{self.distribution} {installed} is too old: {oldest} and later are supported"

    def caution(self, installed: str) -> str:
        """Return what to know of a version that is watched; mostly an empty text."""
        return "newer than tested" if numbers_of(installed)[: len(self.newest)] > self.newest else ""


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers a version starts with.

    >>> numbers_of("4.0b1"), numbers_of("1.109.1")
    ((4, 0), (1, 109, 1))
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


@runtime_checkable
class Integration(Protocol):
    """Watches one library. Its four methods and fields are all that `instrument()` needs.

    `name` is what users write, and the name of the extra that installs the library; `library` is what they import.
    """

    name: str
    library: str
    versions: Versions

    def attach(self) -> None:
        """Start to watch: now if the library is loaded, else as soon as it is. Never import it.

        Attaching twice changes nothing. May raise anything where the library is not as expected.
        """

    def detach(self) -> None:
        """Stop to watch and leave the library exactly as it was; harmless when not attached."""

    def report(self) -> str:
        """Say in a few words what is watched, as in `patched SyncAPIClient.request`."""
