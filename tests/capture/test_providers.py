"""A provider's call below a framework's span: whose facts stand where, and that nothing is told twice."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import replace

import pytest

import callspan
from callspan.capture.providers import open_provider_call
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.model.facts import PromptUse
from callspan.model.retrieval import Embedding
from callspan.model.span import Span
from callspan.model.usage import Usage
from callspan.recording import claims
from callspan.recording.otel import get_context, set_context
from callspan.recording.sites import AWAITED, Site
from callspan.testing import capture

FRAMEWORK = Site("ask", "llm", awaits_provider=True)
PROVIDER = Site("chat", "llm")
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
TOLD = [{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]


@pytest.fixture
def spans():
    with capture() as spans:
        yield spans


@pytest.fixture(autouse=True)
def same_context():
    before = get_context()
    yield
    assert get_context() is before
    set_context(before)


def tell(**facts):
    """Return a reader that says this of its span."""

    def read(_, read_facts):
        for name, value in facts.items():
            setattr(read_facts, name, value)

    return read


def framework(site=FRAMEWORK, **facts):
    """Open a framework's span and make it current."""
    call = switch.open_block(site, None)
    call.span.reader = tell(**facts)
    return call


def provider(site=PROVIDER, **facts):
    """Open a provider's call."""
    call = open_provider_call(site)
    call.span.reader = tell(**facts)
    return call


def test_the_call_ends_inside_the_span_that_waits_for_it(spans):
    outer = framework(input_messages=ASKED, request={"model": "gpt", "temperature": 1}, usage=Usage(1, 1))
    assert outer.span.provider_call is AWAITED
    inner = provider(
        operation="chat",
        provider="openai",
        server_address="localhost",
        server_port=80,
        request={"temperature": 0.5},
        response={"id": "r-1", "finish_reasons": ["stop"], "request_id": "req-1"},
        extra={"user": "u"},
        input_messages=[],
        output_messages=TOLD,
        usage=Usage(9, 3),
        retries=2,
        chunk_count=4,
        time_to_first_chunk_s=0.25,
        prompts=[PromptUse("Hello {name}", {"name": "x"})],
        attributes={"http.response.status_code": 200},
    )
    assert outer.span.provider_call is inner.span
    assert callspan.current_span() is outer.span
    inner.finish(None)
    assert spans == []
    outer.close(None)
    (span,) = spans
    assert (span.name, span.provider, span.operation, span.server_address) == ("ask", "openai", "chat", "localhost")
    assert (span.server_port, span.retries, span.chunk_count, span.time_to_first_chunk_s) == (80, 2, 4, 0.25)
    assert span.request == {"model": "gpt", "temperature": 0.5, "user": "u"}
    assert span.response == {"id": "r-1", "finish_reasons": ["stop"], "request_id": "req-1"}
    assert (span.input_messages, span.output_messages) == (ASKED, TOLD)
    assert (span.usage.input_tokens, span.usage.output_tokens, span.usage_below) == (9, 3, False)
    assert [prompt.template for prompt in span.prompts] == ["Hello {name}"]
    assert span.attributes == {"http.response.status_code": 200}
    assert span.outcome == "ok"


def test_the_words_of_the_framework_stay(spans):
    use = PromptUse("Hello", {})
    attributes = {"a": 1}
    outer = framework(
        system_instructions=[{"type": "text", "content": "Be brief."}],
        input_messages=ASKED,
        output_messages=TOLD,
        conversation_id="c-1",
        prompts=[use],
        attributes=attributes,
        usage=Usage(1, 1),
        provider="framework's guess",
    )
    other = [{"role": "user", "parts": []}]
    provider(
        system_instructions=[{"type": "text", "content": "Other."}],
        input_messages=other,
        output_messages=other,
        conversation_id="c-2",
        prompts=[replace(use)],
        attributes={"a": 2},
    ).finish(None)
    outer.close(None)
    (span,) = spans
    assert (span.input_messages, span.output_messages) == (ASKED, TOLD)
    assert span.system_instructions == [{"type": "text", "content": "Be brief."}]
    assert (span.conversation_id, span.attributes, len(span.prompts)) == ("c-1", {"a": 1}, 1)
    assert (span.usage.input_tokens, span.provider) == (1, "framework's guess")


def test_what_neither_could_read_is_told_by_the_provider(spans):
    outer = framework()
    provider(input={"odd": 1}, output=[1]).finish(None)
    outer.close(None)
    assert (spans[0].input, spans[0].output) == ({"odd": 1}, [1])


def test_vectors_come_from_the_provider(spans):
    site = Site("embed", "embedding", awaits_provider=True)
    outer = framework(site, embeddings=[Embedding(text="a")])
    inner = provider(Site("embeddings", "embedding"), embeddings=[Embedding(text="a", vector=[0.5])], dimensions=1)
    inner.finish(None)
    outer.close(None)
    assert spans[0].embeddings == [{"text": "a", "vector": [0.5]}]
    assert spans[0].dimensions == 1
    outer = framework(site, embeddings=[Embedding(vector=[0.25])])
    provider(Site("embeddings", "embedding"), embeddings=[Embedding(vector=[0.5])]).finish(None)
    outer.close(None)
    assert spans[1].embeddings == [{"vector": [0.25]}]


def test_where_there_is_a_second_call_both_are_children(spans):
    outer = framework(usage=Usage(14, 4))
    first = provider(usage=Usage(9, 3))
    second = provider(usage=Usage(5, 1))
    assert callspan.current_span() is second.span
    second.finish(None)
    outer.span.usage_below = True  # as the second one says
    first.finish(None)
    outer.close(None)
    assert spans.tree() == "llm ask\n  llm chat\n  llm chat"
    told = [(span.usage.input_tokens, span.usage_below) for span in spans]
    assert told == [(5, False), (9, False), (14, True)]  # the last one's are not sent


