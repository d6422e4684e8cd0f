"""Settings: argument, then `CALLSPAN_*`, then `OTEL_*`, then the default.

A wrong argument raises `ConfigurationError`. A wrong environment variable is warned of once, by name and never by
value, and counts as not set, or as no content: whoever deploys must not be able to stop the application.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from callspan.environment import MAX_TEXT, Environment, is_sensible
from callspan.errors import ConfigurationError
from callspan.policy import Limits, Price, Processor, Redaction, Replace, SampleRates, content_rules, redaction

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")
_NO_CONTENT: Final = "; until then no content is recorded"
_LONGEST_S: Final = 30 * 86_400
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_FROZEN_BETWEEN: Final = ("AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE")  # Lambda, Cloud Run and its functions

FlushOn = Literal["root", "never"]


@dataclass(frozen=True)
class Settings:
    """What `configure()` was told, complete. `exporters` are names or objects; `resource` extra attributes."""

    service_name: str | None = None
    exporters: tuple[Any, ...] = ("file",)
    sample_rate: float | SampleRates = 1.0
    capture_content: Any = True  # or False, "metadata", or one of these by kind
    redact: Redaction = field(default_factory=Redaction)
    limits: Limits = field(default_factory=Limits)
    processors: tuple[Processor, ...] = ()
    estimate_tokens: bool = False
    costs: bool | Mapping[str, Price] = False
    metrics: Literal["genai", "genai-1.41", "all"] | None = "genai"
    resource: Mapping[str, Any] = field(default_factory=dict)
    flush_on: FlushOn = "never"
    flush_on_sigterm: bool = False
    propagate_conversation: bool = False
    spool: Any = None  # of `pipeline.spool.settings`
    is_default_exporter: bool = False

    def is_same_as(self, other: Settings | None) -> bool:
        """Return whether `other` means the same. Exporter objects are the same only if they are one object."""
        if other is None or len(self.exporters) != len(other.exporters):
            return False
        pairs = zip(self.exporters, other.exporters, strict=True)
        if any(
            mine is not theirs and not (type(mine) is type(theirs) is str and mine == theirs) for mine, theirs in pairs
        ):
            return False
        return replace(self, exporters=()) == replace(other, exporters=())


def read(
    service_name: str | None = None,
    exporters: Sequence[Any] | None = None,
    sample_rate: float | SampleRates | None = None,
    capture_content: Any = None,
    resource: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    flush_on: str | None = None,
    flush_on_sigterm: bool | None = None,
    propagate_conversation: bool | None = None,
    spool: Any = None,
    redact: Redaction | Replace | bool | None = None,
    limits: Limits | None = None,
    processors: Iterable[Processor] = (),
    estimate_tokens: bool | None = None,
    costs: bool | Mapping[str, Price] | None = None,
    metrics: Any = True,
) -> Settings:
    """Check the arguments and fill up from the environment. Raises `ConfigurationError` for a wrong argument."""
    env = Environment(environ)
    chosen = _exporters(exporters) if exporters is not None else env.read("CALLSPAN_EXPORTERS", _names)
    chosen = chosen or _otlp_where_meant(env)
    attributes = _attributes(resource)
    return Settings(
        service_name=_text("service_name", service_name)
        or _text('resource["service.name"]', attributes.get("service.name"))
        or env.read("CALLSPAN_SERVICE_NAME", _name)
        or env.read("OTEL_SERVICE_NAME", _name),
        exporters=chosen or ("file",),
        sample_rate=_sampling(sample_rate, env),
        capture_content=_content(capture_content, env),
        redact=redaction(redact),
        limits=_limits(limits),
        processors=_processors(processors),
        costs=_costs(costs, env),
        metrics=_metrics(metrics),
        estimate_tokens=_switch("estimate_tokens", estimate_tokens, env, default=False),
        resource={**(env.read("OTEL_RESOURCE_ATTRIBUTES", _pairs) or {}), **attributes},
        flush_on=_flush_on(flush_on, env),
        flush_on_sigterm=_switch("flush_on_sigterm", flush_on_sigterm, env, default=False),
        propagate_conversation=_switch("propagate_conversation", propagate_conversation, env, default=False),
        spool=spool,
        is_default_exporter=not chosen,
    )


def is_disabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment switches callspan off altogether."""
    env = Environment(environ)
    ours = env.read("CALLSPAN_DISABLED", _as_switch)
    return env.first(False, "OTEL_SDK_DISABLED", _as_switch) if ours is None else ours  # noqa: FBT003


