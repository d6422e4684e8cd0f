"""What `configure()` takes as values of their own: what may leave, how much of it, and of how many traces.

They are data: frozen, comparable, with readable fields. Each checks itself when it is made and raises
`ConfigurationError` naming the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from callspan.errors import ConfigurationError
from callspan.model.kinds import KINDS
from callspan.model.usage import Usage

PERSONAL: Final = ("email", "phone", "card", "iban", "ip")
MARK: Final = "[redacted]"
_MOST_MARK: Final = 64

Replace = Callable[[str, str], "str | None"]
Processor = Callable[[Any], Any]
"""Sees every finished span, and returns it, changed or not; or None, and it goes nowhere."""
Content = Literal["full", "metadata", "none"]
_LEVELS: Final[tuple[Content, ...]] = ("none", "metadata", "full")


@dataclass(frozen=True)
class Redaction:
    """What is replaced before a span reaches any exporter, file or log.

    credentials: whether what looks like a credential goes, by the name of its key or by its shape. On unless told not.
    personal: kinds of personal data that go, too: of "email", "phone", "card", "iban", "ip"; True for all.
    keys: names of keys whose values go, in any spelling; `keep_keys` are no secrets whatever the rules say.
    patterns: regular expressions, as texts or compiled; what they match in any text goes.
    paths: places whose values go, with `*` for anything: "input.customer.*", "metadata.ssn", "documents.*.content".
    allow: only these places stay, and everything else that came from your code goes; None to allow all.
    function: is given every text that is left, and its place; returns the text to write, or None to replace it.
    by: "mark" to write `mark` instead, "removal" to leave nothing.

    Places are written with the names of `SpanRecord`'s fields. A rule that fails costs the value, never the span.

    >>> Redaction(personal=["email"], keys=["customer_number"]).personal
    ('email',)
    """

    credentials: bool = True
    personal: Iterable[str] | bool = ()
    keys: Iterable[str] = ()
    keep_keys: Iterable[str] = ()
    patterns: Iterable[str | re.Pattern[str]] = ()
    paths: Iterable[str] = ()
    allow: Iterable[str] | None = None
    function: Replace | None = None
    by: Literal["mark", "removal"] = "mark"
    mark: str = MARK

    def __post_init__(self) -> None:
        """Check every field, and keep lists as tuples."""
        credentials: Any = self.credentials
        if not isinstance(credentials, bool):
            raise ConfigurationError("redact.credentials", self.credentials, "give True or False")
        personal = self.personal
        chosen = (PERSONAL if personal else ()) if isinstance(personal, bool) else _texts("redact.personal", personal)
        if not set(chosen) <= set(PERSONAL):
            raise ConfigurationError("redact.personal", personal, f"use some of: {', '.join(PERSONAL)}; or True")
        object.__setattr__(self, "personal", chosen)
        for name in ("keys", "keep_keys", "paths"):
            object.__setattr__(self, name, _texts(f"redact.{name}", getattr(self, name)))
        if self.allow is not None:
            object.__setattr__(self, "allow", _texts("redact.allow", self.allow))
        object.__setattr__(self, "patterns", _patterns(self.patterns))
        if self.function is not None and not callable(self.function):
            raise ConfigurationError("redact.function", self.function, "give a function (text, place) -> text or None")
        if self.by not in ("mark", "removal"):
            raise ConfigurationError("redact.by", self.by, 'give "mark" or "removal"')
        if not _is_mark(self.mark):
            raise ConfigurationError("redact.mark", self.mark, f"give 1 to {_MOST_MARK} printable characters")


def content_level(name: str, given: Any) -> Content:
    """Return what may be given as `capture_content`: True, False, "metadata", or a level itself."""
    levels: dict[Any, Content] = {True: "full", False: "none", "full": "full", "metadata": "metadata", "none": "none"}
    if isinstance(given, bool | str) and given in levels:
        return levels[given]
    raise ConfigurationError(name, given, 'give True, False or "metadata"')


def content_rules(given: Any) -> dict[str, Content]:
    """Return the level of every kind of span; given as one for all, or by kind, where others are recorded in full."""
    if not isinstance(given, Mapping):
        return dict.fromkeys(KINDS, content_level("capture_content", given))
    unknown = [kind for kind in given if kind not in KINDS]
    if unknown:
        raise ConfigurationError("capture_content", unknown[0], f"name kinds of spans: {', '.join(KINDS)}")
    return {kind: content_level(f"capture_content[{kind!r}]", given.get(kind, True)) for kind in KINDS}


def lowest(*levels: Content) -> Content:
    """Return the level that lets the least pass."""
    return min(levels, key=_LEVELS.index)


def redaction(given: Any) -> Redaction:
    """Return the rules for what may be given as `redact`: rules, a function, a switch, or None for the default."""
    if given is None or isinstance(given, Redaction):
        return given or Redaction()
    if isinstance(given, bool):
        return Redaction(credentials=given)
    if callable(given):
        return Redaction(function=given)
    raise ConfigurationError("redact", given, "give a callspan.Redaction, a function (text, place) -> text, or False")


def _is_mark(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 1 <= len(value) <= _MOST_MARK


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigurationError(name, value, "give a list of strings")
    texts = tuple(value)
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(name, text, "give strings that are not empty")
    return texts


def _patterns(value: Any) -> tuple[re.Pattern[str], ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigurationError("redact.patterns", value, "give a list of regular expressions")
    compiled = []
    for pattern in value:
        try:
            made = re.compile(pattern)
        except (re.error, TypeError, ValueError, RecursionError):
            made = None
        if made is None or not isinstance(made.pattern, str):
            raise ConfigurationError("redact.patterns", pattern, "give regular expressions for str, or their texts")
        if made.match("") is not None:
            raise ConfigurationError("redact.patterns", pattern, "give expressions that do not match an empty text")
        compiled.append(made)
    return tuple(compiled)


@dataclass(frozen=True)
class Limits:
    """How much of a span is kept; what is cut is named in `truncated`, with its size before, in bytes.

    max_value_bytes: of one text, about: texts are cut by characters, at their end.
    max_span_bytes: of all content of one span: message lists lose their middle, other lists and texts their end.
    keep_media: whether images and sounds in base64 stay; else their type, size and digest are kept instead.

    Identity, usage, models, reasons for finishing and errors are never cut.
    """

    max_value_bytes: int = 262_144
    max_span_bytes: int = 2_097_152
    keep_media: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        for name, least in (("max_value_bytes", 64), ("max_span_bytes", 1024)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ConfigurationError(f"limits.{name}", value, f"give a whole number of bytes from {least}")
        if not isinstance(self.keep_media, bool):
            raise ConfigurationError("limits.keep_media", self.keep_media, "give True or False")


@dataclass(frozen=True)
class Price:
    """What a million tokens of a model cost, in US dollars.

    input, output: of all tokens that went in and came out; output includes reasoning.
    cache_read, cache_write: of the part of the input that was read from or written to a cache; as `input` by default.

    >>> Price(input=2.0, output=8.0).output
    8.0
    """

    input: float
    output: float = 0.0
    cache_read: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("input", "output", "cache_read", "cache_write"):
            value: Any = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
            if not is_number and (value is not None or name in ("input", "output")):
                raise ConfigurationError(f"costs.{name}", value, "give US dollars for a million tokens")

    def of(self, usage: Usage) -> float:
        """Return what this usage cost, in US dollars."""
        read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        plain = max((usage.input_tokens or 0) - read - write, 0)
        total = plain * self.input + (usage.output_tokens or 0) * self.output
        total += read * (self.input if self.cache_read is None else self.cache_read)
        total += write * (self.input if self.cache_write is None else self.cache_write)
        return total / 1_000_000


@dataclass(frozen=True)
class SampleRates:
    """The share of traces that is recorded, from 0 to 1, and of which kinds and names of spans within them.

    default: of all traces. A trace's ID decides, so services with the same rate record the same traces.
    kinds, names: rates of spans by kind and by name, a name before a kind; `*` at the end of a name: any rest.
        At the head of a trace they replace `default`; below, they leave a span out with all that is below it.
    follow_parent: whether a span below one of another service or tracer is recorded if that is; else its ID decides.

    >>> SampleRates(0.5, names={"health*": 0}).names
    {'health*': 0.0}
    """

    default: float = 1.0
    kinds: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, float] = field(default_factory=dict)
    follow_parent: bool = True

    def __post_init__(self) -> None:
        """Check every rate."""
        object.__setattr__(self, "default", _rate("sample_rate", self.default))
        for name in ("kinds", "names"):
            rates = getattr(self, name)
            if not isinstance(rates, Mapping) or not all(isinstance(key, str) and key for key in rates):
                raise ConfigurationError(f"sample_rate.{name}", rates, "give a dictionary of rates by name")
            unknown = [kind for kind in rates if kind not in KINDS] if name == "kinds" else []
            if unknown:
                raise ConfigurationError("sample_rate.kinds", unknown[0], f"name kinds of spans: {', '.join(KINDS)}")
            checked = {key: _rate(f"sample_rate.{name}[{key!r}]", rate) for key, rate in rates.items()}
            object.__setattr__(self, name, checked)
        if not isinstance(self.follow_parent, bool):
            raise ConfigurationError("sample_rate.follow_parent", self.follow_parent, "give True or False")


def _rate(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(name, value, "give a number from 0 to 1")
    return float(value)
