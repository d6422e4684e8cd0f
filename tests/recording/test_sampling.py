from __future__ import annotations

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace

import callspan
from callspan.exporters import MemoryExporter
from callspan.policy import SampleRates
from callspan.recording.sampling import MASK, SamplingRules, bound_of, rules_of
from callspan.recording.sites import Site


def test_a_plain_rate_needs_no_rules():
    assert rules_of(0.5) is None
    assert rules_of(SampleRates(0.5)) is None
    assert isinstance(rules_of(SampleRates(names={"a": 0})), SamplingRules)


@pytest.mark.parametrize(
    ("name", "kind", "rate"),
    [
        ("health", "chain", 0.0),
        ("health check", "chain", 0.25),
        ("healthy food", "tool", 0.25),
        ("heal", "tool", 0.75),
        ("heal", "chain", 0.5),
    ],
)
def test_a_name_comes_before_a_kind_and_the_longest_beginning_first(name, kind, rate):
    rules = SamplingRules(SampleRates(0.5, kinds={"tool": 0.75}, names={"health": 0, "health*": 0.25, "h*y": 1}))
    assert rules.bound(Site(name, kind), is_root=True, is_ours=False) == bound_of(rate)


def test_below_only_what_has_a_rate_of_its_own_is_asked():
    rules = SamplingRules(SampleRates(0.5, kinds={"tool": 0.75}))
    assert rules.bound(Site("a", "chain"), is_root=False, is_ours=True) is None
    assert rules.bound(Site("a", "chain"), is_root=False, is_ours=False) is None
    assert rules.bound(Site("a", "tool"), is_root=False, is_ours=True) == bound_of(0.75)
    alone = SamplingRules(SampleRates(0.5, follow_parent=False))
    assert alone.bound(Site("a", "chain"), is_root=False, is_ours=False) == bound_of(0.5)
    assert alone.bound(Site("a", "chain"), is_root=False, is_ours=True) is None


def test_feedback_is_always_recorded():
    rules = SamplingRules(SampleRates(0, kinds={"evaluator": 0}, names={"*": 0}))
    assert rules.bound(Site("f", "evaluator", component="feedback"), is_root=False, is_ours=False) is None
    assert rules.bound(Site("f", "evaluator"), is_root=False, is_ours=False) == 0


@callspan.chain(name="turn")
def turn():
    noise()
    return noise()


@callspan.tool(name="noise")
def noise():
    return inner()


@callspan.llm(name="inner")
def inner():
    return "x"


def names(memory: MemoryExporter) -> list[str]:
    callspan.flush()
    return sorted(record.name for record in memory.spans)


def test_a_span_that_is_left_out_takes_what_is_below_it_along():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], sample_rate=SampleRates(kinds={"tool": 0}))
    assert turn() == "x"
    noise()
    assert inner() == "x"
    assert names(memory) == ["inner", "turn"]
    stats = callspan.stats()["memory"]
    assert stats["dropped"] == {"sampled": 3}
    assert stats["ended"] == 5


def test_half_of_the_traces_by_their_ids_and_each_as_a_whole():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], sample_rate=SampleRates(0, names={"turn": 0.5}))
    for _ in range(400):
        turn()
    callspan.flush()
    traces = {record.trace_id for record in memory.spans}
    assert 120 < len(traces) < 280
    assert all(int(trace_id, 16) & MASK < bound_of(0.5) for trace_id in traces)
    assert len(memory.spans) == 5 * len(traces)
    assert callspan.stats()["memory"]["dropped"] == {"sampled": 400 - len(traces)}


@pytest.mark.parametrize(
    ("follow_parent", "is_sampled", "recorded"), [(True, False, 0), (True, True, 5), (False, False, 5)]
)
def test_another_services_decision_is_followed_unless_told_otherwise(follow_parent, is_sampled, recorded):
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], sample_rate=SampleRates(names={"x": 0}, follow_parent=follow_parent))
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if is_sampled else 0)
    remote = trace.SpanContext(0x1234, 0x5678, is_remote=True, trace_flags=flags)
    token = otel_context.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    try:
        turn()
    finally:
        otel_context.detach(token)
    assert len(names(memory)) == recorded


@pytest.mark.parametrize(
    ("sampler", "argument", "expected"),
    [
        ("always_on", "", SampleRates(1.0, follow_parent=False)),
        ("always_off", "", SampleRates(0.0, follow_parent=False)),
        ("traceidratio", "0.25", SampleRates(0.25, follow_parent=False)),
        ("parentbased_always_on", "", 1.0),
        ("parentbased_always_off", "0.5", 0.0),
        ("parentbased_traceidratio", "0.25", 0.25),
        ("ParentBased_TraceIdRatio", "", 1.0),
    ],
)
def test_opentelemetrys_variables(sampler, argument, expected):
    from callspan import settings

    environ = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}
    assert settings.read(environ=environ).sample_rate == expected
    assert settings.read(environ={**environ, "CALLSPAN_SAMPLE_RATE": "0.125"}).sample_rate == 0.125
    assert settings.read(sample_rate=0.75, environ=environ).sample_rate == 0.75


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"default": 2}, "sample_rate"),
        ({"kinds": {"tools": 1}}, "sample_rate.kinds"),
        ({"kinds": [1]}, "sample_rate.kinds"),
        ({"names": {"a": "1"}}, r"sample_rate.names\['a'\]"),
        ({"follow_parent": 1}, "sample_rate.follow_parent"),
    ],
)
def test_wrong_rates_are_named(given, field):
    with pytest.raises(callspan.ConfigurationError, match=field):
        SampleRates(**given)
