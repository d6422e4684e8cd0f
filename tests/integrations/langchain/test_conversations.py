"""Conversations, tags and metadata: what a configuration says holds for the run and for all below."""

from __future__ import annotations

import pytest
from langchain_core.runnables import RunnableLambda

import callspan
from langchain_chains import naming


def places(spans):
    return {(span.conversation_id, span.step) for span in spans}


@pytest.mark.parametrize("name", ["conversation_id", "session_id", "thread_id"])
def test_the_conversation_of_a_chain_stands_in_its_metadata(spans, name):
    for _ in range(2):
        naming().invoke({"thing": "sock"}, {"metadata": {name: "c-1"}})
    assert places(spans[:4]) == {("c-1", 1)}
    assert places(spans[4:]) == {("c-1", 2)}


def test_the_names_have_an_order(spans):
    metadata = {"thread_id": "t", "session_id": "s", "conversation_id": "c"}
    naming().invoke({"thing": "sock"}, {"metadata": metadata})
    naming().invoke({"thing": "sock"}, {"metadata": {"thread_id": "t", "session_id": "s"}})
    naming().invoke({"thing": "sock"}, {"metadata": {"thread_id": 7}})
    assert [span.conversation_id for span in spans.roots()] == ["c", "s", "7"]


def test_what_is_said_to_callspan_wins(spans):
    with callspan.conversation("mine", user_id="ann"):
        naming().invoke({"thing": "sock"}, {"metadata": {"session_id": "theirs"}})
    assert places(spans) == {("mine", 1)}
    assert {span.user_id for span in spans} == {"ann"}
    assert spans[0].metadata["session_id"] == "theirs"  # and nothing is lost


def test_a_chain_within_a_turn_is_in_the_same_turn(spans):
    def body(_):
        return naming().invoke({"thing": "sock"})

    RunnableLambda(body, name="body").invoke("x", {"metadata": {"session_id": "c-1"}})
    assert places(spans) == {("c-1", 1)}


def test_tags_and_metadata_are_told_of_a_run_and_of_all_below(spans):
    config = {"tags": ["beta"], "metadata": {"team": "search", "size": 3}}
    naming().invoke({"thing": "sock"}, config)
    for span in spans:
        assert span.tags == ["beta"]
        assert span.metadata == {"team": "search", "size": 3}


def test_what_a_step_adds_is_told_of_the_step(spans):
    chain = RunnableLambda(str, name="a") | RunnableLambda(str, name="b").with_config(
        tags=["slow"], metadata={"stage": "ranking"}
    )
    chain.invoke("x", {"metadata": {"team": "search"}})
    assert (spans.one("a").tags, spans.one("a").metadata) == ([], {"team": "search"})
    assert (spans.one("b").tags, spans.one("b").metadata) == (["slow"], {"team": "search", "stage": "ranking"})


def test_users_spans_inside_are_in_the_conversation_too(spans):
    def body(_):
        with callspan.span("mine"):
            pass

    RunnableLambda(body, name="body").invoke("x", {"metadata": {"session_id": "c-1", "team": "search"}, "tags": ["t"]})
    mine = spans.one("mine")
    assert (mine.conversation_id, mine.step, mine.tags) == ("c-1", 1, ["t"])
    assert mine.metadata == {"session_id": "c-1", "team": "search"}
