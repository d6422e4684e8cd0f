"""What a call cost, from prices by model: the user's own, else those of the library `genai-prices`, by date.

In US dollars. Cached, audio and reasoning tokens are priced as what they are. A model without a price has no cost,
which is not the same as 0. Looked at only where it was asked for, in the worker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from inspect import signature
from typing import Any, Final

from callspan.forks import forks
from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.model.usage import Usage
from callspan.policy import Price

TOTAL: Final = "callspan.cost.total"
SOURCE: Final = "callspan.cost.source"
_KINDS: Final = ("llm", "embedding", "reranker")
_PROVIDERS: Final = {  # GenAI's names of providers, where the library has others
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
_COUNTS: Final = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
}
_TIERS: Final = ("flex", "priority", "batch")
_KEPT: Final = 4096

Calculate = Callable[[Usage, str, "str | None", int, "str | None"], "float | None"]


class Costs:
    """Adds the cost to spans that report usage: `callspan.cost.total`, and `callspan.cost.source` beside it."""

    def __init__(self, prices: Mapping[str, Price] | None = None, *, use_library: bool = True) -> None:
        """Take prices of the user's own, by the name of the model; they come first."""
        self._prices = dict(prices or {})
        self._use_library = use_library
        self._library: tuple[str, Calculate] | None = None
        self._unknown: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    def add(self, span: Span) -> None:
        """Add what the call cost, where its usage, its model and a price are known."""
        facts = span.facts
        assert facts is not None
        usage = facts.usage
        if usage is None or span.usage_below or span.kind not in _KINDS or TOTAL in facts.attributes:
            return
        if usage.input_tokens is None or (span.kind == "llm" and usage.output_tokens is None):
            return
        found = self._own(facts, usage) or self._of_library(facts, usage, span.start_ns)
        if found is not None:
            facts.attributes[TOTAL], facts.attributes[SOURCE] = found

    def _own(self, facts: Facts, usage: Usage) -> tuple[float, str] | None:
        for model in (facts.response.get("model"), facts.request.get("model")):
            price = self._prices.get(model) if isinstance(model, str) else None
            if price is not None:
                return price.of(usage), "configured"
        return None

    def _of_library(self, facts: Facts, usage: Usage, start_ns: int) -> tuple[float, str] | None:
        if not self._use_library:
            return None
        name, calculate = self._library = self._library or _load()
        tier = facts.response.get("service_tier")
        for model in (facts.response.get("model"), facts.request.get("model")):
            if not isinstance(model, str) or not model or (key := (model, facts.provider)) in self._unknown:
                continue
            try:
                total = calculate(usage, model, facts.provider, start_ns, tier if tier in _TIERS else None)
            except LookupError:
                self._unknown[key] = None
                if len(self._unknown) > _KEPT:
                    self._unknown.popitem(last=False)
            else:
                return None if total is None else (total, name)
        return None


def _load() -> tuple[str, Calculate]:
    """Return the library's name with its version, and a function that asks it.

    The function raises `LookupError` for a model that is not known, and returns None where the counts have no price.
    """
    try:
        with forks.kept_off():
            from genai_prices import Usage as Counts  # noqa: PLC0415 - in the worker, and only where it was asked for
            from genai_prices import calc_price  # noqa: PLC0415
    except ImportError:
        guard.warn("costs", "costs are not known: genai-prices is not installed; pip install callspan[costs]")
        return "", lambda *_: None

    knows_tiers = "price_context" in signature(calc_price).parameters

    def calculate(usage: Usage, model: str, provider: str | None, start_ns: int, tier: str | None) -> float | None:
        counts = {theirs: getattr(usage, ours) for ours, theirs in _COUNTS.items() if getattr(usage, ours) is not None}
        more: dict[str, Any] = {"price_context": {"service_tier": tier}} if tier and knows_tiers else {}
        try:
            found = calc_price(
                Counts(**counts),
                model_ref=model,
                provider_id=_PROVIDERS.get(provider, provider) if provider else None,
                genai_request_timestamp=datetime.fromtimestamp(start_ns / 1e9, tz=timezone.utc),
                **more,
            )
        except LookupError:
            raise
        except Exception as error:  # noqa: BLE001 - another version of it, or counts that contradict each other
            guard.note("asking for a price", error)
            return None
        return float(found.total_price)

    return f"genai-prices {version('genai-prices')}", calculate
