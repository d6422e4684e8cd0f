"""Prompt templates, and texts that remember which template and variables they came from."""

from __future__ import annotations

import hashlib
import string
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from callspan.errors import PromptError

_REMEMBERED_TEXTS: Final = 4096


class RenderedPrompt(str):  # noqa: SLOT000 - a dictionary makes it pickle like any other str
    """The text a template rendered: a plain `str` to everyone, with its origin attached.

    `str(text)` gives the text without its memory. Slicing, joining and most frameworks make a plain `str` of it too;
    callspan then finds the origin by content.
    """

    template: str
    variables: dict[str, Any]
    name: str | None
    version: str


class PromptTemplate:
    """A prompt with variables in braces.

    >>> naming = PromptTemplate("Name a company that makes {product}.", name="naming")
    >>> text = naming.format(product="socks")
    >>> text
    'Name a company that makes socks.'
    >>> text.variables
    {'product': 'socks'}

    `version` is the first 12 hexadecimal digits of the template's SHA-256 unless one is given. Braces that are not
    variables are written twice, as in `str.format`. Raises `PromptError` for a template that cannot be read.
    """

    __slots__ = ("name", "template", "variable_names", "version")

    def __init__(self, template: str, *, name: str | None = None, version: str | None = None) -> None:
        """Read the template's variables; nothing is rendered yet."""
        self.template: Final = template
        self.name: Final = name
        self.version: Final = version or hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        self.variable_names: Final = _variables_of(template, name)

    def format(self, /, **variables: object) -> RenderedPrompt:
        """Render the template. Raises `PromptError` naming every variable that is missing or unknown."""
        missing = [name for name in self.variable_names if name not in variables]
        unknown = [name for name in variables if name not in self.variable_names]
        if missing or unknown:
            raise PromptError(_mismatch(self, missing, unknown))
        return remember(self.template.format(**variables), self.template, variables, self.name, self.version)

    def __repr__(self) -> str:
        """Show name, version and variables, not the whole text."""
        return f"PromptTemplate(name={self.name!r}, version={self.version!r}, variables={list(self.variable_names)})"


def _variables_of(template: str, name: str | None) -> tuple[str, ...]:
    label = f"prompt template {name!r}" if name else "prompt template"
    try:
        fields = [*_fields_of(template)]
    except ValueError as error:
        message = f"{label}: {error}. Write braces that are not variables twice: {{{{ and }}}}."
        raise PromptError(message) from None
    for field in fields:
        if not field.isidentifier():
            message = f"{label}: {{{field}}} is not a variable name. Write braces that are not variables twice."
            raise PromptError(message)
    return tuple(dict.fromkeys(fields))


def _fields_of(template: str) -> Iterator[str]:
    """Yield what stands in braces, in formats such as `{price:{width}}` too."""
    for _, field, spec, conversion in string.Formatter().parse(template):
        if field is not None:
            yield field
            yield from _fields_of(spec or "")
        if conversion not in (None, "r", "s", "a"):
            message = f"unknown conversion !{conversion}"
            raise ValueError(message)


def _mismatch(template: PromptTemplate, missing: list[str], unknown: list[str]) -> str:
    label = f"prompt template {template.name!r}" if template.name else "prompt template"
    parts = [f"{label} needs {', '.join(template.variable_names) or 'no variables'}"]
    if missing:
        parts.append(f"missing: {', '.join(missing)}")
    if unknown:
        parts.append(f"unknown: {', '.join(unknown)}")
    return "; ".join(parts)


class _RecentTexts:
    """Origins of the texts rendered last, by the hash of the text; bounded, oldest forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_hash: dict[int, RenderedPrompt] = {}
        self._deferred: deque[Callable[[], object]] = deque(maxlen=limit)

    def __bool__(self) -> bool:
        return bool(self._by_hash or self._deferred)

    def defer(self, add: Callable[[], object]) -> None:
        """Let `add` add texts when one is looked for next: working out where they came from is not for the caller."""
        self._deferred.append(add)

    def forget(self) -> None:
        """Start over; for tests."""
        self._by_hash.clear()
        self._deferred.clear()

    def add(self, text: RenderedPrompt) -> None:
        texts = self._by_hash
        key = str.__hash__(text)
        texts.pop(key, None)
        texts[key] = text
        while len(texts) > self._limit:
            # Another thread may have taken the same oldest key, or be adding: both are harmless.
            try:
                texts.pop(next(iter(texts)), None)
            except (StopIteration, RuntimeError):
                return

    def find(self, text: str) -> RenderedPrompt | None:
        """Return the origin of an equal text, if it was rendered recently; in the worker."""
        while self._deferred:
            try:
                add = self._deferred.popleft()
            except IndexError:  # another worker was faster
                break
            add()
        found = self._by_hash.get(hash(text))
        return found if found is not None and found == text else None


recent_texts: Final = _RecentTexts(_REMEMBERED_TEXTS)


def remember(
    text: str, template: str, variables: dict[str, Any], name: str | None, version: str | None
) -> RenderedPrompt:
    """Attach an origin to a text and keep it findable by content.

    `version` defaults to the content hash of `template`.
    """
    rendered = RenderedPrompt(text)
    rendered.template = template
    rendered.variables = dict(variables)
    rendered.name = name
    rendered.version = version or hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    recent_texts.add(rendered)
    return rendered


def prompt(template: Any, *, name: str | None = None, version: str | None = None) -> RenderedPrompt:
    """Render a template string (`t"…"`, Python 3.14) into a text that remembers its template and variables.

    `callspan.prompt(t"Name a {product}")` has the template `Name a {product}` and the variable `product`. An expression
    that is not a name keeps its source text as the variable's name. Raises `PromptError` for anything else than a
    template string.
    """
    strings = getattr(template, "strings", None)
    interpolations = getattr(template, "interpolations", None)
    if strings is None or interpolations is None:
        given = type(template).__name__
        message = f'prompt(): got {given}; pass a template string, as in prompt(t"Name a {{product}}")'
        raise PromptError(message)
    text, source, variables = [strings[0]], [_escape(strings[0])], {}
    for part, literal in zip(interpolations, strings[1:], strict=True):
        value = part.value
        if part.conversion:
            value = _convert(part.conversion, value)
        text += [format(value, part.format_spec), literal]
        source += ["{" + part.expression + "}", _escape(literal)]
        variables[part.expression] = part.value
    return remember("".join(text), "".join(source), variables, name, version)


def _convert(conversion: str, value: object) -> str:
    if conversion == "r":
        return repr(value)
    return ascii(value) if conversion == "a" else str(value)


def _escape(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")