def seconds(name: str, value: Any) -> float:
    """Return a time to wait; a negative one, as what is left of a deadline may be, counts as 0, for ever as a month."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        raise ConfigurationError(name, value, "give a number of seconds")
    return float(min(max(value, 0), _LONGEST_S))


# -- arguments ---------------------------------------------------------------------------------------------------------


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(name, value, "give a string that is not empty")
    if not is_sensible(value):
        raise ConfigurationError(name, value, f"give printable text of at most {MAX_TEXT} characters")
    return value.strip()


def _switch(name: str, value: Any, env: Environment, *, default: bool) -> bool:
    if value is None:
        return env.first(default, f"CALLSPAN_{name.upper()}", _as_switch)
    if not isinstance(value, bool):
        raise ConfigurationError(name, value, "give True or False")
    return value


def _content(given: Any, env: Environment) -> Any:
    """Return how much of the content is recorded; OpenTelemetry's variable counts after ours.

    Who sets one of them to a word that we do not know wanted less: then there is none.
    """
    for name, parse in _CONTENT if given is None else ():
        if env.is_set(name):
            told = env.read(name, parse)
            given = False if told is None else told
            break
    given = True if given is None else given
    content_rules(given)
    return {**given} if isinstance(given, Mapping) else given


def _limits(given: Any) -> Limits:
    if given is not None and not isinstance(given, Limits):
        raise ConfigurationError("limits", given, "give a callspan.Limits")
    return given or Limits()


def _sampling(given: Any, env: Environment) -> float | SampleRates:
    """Return how much is recorded; OpenTelemetry's sampler counts after argument and variable of ours."""
    if isinstance(given, SampleRates):
        return given
    if given is not None:
        return SampleRates(given).default
    ours = env.read("CALLSPAN_SAMPLE_RATE", _as_rate)
    if ours is not None:
        return ours
    sampler = env.first("parentbased_always_on", "OTEL_TRACES_SAMPLER", _as_sampler)
    ratio = {"always_on": 1.0, "always_off": 0.0}.get(sampler.removeprefix("parentbased_"))
    rate = env.first(1.0, "OTEL_TRACES_SAMPLER_ARG", _as_rate) if ratio is None else ratio
    return rate if sampler.startswith("parentbased_") else SampleRates(rate, follow_parent=False)


def _costs(given: Any, env: Environment) -> bool | dict[str, Price]:
    if not isinstance(given, Mapping):
        return _switch("costs", given, env, default=False)
    for model, price in given.items():
        if not isinstance(model, str) or not isinstance(price, Price):
            raise ConfigurationError("costs", price, 'give prices by model, as in {"my-model": callspan.Price(2, 8)}')
    return {**given}


def _metrics(given: Any) -> Literal["genai", "genai-1.41", "all"] | None:
    if given is True or given == "genai":
        return "genai"
    if given == "genai-1.41":
        return "genai-1.41"
    if given == "all":
        return "all"
    if given is False:
        return None
    raise ConfigurationError("metrics", given, 'give "genai", "genai-1.41", "all" or False')


def _processors(given: Any) -> tuple[Processor, ...]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ConfigurationError("processors", given, "give a list of functions that take a span and return it or None")
    chosen = tuple(given)
    for index, processor in enumerate(chosen):
        if not callable(processor):
            raise ConfigurationError(f"processors[{index}]", processor, "give a function (span) -> span or None")
    return chosen


def _flush_on(given: Any, env: Environment) -> FlushOn:
    """Return when to flush unasked. Processes that are frozen between requests may not wait for the worker."""
    if given is not None:
        try:
            return _as_flush_on(given)
        except (ValueError, AttributeError):
            raise ConfigurationError("flush_on", given, 'give "root" or "never"') from None
    is_frozen = any(env.read(name, _name) for name in _FROZEN_BETWEEN)
    return env.first("root" if is_frozen else "never", "CALLSPAN_FLUSH_ON", _as_flush_on)


