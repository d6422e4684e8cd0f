"""What an integration is: something that watches a library which knows nothing of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from callspan.errors import ConfigurationError


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


class Options:
    """The keywords of `instrument()` that an integration understands, and what was chosen.

    Each has a few possible values, the first of which holds unless another is chosen.

    >>> options = Options(detail=("usual", "full"))
    >>> options.choose({"detail": "full", "of_another_integration": True})
    >>> options["detail"]
    'full'
    """

    def __init__(self, **values: tuple[Any, ...]) -> None:
        """Know the options by their possible values."""
        self._values = values
        self._chosen = {name: possible[0] for name, possible in values.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The keywords."""
        return (*self._values,)

    def __getitem__(self, name: str) -> Any:
        """Return what holds now."""
        return self._chosen[name]

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` for a value that an option of ours cannot have."""
        for name, value in given.items():
            possible = self._values.get(name)
            if possible is not None and not any(type(value) is type(one) and value == one for one in possible):
                spelled = " or ".join(map(repr, possible))
                raise ConfigurationError(f"instrument({name}=...)", value, f"give {spelled}")

    def choose(self, given: Mapping[str, Any]) -> None:
        """Let the values of our own options hold from now on."""
        self._chosen.update({name: value for name, value in given.items() if name in self._values})

    def reset(self) -> None:
        """Let every option have its first value again."""
        self._chosen = {name: possible[0] for name, possible in self._values.items()}


@runtime_checkable
class Integration(Protocol):
    """Watches one library. Its methods and fields are all that `instrument()` needs.

    `name` is what users write, and the name of the extra that installs the library; `library` is what they import.
    An integration with choices to make has a field `options` beside these: `Options`, chosen before it is attached.
    """

    name: str
    library: str
    versions: Versions

    def attach(self) -> None:
        """Start to watch: now if the library is loaded, else as soon as it is. Never import it.

        Attaching twice changes nothing but what other options ask for. May raise anything where the library is not as
        expected.
        """

    def detach(self) -> None:
        """Stop to watch and leave the library exactly as it was; harmless when not attached."""

    def report(self) -> str:
        """Say in a few words what is watched, as in `patched SyncAPIClient.request`."""
