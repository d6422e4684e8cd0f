from __future__ import annotations

import sys
from typing import Any

import pytest

import callspan
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from callspan.model.usage import Usage
from callspan.pipeline.costs import SOURCE, TOTAL, Costs
from callspan.policy import Price
from spans import FIXED, finished


def cost(costs: Costs, kind: Any = "llm", **given: Any) -> Any:
    span = finished(kind, **given)
    costs.add(span)
    assert span.facts is not None
    return span.facts.attributes.get(TOTAL), span.facts.attributes.get(SOURCE)


OWN = Costs({"mine": Price(2.0, 8.0, cache_read=0.5), "dated-2024": Price(1.0)}, use_library=False)


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (Usage(input_tokens=1_000_000, output_tokens=0), 2.0),
        (Usage(input_tokens=1_000, output_tokens=500), 0.006),
        (Usage(input_tokens=1_000, output_tokens=0, cache_read_tokens=600), 0.0011),
        (Usage(input_tokens=1_000, output_tokens=0, cache_write_tokens=600), 0.002),
        (Usage(input_tokens=10, output_tokens=100, reasoning_tokens=90), 0.00082),
        (Usage(input_tokens=0, output_tokens=0), 0.0),
    ],
)
def test_prices_of_the_users_own_count_each_token_once(usage, total):
    found, source = cost(OWN, request={"model": "mine"}, usage=usage)
    assert found == pytest.approx(total)
    assert source == "configured"


def test_the_answers_model_comes_before_the_one_that_was_asked_for():
    usage = Usage(input_tokens=1_000_000, output_tokens=5)
    assert cost(OWN, request={"model": "mine"}, response={"model": "dated-2024"}, usage=usage)[0] == 1.0
    assert cost(OWN, request={"model": "mine"}, response={"model": "other"}, usage=usage)[0] == 2.00004


@pytest.mark.parametrize(
    "given",
    [
        {"request": {"model": "unknown"}, "usage": Usage(input_tokens=1, output_tokens=1)},
        {"usage": Usage(input_tokens=1, output_tokens=1)},
        {"request": {"model": "mine"}},
        {"request": {"model": "mine"}, "usage": Usage(output_tokens=1)},
        {"request": {"model": "mine"}, "usage": Usage(input_tokens=1)},
        {"request": {"model": "mine"}, "usage": Usage(input_tokens=1, output_tokens=1), "usage_below": True},
        {"request": {"model": "mine"}, "usage": Usage(input_tokens=1, output_tokens=1), "kind": "chain"},
    ],
)
def test_what_is_not_known_or_told_elsewhere_has_no_cost(given):
    assert cost(OWN, **given) == (None, None)


def test_embeddings_have_no_output():
    assert cost(OWN, "embedding", request={"model": "dated-2024"}, usage=Usage(input_tokens=7))[0] == pytest.approx(
        7e-6
    )


def test_spans_come_out_with_what_they_cost():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], costs={"mine": Price(2.0, 8.0)})

    @callspan.llm
    def chat(prompt: str, model: str) -> Any:
        return {"text": "x", "model": model, "usage": {"prompt_tokens": 1_000, "completion_tokens": 500}}

    chat("x", "mine")
    chat("x", "other-model-of-mine")
    callspan.shutdown()
    first, second = memory.spans
    assert first.attributes[TOTAL] == pytest.approx(0.006)
    assert TOTAL not in second.attributes


@pytest.mark.parametrize("given", [{"m": 2.0}, {1: Price(1.0)}, "yes", 7])
def test_wrong_prices_are_named(given):
    with pytest.raises(callspan.ConfigurationError, match="costs"):
        callspan.configure(exporters=["memory"], costs=given)


@pytest.mark.parametrize("field", ["input", "output", "cache_read", "cache_write"])
@pytest.mark.parametrize("value", [-1, "2", True, float("nan"), float("inf")])
def test_a_wrong_price_is_named(field, value):
    with pytest.raises(callspan.ConfigurationError, match=rf"costs\.{field}"):
        Price(**{"input": 1.0, field: value})


def test_without_the_library_there_is_no_cost(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    usage = Usage(input_tokens=1, output_tokens=1)
    assert cost(Costs(), request={"model": "gpt-4o"}, usage=usage) == (None, None)


# -- with the library --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> Costs:
    pytest.importorskip("genai_prices")
    return Costs()


@pytest.mark.parametrize(
    ("provider", "model", "usage", "total"),
    [
        # US dollars a million tokens, as published for gpt-4o since October 2024: 2.50 in, 1.25 cached, 10.00 out
        ("openai", "gpt-4o", Usage(input_tokens=1_000, output_tokens=100), 0.0035),
        ("openai", "gpt-4o", Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=500), 0.002875),
        ("openai", "gpt-4o-2024-08-06", Usage(input_tokens=1_000, output_tokens=100, reasoning_tokens=90), 0.0035),
        (None, "gpt-4o", Usage(input_tokens=1_000, output_tokens=100), 0.0035),
        # text-embedding-3-small: 0.02
        ("openai", "text-embedding-3-small", Usage(input_tokens=1_000_000, output_tokens=0), 0.02),
    ],
)
def test_known_models_cost_what_was_published(library, provider, model, usage, total):
    found, source = cost(library, provider=provider, request={"model": model}, usage=usage)
    assert found == pytest.approx(total)
    assert source.startswith("genai-prices ")


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("no_such_provider", "gpt-4o"), (None, "mine")]
)
def test_an_unknown_model_or_provider_has_no_cost_and_never_zero(library, provider, model):
    usage = Usage(input_tokens=1, output_tokens=1)
    for _ in range(2):  # the second time from memory
        assert cost(library, provider=provider, request={"model": model}, usage=usage) == (None, None)


def test_counts_that_contradict_each_other_do_not_make_the_model_unknown(library):
    guard.strict = False
    call = {"provider": "openai", "request": {"model": "gpt-4o"}, "start_ns": 1_780_000_000 * 10**9}
    wrong = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=600)
    assert cost(library, usage=wrong, **call) == (None, None)
    assert cost(library, usage=Usage(input_tokens=1_000_000, output_tokens=0), **call)[0] == 2.5


def test_a_cheaper_tier_is_priced_as_such_where_the_library_knows_it(library):
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    late = 1_780_000_000 * 10**9
    flex = {"model": "o3", "service_tier": "flex"}
    assert cost(library, provider="openai", response={"model": "o3"}, usage=usage, start_ns=late)[0] == 2.0
    assert cost(library, provider="openai", response=flex, usage=usage, start_ns=late)[0] in (1.0, 2.0)


def test_prices_are_those_of_the_day(library):
    """Of o3, a million tokens of input cost 10 dollars until June 2025, and 2 since."""
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    early, late = 1_745_000_000 * 10**9, 1_780_000_000 * 10**9
    assert cost(library, provider="openai", request={"model": "o3"}, usage=usage, start_ns=early)[0] == 10.0
    assert cost(library, provider="openai", request={"model": "o3"}, usage=usage, start_ns=late)[0] == 2.0


def test_prices_of_the_users_own_come_first(library):
    both = Costs({"gpt-4o": Price(1.0)})
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    assert cost(both, provider="openai", request={"model": "gpt-4o"}, usage=usage) == (1.0, "configured")


def test_a_rich_span_stays_otherwise_as_it_is(library):
    span = FIXED["llm"]
    library.add(span)
    assert {TOTAL, SOURCE} <= set(span.facts.attributes)
    for name in (TOTAL, SOURCE):
        del span.facts.attributes[name]
    assert repr(span.facts) == repr(FIXED["llm"].facts)
