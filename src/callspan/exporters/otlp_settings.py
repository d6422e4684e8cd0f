"""Settings of OTLP: argument, then `OTEL_EXPORTER_OTLP_TRACES_*`, then `OTEL_EXPORTER_OTLP_*`, then the default.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/. A wrong argument raises `ConfigurationError`; a wrong
variable is warned of once, without its value, and counts as not set. `OTEL_EXPORTER_OTLP_INSECURE` is for gRPC, and
says nothing where every endpoint has a scheme.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeVar, get_args

from callspan.environment import Environment
from callspan.errors import ConfigurationError
from callspan.exporters import addresses, headers, tls
from callspan.exporters.addresses import Address
from callspan.exporters.tls import Tls
from callspan.guard import guard

T = TypeVar("T")

Protocol = Literal["http/protobuf", "http/json"]

GENERAL: Final = "OTEL_EXPORTER_OTLP_"
TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_"
DEFAULT_ENDPOINT: Final = "http://localhost:4318"
TRACES_PATH: Final = "v1/traces"
DEFAULT_TIMEOUT_S: Final = 10.0
MAX_TIMEOUT_S: Final = 3600.0
_LEAST_TIMEOUT_MS: Final = 100.0


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """How to reach an OTLP receiver, complete and checked."""

    address: Address
    headers: Mapping[str, str] = field(repr=False)
    protocol: Protocol
    compression: Literal["gzip"] | None
    timeout_s: float
    tls: Tls


def read(
    endpoint: Any = None,
    *,
    headers: Any = None,
    protocol: Any = None,
    compression: Any = None,
    timeout_s: Any = None,
    certificate_file: Any = None,
    client_certificate_file: Any = None,
    client_key_file: Any = None,
    verify: Any = True,
    environ: Mapping[str, str] = os.environ,
) -> OtlpSettings:
    """Check the arguments and fill up from the environment."""
    env = _Environment(environ)
    return OtlpSettings(
        address=_endpoint(endpoint, env),
        headers=_headers(headers, env),
        protocol=_protocol(protocol) if protocol is not None else env.read("PROTOCOL", _as_protocol) or "http/protobuf",
        compression=checked_compression(
            compression if compression is not None else env.read("COMPRESSION", _as_compression)
        ),
        timeout_s=checked_timeout(timeout_s)
        if timeout_s is not None
        else env.read("TIMEOUT", _as_seconds) or DEFAULT_TIMEOUT_S,
        tls=_tls(certificate_file, client_certificate_file, client_key_file, verify, env),
    )


def checked_timeout(given: Any) -> float:
    """Return the time an attempt may take. Raises `ConfigurationError`."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= MAX_TIMEOUT_S:
        raise ConfigurationError("timeout_s", given, f"give a number of seconds above 0, up to {MAX_TIMEOUT_S:.0f}")
    return float(given)


def checked_compression(given: Any) -> Literal["gzip"] | None:
    """Return how bodies are packed. Raises `ConfigurationError`."""
    if given is None or given == "none":
        return None
    if given != "gzip":
        raise ConfigurationError("compression", given, 'give "gzip", "none" or None')
    return "gzip"


class _Environment:
    """Reads what is said for traces, else what is said for all signals."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._env = Environment(environ)

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        return self.read_each(name, lambda _, raw: parse(raw))

    def read_each(self, name: str, parse: Callable[[str, str], T]) -> T | None:
        """Read with the variable's own name."""
        for_traces = self._env.read(TRACES + name, partial(parse, TRACES + name))
        return for_traces if for_traces is not None else self._env.read(GENERAL + name, partial(parse, GENERAL + name))


def _endpoint(given: Any, env: _Environment) -> Address:
    """Return where traces go: only the general variable names a base, to which the path is added."""
    if given is not None:
        address = addresses.checked(given, "endpoint")
        if addresses.has_path(address.url):
            return address
        return addresses.parse(addresses.below(given.strip(), TRACES_PATH))
    found = env.read_each("ENDPOINT", _as_address)
    return found or addresses.parse(f"{DEFAULT_ENDPOINT}/{TRACES_PATH}")


def _as_address(variable: str, raw: str) -> Address:
    address = addresses.parse(raw)
    return address if variable.startswith(TRACES) else addresses.parse(addresses.below(raw, TRACES_PATH))


def _headers(given: Any, env: _Environment) -> dict[str, str]:
    chosen = headers.checked(given) if given is not None else env.read_each("HEADERS", headers.read_pairs) or {}
    # What the body is follows from the protocol; a header that says so too is often set, and never needed.
    return {name: value for name, value in chosen.items() if name.lower() != "content-type"}


def _tls(authorities: Any, certificate: Any, key: Any, verify: Any, env: _Environment) -> Tls:
    if authorities is None:
        authorities = env.read("CERTIFICATE", tls.check_authorities)
    if certificate is None and key is None:
        certificate, key = _client_pair(env)
    return tls.checked(authorities, certificate, key, verify)


def _client_pair(env: _Environment) -> tuple[str | None, str | None]:
    """Return the client's certificate and key, if they fit together; a key alone means nothing."""
    certificate, key = env.read("CLIENT_CERTIFICATE", _as_file), env.read("CLIENT_KEY", _as_file)
    if certificate is None:
        return None, None
    try:
        tls.check_pair(certificate, key)
    except ValueError as error:
        variables = f"{GENERAL}[TRACES_]CLIENT_CERTIFICATE and _CLIENT_KEY"
        guard.warn(variables, f"environment variables {variables} are ignored: they need {error}")
        return None, None
    return certificate, key


def _as_file(raw: str) -> str:
    if not os.path.isfile(raw):  # noqa: PTH113 - a text goes in and out
        raise ValueError("the path of a file")
    return raw


def _protocol(given: Any) -> Protocol:
    try:
        return _as_protocol(given)
    except (ValueError, AttributeError):
        raise ConfigurationError("protocol", given, f"give one of: {', '.join(get_args(Protocol))}") from None


def _as_protocol(raw: str) -> Protocol:
    for known in get_args(Protocol):
        if raw.lower() == known:
            found: Protocol = known
            return found
    raise ValueError(f"one of {', '.join(get_args(Protocol))}; gRPC needs an OpenTelemetry exporter")


def _as_compression(raw: str) -> str:
    if raw.lower() not in ("gzip", "none"):
        raise ValueError("gzip or none")
    return raw.lower()


def _as_seconds(raw: str) -> float:
    """Read milliseconds. A handful was meant to be seconds, as OpenTelemetry for Python has it."""
    try:
        milliseconds = float(raw)
    except ValueError:
        milliseconds = math.nan
    if not _LEAST_TIMEOUT_MS <= milliseconds <= MAX_TIMEOUT_S * 1000:
        raise ValueError(f"milliseconds, from {_LEAST_TIMEOUT_MS:.0f} to {MAX_TIMEOUT_S * 1000:.0f}")
    return milliseconds / 1000
