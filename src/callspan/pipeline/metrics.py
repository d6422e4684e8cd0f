"""The GenAI metrics of recorded spans, through OpenTelemetry's metrics API: durations, tokens, times of streams.

For programs that set up a `MeterProvider` and want one histogram instead of a million spans. Where there is none,
nothing happens. Runs in the worker. Names, units and buckets are those of the conventions, the newest ones or 1.41.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal

from callspan.dialects.genai import operation_of
from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.version import VERSION

Version = Literal["genai", "genai-1.41"]

SECONDS: Final = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
AGENT_SECONDS: Final = [0.1 * 2**power for power in range(13)]
TOKENS: Final = [4**power for power in range(14)]
_COUNTED: Final = (
    ("input_tokens", "input_tokens"),
    ("output_tokens", "output_tokens"),
    ("cache_read_tokens", "cache_read.input_tokens"),
    ("cache_write_tokens", "cache_write.input_tokens"),
    ("reasoning_tokens", "reasoning.output_tokens"),
)


class Metrics:
    """Records what a finished span tells in the instruments of the provider that is set up, once there is one."""

    def __init__(self, version: Version = "genai") -> None:
        """Make no instrument yet."""
        self._version = version
        self._meter: Any = None
        self._provider: Any = None
        self._instruments: dict[str, Any] = {}

    def record(self, span: Span) -> None:
        """Record one span; never raises."""
        try:
            if self._has_meter() and span.facts is not None:
                self._record(span, span.facts)
        except Exception as error:  # noqa: BLE001 - a foreign provider
            guard.note("recording metrics", error)

    def is_wanted(self) -> bool:
        """Return whether anybody has set up a provider; asked on the caller's thread, too. Never raises."""
        try:
            return _provider() is not None
        except Exception as error:  # noqa: BLE001 - foreign code
            guard.note("looking for a provider of meters", error)
            return False

    def _has_meter(self) -> bool:
        provider = _provider()
        if provider is None:
            return False
        if provider is not self._provider:
            self._provider, self._instruments = provider, {}
            self._meter = provider.get_meter("callspan", VERSION)
        return True

    def _record(self, span: Span, facts: Facts) -> None:
        duration_s = max(span.end_ns - span.start_ns, 0) / 1e9
        error = {"error.type": span.error.type} if span.error is not None else {}
        if span.kind == "llm":
            if not span.usage_below:
                self._inference(span, facts, duration_s, error)
        elif span.kind in ("embedding", "retriever"):
            self._seconds("gen_ai.client.operation.duration", duration_s, {**_common(span, facts), **error})
        elif span.kind == "tool" and self._version == "genai":
            told = {"gen_ai.tool.name": facts.tool.name if facts.tool is not None else span.name, **error}
            self._seconds("gen_ai.execute_tool.duration", duration_s, told)
        elif span.kind == "agent" and self._version == "genai":
            told = {"gen_ai.agent.name": facts.agent_name or span.name, **error}
            self._histogram("gen_ai.invoke_agent.duration", "s", AGENT_SECONDS).record(duration_s, told)

    def _inference(self, span: Span, facts: Facts, duration_s: float, error: dict[str, str]) -> None:
        common = _common(span, facts)
        is_newest = self._version == "genai"
        prefix = "gen_ai.client.inference" if is_newest else "gen_ai.client.operation"
        self._seconds(f"{prefix}.duration", duration_s, {**common, **error})
        first_s, chunks = facts.time_to_first_chunk_s, facts.chunk_count
        if first_s is not None:
            self._seconds(f"{prefix}.time_to_first_chunk", first_s, common)
            if chunks is not None and chunks > 1:
                self._seconds(f"{prefix}.time_per_output_chunk", max(duration_s - first_s, 0) / (chunks - 1), common)
        if is_newest:
            self._usage(facts, common, error)
        elif facts.usage is not None:
            for count, kind in ((facts.usage.input_tokens, "input"), (facts.usage.output_tokens, "output")):
                if count is not None:
                    told = {**common, "gen_ai.token.type": kind}
                    self._histogram("gen_ai.client.token.usage", "{token}", TOKENS).record(count, told)

    def _usage(self, facts: Facts, common: dict[str, Any], error: dict[str, str]) -> None:
        usage = facts.usage
        for field, name in _COUNTED:
            total = getattr(usage, field) if usage is not None else None
            if total is None and field in ("input_tokens", "output_tokens"):
                total = 0  # the conventions count calls without usage, too
            if total is None:
                continue
            counter = self._counter(f"gen_ai.client.inference.usage.{name}")
            for modality, count in _by_modality(usage, field, total):
                counter.add(count, {**common, "gen_ai.token.modality": modality})
        for field in ("input_tokens", "output_tokens"):
            reported = getattr(usage, field) if usage is not None else None
            if reported is not None:
                histogram = self._histogram(f"gen_ai.client.inference.operation.{field}", "{token}", TOKENS)
                histogram.record(reported, {**common, **error})

    # -- instruments ---------------------------------------------------------------------------------------------------

    def _seconds(self, name: str, value: float, told: dict[str, Any]) -> None:
        self._histogram(name, "s", SECONDS).record(value, told)

    def _histogram(self, name: str, unit: str, buckets: Sequence[float]) -> Any:
        return self._instruments.get(name) or self._keep(name, partial(_make_histogram, self._meter, unit, buckets))

    def _counter(self, name: str) -> Any:
        return self._instruments.get(name) or self._keep(name, partial(self._meter.create_counter, unit="{token}"))

    def _keep(self, name: str, make: Callable[[str], Any]) -> Any:
        made = self._instruments[name] = make(name)
        return made


def _provider() -> Any:
    """Return the provider that is set up; None for those of the interface, which do nothing."""
    metrics = sys.modules.get("opentelemetry.metrics")  # whoever has set a provider has imported it
    provider: Any = metrics.get_meter_provider() if metrics is not None else None
    return None if type(provider).__name__ in ("_ProxyMeterProvider", "NoOpMeterProvider") else provider


def _make_histogram(meter: Any, unit: str, buckets: Sequence[float], name: str) -> Any:
    try:
        return meter.create_histogram(name, unit=unit, explicit_bucket_boundaries_advisory=list(buckets))
    except TypeError:  # OpenTelemetry before 1.30
        return meter.create_histogram(name, unit=unit)


def _common(span: Span, facts: Facts) -> dict[str, Any]:
    told = {
        "gen_ai.operation.name": operation_of(span, facts),
        "gen_ai.provider.name": facts.provider,
        "gen_ai.request.model": facts.request.get("model"),
        "gen_ai.response.model": facts.response.get("model"),
        "server.address": facts.server_address,
        "server.port": facts.server_port if facts.server_address else None,
    }
    return {key: value for key, value in told.items() if isinstance(value, str | int)}


def _by_modality(usage: Any, field: str, total: int) -> Iterator[tuple[str, int]]:
    """Split a count as far as the provider did."""
    left = total
    if field in ("input_tokens", "output_tokens"):
        side = field.removesuffix("_tokens")
        for modality in ("text", "image", "audio"):
            count = getattr(usage, f"{modality}_{side}_tokens", None)
            if count is not None and 0 < count <= left:
                left -= count
                yield modality, count
    if left or not total:
        yield "unknown", left