def _otlp_where_meant(env: Environment) -> tuple[str, ...]:
    """Return OTLP where the environment names an endpoint, which may be for metrics and logs only: then it says so."""
    wanted = env.read("OTEL_TRACES_EXPORTER", _names)
    if wanted is not None and not any(name.startswith("otlp") for name in wanted):
        return ()
    return ("otlp",) if any(env.read(name, _as_url) for name in _ENDPOINTS) else ()


def _exporters(value: Any) -> tuple[Any, ...]:
    given = [name for name in value.split(",") if name.strip()] if isinstance(value, str) else value
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise ConfigurationError("exporters", value, 'give a list, as in exporters=["file"]')
    if not given:
        why = 'it is empty; name one, as in exporters=["file"], or leave configure() out to record nothing'
        raise ConfigurationError("exporters", value, why)
    chosen: list[Any] = []
    for item in given:
        exporter = item.strip().lower() if isinstance(item, str) else item
        if not any(exporter is other or (isinstance(exporter, str) and exporter == other) for other in chosen):
            chosen.append(exporter)
    return tuple(chosen)


def _attributes(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError("resource", value, 'give a dictionary, as in {"deployment.environment.name": "prod"}')
    for key, item in value.items():
        if not isinstance(key, str) or not key or not is_sensible(key):
            raise ConfigurationError("resource", key, "use attribute names that are printable strings")
        if not isinstance(item, str | bool | int | float):
            raise ConfigurationError(f"resource[{key!r}]", item, "give a string, a number or a bool")
    return dict(value)


# -- environment -------------------------------------------------------------------------------------------------------


def _name(raw: str) -> str:
    return raw


def _names(raw: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in raw.split(",") if name.strip()))
    if not names:
        raise ValueError("names separated by commas")
    return names


def _as_rate(raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _as_url(raw: str) -> str:
    """Take what may be a URL; whoever sends to it checks the rest."""
    if not raw.lower().startswith(("http://", "https://")):
        raise ValueError("a URL that starts with http:// or https://")
    return raw


def _as_flush_on(raw: str) -> FlushOn:
    if raw.lower() == "root":
        return "root"
    if raw.lower() == "never":
        return "never"
    raise ValueError("root or never")


def _as_switch(raw: str) -> bool:
    if raw.lower() in _TRUE:
        return True
    if raw.lower() in _FALSE:
        return False
    raise ValueError("true or false")


def _as_sampler(raw: str) -> str:
    known = [based + name for based in ("", "parentbased_") for name in ("always_on", "always_off", "traceidratio")]
    if raw.lower() not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return raw.lower()


def _as_content(raw: str) -> Any:
    if raw.lower() in ("none", "metadata", "full"):
        return raw.lower()
    try:
        return _as_switch(raw)
    except ValueError:
        raise ValueError(f"true, false or metadata{_NO_CONTENT}") from None


def _as_message_content(raw: str) -> bool:
    """Read where OpenTelemetry's instrumentations write messages to; ours go to spans only."""
    if raw.lower() in ("no_content", "event_only"):
        return False
    if raw.lower() in ("span_only", "span_and_event"):
        return True
    try:
        return _as_switch(raw)
    except ValueError:
        words = "true, false, NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT"
        raise ValueError(f"{words}{_NO_CONTENT}") from None


_CONTENT: Final = (
    ("CALLSPAN_CAPTURE_CONTENT", _as_content),
    ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", _as_message_content),
)


def _pairs(raw: str) -> dict[str, Any]:
    """Read `key=value,key=value`, values percent-encoded."""
    from urllib.parse import unquote  # noqa: PLC0415 - rarely needed

    pairs = [pair.partition("=") for pair in raw.split(",") if pair.strip()]
    if any(not key.strip() or not equals for key, equals, _ in pairs):
        raise ValueError("key=value pairs separated by commas")
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}
