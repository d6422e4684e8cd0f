"""The recorder: what it puts on a span, what it freezes, and what it never lets through."""

from __future__ import annotations

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace

import callspan
from callspan.guard import guard
from callspan.model.prompt import PromptTemplate
from callspan.model.span import ErrorFacts, InertSpan, Span
from callspan.recording import recorder as recorder_module
from callspan.recording.ids import IdSource
from callspan.recording.otel import PLAIN_SUPPRESS_KEY, SCOPE_KEY, SPAN_KEY, SUPPRESS_KEY, get_context, set_context
from callspan.recording.recorder import Recorder
from callspan.recording.sampling import bound_of
from callspan.recording.scope import Scope
from callspan.recording.sites import Site
from callspan.recording.thawing import thaw

SITE = Site("name", "tool", component="finer")


@pytest.fixture
def kept():
    return []


@pytest.fixture
def recorder(kept):
    return Recorder(kept.append, id_source=IdSource(seed=0))


@pytest.fixture(autouse=True)
def same_context():
    before = get_context()
    yield
    set_context(before)


def test_a_fresh_span_has_every_slot(recorder):
    span, own, outer = recorder.open(SITE)
    recorder.start(span)
    for slot in Span.__slots__:
        if slot not in ("__weakref__", "stored"):  # the second is set where there is a spool only
            getattr(span, slot)
    assert (span.name, span.kind, span.component, span.site) == ("name", "tool", "finer", SITE)
    assert (span.parent_id, span.end_ns, span.outcome, span.size) == (None, 0, "ok", 1024)
    assert own == {**outer, SPAN_KEY: span}
    assert SPAN_KEY not in outer


def test_a_span_is_an_entry_where_no_span_of_ours_is_above_it(recorder):
    root, own, _ = recorder.open(SITE)
    assert root.is_entry

    set_context(own)
    below, _, _ = recorder.open(SITE)
    assert not below.is_entry

    theirs = trace.NonRecordingSpan(trace.SpanContext(1, 7, is_remote=True, trace_flags=trace.TraceFlags(1)))
    set_context(otel_context.Context({SPAN_KEY: theirs}))
    entry, _, _ = recorder.open(SITE)
    assert (entry.parent_id, entry.is_entry) == (7, True)


def test_a_child_has_the_trace_of_its_parent(recorder):
    parent, own, _ = recorder.open(SITE)
    set_context(own)
    child, _, outer = recorder.open(SITE)
    assert (child.trace_id, child.parent_id) == (parent.trace_id, parent.span_id)
    assert outer is own


@pytest.mark.parametrize("key", [SUPPRESS_KEY, PLAIN_SUPPRESS_KEY], ids=["private", "plain"])
def test_suppressed(recorder, key):
    set_context(otel_context.Context({key: True}))
    assert recorder.open(SITE) is None
    set_context(otel_context.Context({key: False}))
    assert recorder.open(SITE) is not None


def test_below_an_unsampled_root(recorder):
    set_context(otel_context.Context({SPAN_KEY: InertSpan(1, 2)}))
    assert recorder.open(SITE) is None
    set_context(otel_context.Context({SPAN_KEY: InertSpan()}))
    assert recorder.open(SITE)[0].parent_id is None


def test_an_unsampled_root_still_takes_its_turn(kept):
    recorder = Recorder(kept.append, bound_of(0.0))
    set_context(otel_context.Context({SCOPE_KEY: Scope("c")}))
    span, own, _ = recorder.open(SITE)
    assert type(span) is InertSpan
    assert own[SCOPE_KEY].step == 1
    assert recorder.sampled_out == 1


def test_the_outermost_span_of_a_conversation_takes_the_next_number(recorder):
    set_context(otel_context.Context({SCOPE_KEY: Scope("c", None, "u")}))
    first, own, _ = recorder.open(SITE)
    second, _, _ = recorder.open(SITE)
    assert [(span.scope.conversation_id, span.scope.step) for span in (first, second)] == [("c", 1), ("c", 2)]
    set_context(own)
    below, _, _ = recorder.open(SITE)
    assert below.scope is own[SCOPE_KEY]


def test_zero_is_no_id(kept):
    source = IdSource(seed=0)
    source.random_bits = lambda count: 0
    span, _, _ = Recorder(kept.append, id_source=source).open(SITE)
    assert (span.trace_id, span.span_id) == (1, 1)


def test_freeze_weighs_and_notes_what_was_cut_and_which_prompts_were_seen(recorder):
    span, _, _ = recorder.open(SITE)
    text = PromptTemplate("Hi {who}").format(who="Ann")
    snapshot = recorder.freeze(span, "input", [text, "x" * 2_000_000])
    assert thaw(snapshot)[0][0] == "Hi Ann"
    assert span.truncated["input"] > 2_000_000
    assert span.prompts == [text]
    assert 260_000 < span.size < 300_000
    recorder.freeze(span, "output", [text])
    assert span.prompts == [text, text]


def test_a_fault_of_ours_while_freezing_is_noted(recorder, monkeypatch):
    def fail(*_):
        raise ArithmeticError

    monkeypatch.setattr(recorder_module, "freeze", fail)
    monkeypatch.setattr(recorder_module.errors, "describe", fail)
    guard.strict = False
    span, _, _ = recorder.open(SITE)
    assert recorder.freeze(span, "input", 1) is None
    assert recorder.describe_error(span, ValueError("x")).type == "Exception"
    assert guard.counts == {"freezing a value": 1, "describing an exception": 1}


def test_the_message_of_an_exception_counts(recorder):
    span, _, _ = recorder.open(SITE)
    facts = recorder.describe_error(span, ValueError("x" * 100))
    assert isinstance(facts, ErrorFacts)
    assert span.size == 1124


def test_sealing_hands_the_span_on_once(recorder, kept):
    span, _, _ = recorder.open(SITE)
    recorder.start(span)
    recorder.seal(span)
    recorder.seal(span, 5)
    assert kept == [span]
    assert span.end_ns >= span.start_ns
    assert guard.counts == {"span ended twice": 1}


def test_an_end_before_the_start_is_the_start(recorder, kept):
    span, _, _ = recorder.open(SITE)
    recorder.start(span)
    recorder.seal(span, 1)
    assert span.end_ns == span.start_ns


def test_a_fault_of_ours_while_opening_or_closing_costs_the_span_and_nothing_else(monkeypatch):
    from callspan.capture import call, openers
    from callspan.testing import capture

    def fail(*_):
        raise ArithmeticError

    guard.strict = False
    function = callspan.observe(lambda value: value)
    with capture() as spans:
        monkeypatch.setattr(openers, "freeze", fail)
        assert function(1) == 1
        monkeypatch.undo()
        monkeypatch.setattr(call, "freeze", fail)
        assert function(2) == 2
        assert [*callspan.observe(lambda: (yield [1]))()] == [[1]]
        monkeypatch.setattr(call, "is_cancellation", fail)
        with pytest.raises(ZeroDivisionError):
            callspan.observe(lambda: 1 / 0)()
    assert get_context() == {}
    assert [(span.input, span.output) for span in spans[:1]] == [({"value": 2}, None)]
    assert guard.counts == {"opening a call": 1, "closing a call": 2, "noting a chunk": 1}
