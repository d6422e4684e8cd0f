"""Contexts are put back by value, and only what is ours is taken out of them."""

from __future__ import annotations

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace

from callspan.model.span import InertSpan, Span
from callspan.recording.otel import (
    SCOPE_KEY,
    SPAN_KEY,
    SUPPRESS_KEYS,
    Context,
    get_context,
    put_back,
    put_back_keys,
    quiet,
    restore,
    set_context,
)


@pytest.fixture(autouse=True)
def same_context():
    before = get_context()
    set_context(Context())
    yield
    set_context(before)


def span_of(trace_id=1, span_id=2):
    span = Span()
    span.trace_id, span.span_id, span.trace_state = trace_id, span_id, None
    return span


def test_the_key_is_opentelemetrys_own():
    span = span_of()
    set_context(Context({SPAN_KEY: span}))
    assert trace.get_current_span() is span
    assert otel_context.get_current() is get_context()


def test_contexts_of_spans():
    context = span_of(5, 6).get_span_context()
    assert (context.trace_id, context.span_id, context.is_remote) == (5, 6, False)
    assert context.trace_flags.sampled
    assert not InertSpan(5, 6).get_span_context().trace_flags.sampled
    assert not InertSpan().get_span_context().is_valid


def test_put_back_takes_out_the_span_and_keeps_what_the_user_added():
    span = span_of()
    outer = Context({"theirs": 1, SCOPE_KEY: "outer"})
    set_context(Context({"theirs": 1, SPAN_KEY: span, SCOPE_KEY: "inner", "more": 2}))
    put_back(span, outer)
    assert get_context() == {"theirs": 1, SCOPE_KEY: "outer", "more": 2}


def test_put_back_gives_the_very_same_context_where_nothing_else_changed():
    span = span_of()
    outer = Context({"theirs": 1})
    set_context(Context({"theirs": 1, SPAN_KEY: span}))
    put_back(span, outer)
    assert get_context() is outer


def test_put_back_leaves_other_spans_alone_unless_they_are_lost():
    span, below = span_of(1, 2), span_of(1, 3)
    outer = Context()
    mine = Context({SPAN_KEY: below})
    set_context(mine)
    put_back(span, outer)
    assert get_context() is mine
    put_back(span_of(9, 9), outer, True)
    assert get_context() is mine
    put_back(span, outer, True)
    assert get_context() is outer


def test_put_back_keys():
    outer = Context({"theirs": 1})
    own = Context({"theirs": 1, SCOPE_KEY: "inner"})
    set_context(own)
    put_back_keys(own, outer)
    assert get_context() is outer
    set_context(Context({**own, "more": 2}))
    put_back_keys(own, outer)
    assert get_context() == {"theirs": 1, "more": 2}
    elsewhere = Context({SCOPE_KEY: "another"})
    set_context(elsewhere)
    put_back_keys(own, outer)
    assert get_context() is elsewhere


def test_restore_compares_by_identity():
    class Rude:
        def __eq__(self, other):
            raise ArithmeticError

        __hash__ = None

    rude = Rude()
    outer = Context({"theirs": rude})
    assert restore(Context({"theirs": rude, SPAN_KEY: 1}), outer, (SPAN_KEY,)) is outer
    assert restore(Context({"theirs": Rude(), SPAN_KEY: 1}), outer, (SPAN_KEY,)) is not outer


def test_quiet():
    with quiet():
        assert {key: get_context()[key] for key in SUPPRESS_KEYS} == dict.fromkeys(SUPPRESS_KEYS, True)
    assert get_context() == {}
