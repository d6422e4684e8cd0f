"""Conversations, context, prompts and silence: what holds for all spans of a block."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context

import callspan
from callspan import ConfigurationError, PromptTemplate
from callspan.recording.otel import get_context
from callspan.testing import capture


@callspan.observe
def turn(name="turn"):
    step()


@callspan.observe
def step():
    pass


def steps_of(spans, name="turn"):
    return [(span.conversation_id, span.step) for span in spans if span.name == name]


class Shop(str, Enum):
    NAME = "socks"

    def __str__(self):
        return "no value"

    __format__ = object.__format__


# -- conversations -----------------------------------------------------------------------------------------------------


def test_members_of_enums_of_texts_are_the_texts_they_stand_for():
    headers = {}
    with (
        capture() as spans,
        callspan.conversation(Shop.NAME, user_id=Shop.NAME),
        callspan.context(tags=[Shop.NAME]),
        callspan.span(Shop.NAME),
    ):
        callspan.inject(headers, conversation=True)
    (span,) = spans
    assert f"{span.name} {span.conversation_id} {span.user_id} {span.tags}" == "socks socks socks ['socks']"
    assert headers["baggage"] == "gen_ai.conversation.id=socks,callspan.conversation.step=1,user.id=socks"


def test_turns_are_numbered_and_everything_below_has_the_number():
    with capture() as spans:
        with callspan.conversation("c", user_id="u"):
            turn()
            turn()
        with callspan.conversation("c"):
            turn()
        turn()
    assert steps_of(spans) == [("c", 1), ("c", 2), ("c", 3), (None, None)]
    assert steps_of(spans, "step") == steps_of(spans)
    assert [span.user_id for span in spans if span.name == "step"] == ["u", "u", None, None]


def test_a_turn_that_contains_the_conversation_does_not_count():
    with capture() as spans, callspan.span("request"), callspan.conversation("c"):
        turn()
        turn()
    assert steps_of(spans) == [("c", 1), ("c", 2)]
    assert spans.one("request").conversation_id is None


def test_inside_a_turn_the_same_conversation_goes_on_and_another_begins():
    with capture() as spans, callspan.conversation("c"), callspan.span("outer"):
        with callspan.conversation("c"):
            turn()
        with callspan.conversation("sub"):
            turn()
            turn()
        turn()
    assert steps_of(spans) == [("c", 1), ("sub", 1), ("sub", 2), ("c", 1)]
    assert (spans.one("outer").conversation_id, spans.one("outer").step) == ("c", 1)


def test_a_step_that_is_given():
    with capture() as spans:
        with callspan.conversation("c", step=7):
            turn()
            turn()
        with callspan.conversation("c"):
            turn()
    assert steps_of(spans) == [("c", 7), ("c", 7), ("c", 1)]


def test_a_span_of_another_tracer_does_not_stop_the_count():
    server = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1)))
    with capture() as spans, trace.use_span(server), callspan.conversation("c"):
        turn()
        turn()
    assert steps_of(spans) == [("c", 1), ("c", 2)]


def test_parallel_threads_get_distinct_numbers():
    def work(_):
        with callspan.conversation("c"):
            turn()

    with capture() as spans, ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    assert sorted(step for _, step in steps_of(spans)) == [*range(1, 101)]


async def test_async_tasks_get_distinct_numbers_and_their_children_keep_them():
    @callspan.observe
    async def later(number):
        await asyncio.sleep(0.001 * (5 - number))
        step()

    with capture() as spans, callspan.conversation("c"):
        await asyncio.gather(*(later(number) for number in range(5)))
    by_id = {span.span_id: span for span in spans}
    assert sorted(span.step for span in spans if span.name == "step") == [1, 2, 3, 4, 5]
    assert all(by_id[span.parent_id].step == span.step for span in spans if span.name == "step")


async def test_async_with_and_to_thread():
    with capture() as spans:
        async with callspan.conversation("c"):
            await asyncio.to_thread(turn)
    assert steps_of(spans) == [("c", 1)]


def test_a_thread_without_help_is_in_no_conversation():
    with capture() as spans, callspan.conversation("c"):
        thread = threading.Thread(target=turn)
        thread.start()
        thread.join()
    assert steps_of(spans) == [(None, None)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5,), "conversation_id: got int; give a string"),
        (("",), "conversation_id: got str"),
        ((None,), "conversation_id: got NoneType"),
        (("c", {"step": 0}), "step: got int; give a whole number from 1"),
        (("c", {"step": True}), "step: got bool"),
        (("c", {"step": "1"}), "step: got str"),
        (("c", {"user_id": b"u"}), "user_id: got bytes; give a string"),
    ],
    ids=str,
)
def test_wrong_conversations(arguments, words):
    keywords = arguments[1] if len(arguments) > 1 else {}
    with pytest.raises(ConfigurationError) as error:
        callspan.conversation(arguments[0], **keywords)
    assert str(error.value).startswith(words)


# -- context -----------------------------------------------------------------------------------------------------------


def test_context_adds_up_and_the_innermost_user_counts():
    metadata = {"team": "search", "nested": {"n": [1]}}
    with capture() as spans:
        with callspan.context(user_id="u", tags=["a", "b"], metadata=metadata):
            metadata["nested"]["n"].append("changed")
            with callspan.context(user_id="v", tags=["b", "c"], metadata={"team": "other", "x": 1}):
                step()
            step()
        step()
    assert [(span.user_id, span.tags, span.metadata) for span in spans] == [
        ("v", ["a", "b", "c"], {"team": "other", "nested": {"n": [1]}, "x": 1}),
        ("u", ["a", "b"], {"team": "search", "nested": {"n": [1]}}),
        (None, [], {}),
    ]


def test_tags_and_metadata_of_decorator_and_context_come_together():
    decorated = callspan.observe(tags=["own", "a"], metadata={"own": 1, "team": "own"})(lambda: None)
    with capture() as spans, callspan.context(tags=["a"], metadata={"team": "scope"}):
        decorated()
    assert (spans[0].tags, spans[0].metadata) == (["own", "a"], {"own": 1, "team": "scope"})


def test_a_number_as_user_is_spelled():
    with capture() as spans, callspan.context(user_id=42):
        step()
    assert spans[0].user_id == "42"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tags": "beta"}, "tags: got str"),
        ({"tags": [None]}, "tags: got list"),
        ({"metadata": "x"}, "metadata: got str"),
        ({"user_id": object()}, "user_id: got object"),
    ],
)
def test_wrong_contexts(options, words):
    with pytest.raises(ConfigurationError) as error:
        callspan.context(**options)
    assert str(error.value).startswith(words)


def test_one_conversation_entered_by_several_tasks():
    async def work(conversation, number):
        async with conversation:
            await asyncio.sleep(0.001 * (3 - number))
            turn()
        assert get_context() == {}

    async def main():
        conversation = callspan.conversation("shared")
        await asyncio.gather(*(work(conversation, number) for number in range(3)))

    with capture() as spans:
        asyncio.run(main())
    assert sorted(steps_of(spans)) == [("shared", 1), ("shared", 2), ("shared", 3)]


def test_one_block_in_itself():
    block = callspan.context(tags=["a"])
    with capture() as spans:
        with block, block:
            step()
        step()
    assert [span.tags for span in spans] == [["a"], []]


def test_what_the_user_attaches_inside_a_block_stays():
    with capture():
        with callspan.conversation("c"):
            otel_context.attach(baggage.set_baggage("mine", "1"))
            with callspan.span("x"):
                otel_context.attach(baggage.set_baggage("more", "2"))
        assert baggage.get_all() == {"mine": "1", "more": "2"}
        assert not callspan.current_span().is_recording()
        step()
        otel_context.attach(otel_context.Context())


def test_off_is_off():
    with callspan.conversation("c"), callspan.context(tags=["a"]), callspan.suppress():
        assert get_context() == {}


async def test_switched_on_or_off_inside():
    block = callspan.conversation("c")
    with block:
        manager = capture()
        spans = manager.__enter__()
    with block:
        turn()
        manager.__exit__(None, None, None)
    assert steps_of(spans) == [("c", 1)]
    assert get_context() == {}


# -- prompts and silence -----------------------------------------------------------------------------------------------


def test_using_prompt_reaches_the_model_calls_of_the_block_and_no_other_spans():
    template = PromptTemplate("Name a {thing}.", name="naming", version="3")
    with capture() as spans:
        with callspan.using_prompt(template.format(thing="sock")), callspan.span("chain"):
            callspan.llm(lambda question: "wool")("?")
        callspan.llm(lambda question: "wool")("?")
    inside, chain, outside = spans
    assert [(p.template, p.variables, p.name, p.version) for p in inside.prompts] == [
        ("Name a {thing}.", {"thing": "sock"}, "naming", "3")
    ]
    assert chain.prompts == outside.prompts == []


def test_using_prompt_takes_only_what_a_template_made():
    with pytest.raises(ConfigurationError, match=r"using_prompt: got str; give what PromptTemplate.format"):
        callspan.using_prompt("plain text")


def test_suppress():
    with capture() as spans, callspan.span("outer"):
        with callspan.suppress():
            step()
            with callspan.span("hidden") as hidden:
                assert not hidden.is_recording()
        step()
    assert spans.tree() == "chain outer\n  chain step"


async def test_suppress_holds_in_tasks():
    with capture() as spans:
        async with callspan.suppress():
            await asyncio.create_task(asyncio.to_thread(step))
    assert spans == []


@pytest.mark.parametrize(
    "key", ["suppress_instrumentation", otel_context._SUPPRESS_INSTRUMENTATION_KEY], ids=["old", "new"]
)
def test_opentelemetrys_own_suppression_counts_and_ours_counts_there(key):
    with capture() as spans:
        token = otel_context.attach(otel_context.set_value(key, True))
        step()
        otel_context.detach(token)
        with callspan.suppress():
            assert otel_context.get_value(key)
        assert otel_context.get_value(key) is None
        token = otel_context.attach(otel_context.set_value(key, False))
        step()
        otel_context.detach(token)
    assert len(spans) == 1
