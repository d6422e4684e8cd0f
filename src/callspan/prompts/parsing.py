"""A prompt file: facts between two lines `---`, then the text, which lines such as `[user]` divide into messages."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callspan.errors import PromptError

_FENCE: Final = "---"
_SECTION: Final = re.compile(r"\[(?P<example>example )?(?P<role>system|developer|user|assistant)\]", re.IGNORECASE)
_FACT: Final = re.compile(r"(?P<name>[A-Za-z_][\w-]*)\s*:\s*(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class Section:
    """One message of a chat template. An example is taken as it is: braces in it are no variables."""

    role: str
    text: str
    is_example: bool = False


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What stands in a prompt file. `sections` is empty where the whole text is one template."""

    path: Path
    facts: dict[str, str]
    text: str
    sections: tuple[Section, ...]
    version: str


def parse(path: Path, told: str) -> PromptFile:
    """Read the text of a file; raises `PromptError` that names the file and the line of what cannot be read."""
    lines = told.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    facts: dict[str, str] = {}
    begin = 0
    if lines[0].strip() == _FENCE:
        end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == _FENCE), None)
        if end is None:
            raise PromptError(f"{path}, line 1: the facts begin with --- and never end; put --- on a line below them")
        facts, begin = _facts(path, lines[1:end]), end + 1
    text = "\n".join(lines[begin:]).strip("\n")
    version = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return PromptFile(path, facts, text, _sections(path, lines, begin), version)


def _facts(path: Path, lines: list[str]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _FACT.fullmatch(line.strip())
        if match is None:
            raise PromptError(f"{path}, line {number}: write a fact as `name: value`, on one line")
        if match["name"] in facts:
            raise PromptError(f"{path}, line {number}: {match['name']} is there twice")
        value = match["value"].strip()
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        facts[match["name"]] = value[1:-1] if is_quoted else value
    return facts


def _sections(path: Path, lines: list[str], begin: int) -> tuple[Section, ...]:
    heads = [
        (number, match) for number in range(begin, len(lines)) if (match := _SECTION.fullmatch(lines[number].strip()))
    ]
    if not heads:
        return ()
    if any(line.strip() for line in lines[begin : heads[0][0]]):
        raise PromptError(
            f"{path}, line {begin + 1}: text before the first message; put a line such as [system] above it"
        )
    ends = [number for number, _ in heads[1:]] + [len(lines)]
    return tuple(
        Section(match["role"].lower(), "\n".join(lines[start + 1 : end]).strip("\n"), bool(match["example"]))
        for (start, match), end in zip(heads, ends, strict=True)
    )


def names_in(text: str) -> list[str]:
    """Return the words of a list as facts have it.

    >>> names_in("product, taken"), names_in("[product]"), names_in("")
    (['product', 'taken'], ['product'], [])
    """
    inner = text.strip().removeprefix("[").removesuffix("]")
    return [word for part in inner.split(",") if (word := part.strip().strip("\"'"))]