@pytest.mark.parametrize(
    "site",
    [Site("ask", "llm"), Site("ask", "chain", awaits_provider=True), Site("ask", "embedding", awaits_provider=True)],
)
def test_only_a_span_of_the_same_kind_that_waits(spans, site):
    outer = framework(site)
    inner = provider()
    assert callspan.current_span() is inner.span
    inner.finish(None)
    outer.close(None)
    assert spans.tree() == f"{site.kind} ask\n  llm chat"


def test_a_span_between_them(spans):
    outer = framework()
    with callspan.span("between"):
        provider().finish(None)
    outer.close(None)
    assert spans.tree() == "llm ask\n  chain between\n    llm chat"


def test_a_call_that_ends_after_the_span_is_its_child(spans):
    outer = framework(usage=Usage(9, 3), response={"id": "r-1"})
    inner = provider(usage=Usage(9, 3), response={"id": "r-1"})
    outer.close(None)
    inner.finish(None)
    assert spans.tree() == "llm ask\n  llm chat"
    assert [span.usage_below for span in spans] == [False, True]  # found by the response's ID


def test_a_span_that_has_ended_is_not_claimed(spans):
    outer = framework()
    outer.span.end()
    provider().finish(None)
    outer.leave()
    assert spans.tree() == "llm ask\n  llm chat"


def test_the_thread_and_the_worker_may_come_at_the_same_time(spans):
    """The worker opens the span while the call is being ended: one of them tells, not both, and not neither."""
    delivered = []
    for worker_is_first in (True, False):
        outer, inner = Span(), Span()
        outer.end_ns = inner.end_ns = 1
        claim = claims.Claim(outer, delivered.append)
        if worker_is_first:
            assert claim.take()
        claim(inner)
        assert claim.take() is False
        claim(inner)
    assert delivered == [inner]


def test_two_threads_ask_at_once(spans, monkeypatch):
    """The second one claims while the first one is about to: it has the span, the first one makes a child."""
    outer = framework()
    context = get_context()
    open_span = claims_opened_in_between = None

    def claim_first(self, site, around=None):
        nonlocal claims_opened_in_between
        monkeypatch.undo()

        def other():
            set_context(context)
            provider(chunk_count=1).finish(None)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        claims_opened_in_between = outer.span.provider_call
        return self.open(site, around)

    from callspan.recording.recorder import Recorder

    open_span = Recorder.open
    monkeypatch.setattr(Recorder, "open", claim_first)
    inner = provider(chunk_count=2)
    assert Recorder.open is open_span
    assert type(claims_opened_in_between) is Span
    inner.finish(None)
    outer.close(None)
    assert spans.tree() == "llm ask\n  llm chat"
    assert [span.chunk_count for span in spans] == [2, 1]


@pytest.mark.parametrize("outcome", ["incomplete", "abandoned"])
def test_how_the_answer_ended_is_told(spans, outcome):
    outer = framework()
    inner = provider()
    inner.span.outcome = outcome
    inner.finish(None)
    outer.close(None)
    assert spans[0].outcome == outcome


def test_an_error_that_the_framework_has_caught(spans):
    outer = framework(usage=Usage(1, 1))
    provider(attributes={"http.response.status_code": 500}).fail(ValueError("no"))
    outer.close(None)
    (span,) = spans
    assert (span.outcome, span.error, span.usage.input_tokens) == ("ok", None, 1)
    assert span.attributes == {"http.response.status_code": 500}
    assert [(event.name, event.attributes) for event in span.events] == [
        ("exception", {"exception.type": "ValueError", "exception.message": "no"})
    ]


def test_an_error_that_both_have_seen_is_told_once(spans):
    outer = framework()
    error = ValueError("no")
    provider().fail(error)
    outer.close(error)
    (span,) = spans
    assert (span.error.type, span.events) == ("ValueError", [])


def test_what_is_attached_counts_for_the_queue(spans):
    outer = framework()
    before = outer.span.size
    inner = open_provider_call(PROVIDER, "x" * 1000)
    inner.finish("y" * 500)
    assert outer.span.size == before + inner.span.size
    assert inner.span.size > 1500
    outer.close(None)
    told = [*spans[0].input_messages, *spans[0].output_messages]
    assert [message["parts"][0]["content"] for message in told] == ["x" * 1000, "y" * 500]


def test_nothing_is_recorded(spans):
    with callspan.suppress():
        assert open_provider_call(PROVIDER) is None
    outer = framework()
    with callspan.suppress():
        assert open_provider_call(PROVIDER) is None
    outer.close(None)
    assert [span.name for span in spans] == ["ask"]


def test_switched_off():
    assert open_provider_call(PROVIDER) is None


def test_our_own_fault_is_noted(spans, monkeypatch):
    guard.strict = False

    def fail(*_):
        raise LookupError("ours")

    monkeypatch.setattr("callspan.capture.providers.is_claimable", fail)
    assert open_provider_call(PROVIDER) is None
    assert guard.counts["opening a provider's call"] == 1


def test_both_are_freed_without_the_collector(spans):
    outer = framework()
    inner = provider()
    references = [weakref.ref(outer.span), weakref.ref(inner.span)]
    gc.disable()
    try:
        inner.finish(None)
        outer.close(None)
        del inner, outer
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()
