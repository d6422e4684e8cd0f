"""What is read out of arguments and results of decorated functions, kind by kind."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import callspan
from callspan.model.facts import MISSING, Facts, PromptUse, ToolFacts
from callspan.model.prompt import PromptTemplate, remember
from callspan.model.record import ToolRecord
from callspan.model.usage import Usage
from callspan.recording import results
from callspan.recording.sites import Site
from callspan.testing import capture


def text(role, content, **more):
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


def read(kind, given=MISSING, result=MISSING, *, name="step", stream=None, vectors="full", function=None):
    """Run the reader of `kind` on plain trees, without a recorder."""
    facts = Facts(input=given, output=result)
    span = SimpleNamespace(name=name, stream=stream, site=Site(name, kind, vectors=vectors, function=function))
    results.READERS[kind](span, facts)
    return facts


# -- model calls: what went in -----------------------------------------------------------------------------------------


def test_a_decorated_model_call():
    @callspan.llm
    def ask(messages, model, temperature=0.2, tools=None, verbose=True):
        return {
            "id": "c1",
            "model": "gpt-4o-2024",
            "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }

    with capture() as spans:
        ask([{"role": "user", "content": "Hi"}], "gpt-4o", tools=[{"type": "function", "name": "add"}])
    (span,) = spans
    assert span.input_messages == [text("user", "Hi")]
    assert span.output_messages == [text("assistant", "Hello", finish_reason="stop")]
    assert span.request == {"model": "gpt-4o", "temperature": 0.2}
    assert span.tool_definitions == [{"type": "function", "name": "add"}]
    assert span.input == {"verbose": True}
    assert span.output is None
    assert (span.model, span.finish_reasons) == ("gpt-4o-2024", ["stop"])
    assert (span.usage.input_tokens, span.usage.output_tokens) == (3, 1)


@pytest.mark.parametrize(
    ("given", "messages", "rest"),
    [
        ("Hi", [text("user", "Hi")], MISSING),
        ([{"role": "user", "content": "Hi"}], [text("user", "Hi")], MISSING),
        ({"history": [{"role": "user", "content": "Hi"}]}, [text("user", "Hi")], MISSING),
        ({"input": "Hi"}, None, {"input": "Hi"}),
        ({"question": "Why?", "depth": 2}, [text("user", "Why?")], {"depth": 2}),
        ({"question": None, "query": "Why?"}, [text("user", "Why?")], {"question": None}),
        (["a", "b"], None, ["a", "b"]),
        ([], None, []),
        (5, None, 5),
        (MISSING, None, MISSING),
    ],
    ids=repr,
)
def test_messages_that_went_in(given, messages, rest):
    facts = read("llm", given)
    assert facts.input_messages == messages
    assert facts.input == rest


def test_system_instructions_stand_beside_messages():
    facts = read("llm", {"system": "Be brief.", "prompt": "Hi"})
    assert facts.system_instructions == [{"type": "text", "content": "Be brief."}]
    assert facts.input is MISSING
    alone = read("llm", {"system": "Be brief."})
    assert (alone.system_instructions, alone.input) == (None, {"system": "Be brief."})


def test_parameters_by_the_names_of_callers():
    facts = read(
        "llm",
        {
            "prompt": "Hi",
            "model_name": "m",
            "max_completion_tokens": 9,
            "stop": ["END"],
            "n": 2,
            "stream": False,
            "reasoning_effort": "low",
            "seed": None,
            "top_p": [1],
            "stop_sequences": 5,
        },
    )
    assert facts.request == {
        "model": "m",
        "max_tokens": 9,
        "stop_sequences": ["END"],
        "choice_count": 2,
        "stream": False,
        "reasoning_level": "low",
    }
    assert facts.input == {"seed": None, "top_p": [1], "stop_sequences": 5}


def test_parameters_in_an_object():
    facts = read("llm", {"prompt": "Hi", "params": {"temperature": 0, "logit_bias": {"5": 1}}, "config": {"a": 1}})
    assert facts.request == {"temperature": 0}
    assert facts.extra == {"logit_bias": {"5": 1}}
    assert facts.input == {"config": {"a": 1}}


def test_the_first_name_of_a_parameter_wins():
    assert read("llm", {"model": "a", "model_name": "b"}).request == {"model": "a"}


@pytest.mark.parametrize("tools", [[], ["add"], "add", {"add": {}}], ids=repr)
def test_tools_that_are_no_definitions_stay_arguments(tools):
    facts = read("llm", {"prompt": "Hi", "tools": tools})
    assert (facts.tool_definitions, facts.input) == (None, {"tools": tools})


# -- model calls: what came out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "stream", "messages", "rest"),
    [
        ("Hello", None, [text("assistant", "Hello")], MISSING),
        (["Hello"], None, [text("assistant", "Hello")], MISSING),
        (["Hel", "lo"], (2, 5), [text("assistant", "Hello")], MISSING),
        (["a", "b"], None, None, ["a", "b"]),
        ([], (0, None), None, []),
        ([1], None, None, [1]),
        (None, None, None, None),
        (MISSING, None, None, MISSING),
        ({"content": "Hello"}, None, [text("assistant", "Hello")], MISSING),
        ({"role": "model", "content": "Hello"}, None, [text("assistant", "Hello")], MISSING),
        ({"answer": "Hello"}, None, [text("assistant", "Hello")], MISSING),
        ({"score": 1}, None, None, {"score": 1}),
        ({"choices": [{"text": "a"}, {"text": "b"}]}, None, [text("assistant", "a"), text("assistant", "b")], MISSING),
        ({"choices": [5]}, None, None, {"choices": [5]}),
        ({"choices": [], "text": "Hello"}, None, [text("assistant", "Hello")], MISSING),
    ],
    ids=repr,
)
def test_messages_that_came_out(result, stream, messages, rest):
    facts = read("llm", "Hi", result, stream=stream)
    assert facts.output_messages == messages
    assert facts.output == rest


def test_facts_of_an_answer():
    facts = read(
        "llm",
        "Hi",
        {
            "id": "c1",
            "model": "m-1",
            "system_fingerprint": "fp",
            "service_tier": None,
            "text": "Hello",
            "stop_reason": "end_turn",
            "usage_metadata": {"input_tokens": 1},
        },
    )
    assert facts.response == {"id": "c1", "model": "m-1", "system_fingerprint": "fp", "finish_reasons": ["end_turn"]}
    assert facts.usage == Usage(input_tokens=1)


def test_the_reasons_of_choices_come_first():
    facts = read("llm", "Hi", {"choices": [{"text": "a", "finish_reason": "length"}], "stop_reason": "end_turn"})
    assert facts.response == {"finish_reasons": ["length"]}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"message": {"content": "a"}, "finish_reason": "stop"}, text("assistant", "a", finish_reason="stop")),
        ({"message": {"role": "assistant"}}, {"role": "assistant", "parts": []}),
        ({"message": {"role": None, "content": "a"}}, text("assistant", "")),
        ({"text": "a", "finish_reason": None}, text("assistant", "a")),
        ({"text": None}, text("assistant", "")),
        ({"message": "a", "text": "b"}, text("assistant", "b")),
    ],
    ids=repr,
)
def test_choices(choice, message):
    assert results.read_choice(choice) == message


def test_usage_that_is_known_already_stays():
    facts = Facts(output={"text": "a", "usage": {"input_tokens": 5}}, usage=Usage(input_tokens=1))
    results.read_llm(SimpleNamespace(stream=None), facts)
    assert facts.usage == Usage(input_tokens=1)


# -- prompts -----------------------------------------------------------------------------------------------------------


def test_templates_are_found_by_content():
    rendered = PromptTemplate("Greet {who} kindly", name="greet", version="v1").format(who="Ann")
    use = PromptUse("Greet {who} kindly", {"who": "Ann"}, "greet", "v1")
    facts = read("llm", str(rendered))
    assert facts.prompts == [use]
    results.use_prompt(facts, rendered)
    assert facts.prompts == [use]
    assert read("llm", "Greet nobody").prompts == []


def test_variables_of_prompts_become_plain():
    facts = Facts()
    results.use_prompt(facts, remember("x", "{a}", {"a": (1, b"\x00")}, None, "v"))
    assert facts.prompts == [PromptUse("{a}", {"a": [1, "<bytes of 1: 00…>"]}, None, "v")]


def test_without_any_template_nothing_is_looked_for(monkeypatch):
    monkeypatch.setattr(results.recent_texts, "_by_hash", {})
    assert read("llm", "Hi").prompts == []


# -- retrieval and reranking -------------------------------------------------------------------------------------------


def test_a_decorated_retriever():
    @callspan.retriever
    def search(query, k=2, index="main"):
        return [{"text": "Paris", "score": 0.5}]

    with capture() as spans:
        search("France")
    (span,) = spans
    assert (span.query, span.top_k) == ("France", 2)
    assert span.documents == [{"content": "Paris", "score": 0.5}]
    assert (span.input, span.output) == ({"index": "main"}, None)


@pytest.mark.parametrize(
    ("given", "query", "top_k", "rest"),
    [
        ("France", "France", None, MISSING),
        ({"q": "France", "limit": 3}, "France", 3, MISSING),
        ({"filter": 1, "words": "France"}, "France", None, {"filter": 1}),
        ({"query": 5, "k": "many"}, "many", None, {"query": 5}),
        ({"k": True}, None, None, {"k": True}),
        (["France"], None, None, ["France"]),
        (MISSING, None, None, MISSING),
    ],
    ids=repr,
)
def test_queries(given, query, top_k, rest):
    facts = read("retriever", given)
    assert (facts.query, facts.top_k, facts.input) == (query, top_k, rest)


def test_results_of_a_retriever_that_are_no_documents():
    assert read("retriever", "q", 5).output == 5
    assert read("retriever", "q", []).documents == []
    missing = read("retriever", "q")
    assert (missing.documents, missing.output) == (None, MISSING)


def test_a_decorated_reranker():
    @callspan.reranker
    def rerank(query, documents, model="r-1", top_n=1):
        return [{"document": {"text": "Paris"}, "relevance_score": 0.5}]

    with capture() as spans:
        rerank("France", ["Rome", "Paris"])
    (span,) = spans
    assert (span.query, span.top_k, span.request) == ("France", 1, {"model": "r-1"})
    assert span.input_documents == [{"content": "Rome"}, {"content": "Paris"}]
    assert span.documents == [{"content": "Paris", "score": 0.5}]
    assert (span.input, span.output) == (None, None)


def test_rerankers_keep_what_they_do_not_know():
    facts = read("reranker", {"query": "France", "documents": 5, "nodes": ["Paris"], "n": 3, "seed": 7}, [])
    assert facts.input_documents == [{"content": "Paris"}]
    assert (facts.query, facts.top_k, facts.request, facts.extra) == ("France", 3, {}, {})
    assert facts.input == {"documents": 5, "seed": 7}
    assert read("reranker", "France", ["Paris"]).query == "France"
    assert read("reranker", {"n": 1}).input_documents is None


# -- embedding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "embeddings"),
    [
        ("full", [{"text": "a", "vector": [0.5, 1.0]}, {"text": "b", "vector": [0.25, 2.0]}]),
        (
            "hash",
            [
                {"text": "a", "vector_hash": "9612447463caefad31915f64e5102298"},
                {"text": "b", "vector_hash": "53ea3a655e73fdc25966e4d39d287bff"},
            ],
        ),
        ("none", [{"text": "a"}, {"text": "b"}]),
    ],
)
def test_a_decorated_embedding(vectors, embeddings):
    @callspan.embedding(vectors=vectors)
    def embed(texts, model="e-1", batch=2):
        return {
            "data": [{"embedding": [0.5, 1.0]}, {"embedding": [0.25, 2.0]}],
            "model": "e-1-large",
            "usage": {"prompt_tokens": 2},
        }

    with capture() as spans:
        embed(["a", "b"])
    (span,) = spans
    assert span.embeddings == embeddings
    assert (span.dimensions, span.request, span.model) == (2, {"model": "e-1"}, "e-1-large")
    assert span.usage.input_tokens == 2
    assert (span.input, span.output) == ({"batch": 2}, None)


@pytest.mark.parametrize(
    ("given", "result", "embeddings", "rest"),
    [
        ("a", [0.5], [{"text": "a", "vector": [0.5]}], MISSING),
        (["a", "b"], [[0.5]], [{"text": "a", "vector": [0.5]}, {"text": "b"}], MISSING),
        ({"text": "a"}, [[0.5], [1.0]], [{"text": "a", "vector": [0.5]}, {"vector": [1.0]}], MISSING),
        ({"words": ["a"], "n": 1}, [[0.5]], [{"text": "a", "vector": [0.5]}], {"words": ["a"], "n": 1}),
        ({"query": {"input": "a"}}, [0.5], [{"text": "a", "vector": [0.5]}], MISSING),
        ({"texts": [1]}, [0.5], [{"vector": [0.5]}], {"texts": [1]}),
        (5, [0.5], [{"vector": [0.5]}], 5),
        ({"texts": []}, [], [], {"texts": []}),
    ],
    ids=repr,
)
def test_texts_and_vectors_pair_up(given, result, embeddings, rest):
    facts = read("embedding", given, result)
    assert facts.embeddings == embeddings
    assert facts.input == rest


def test_results_of_an_embedding_that_are_no_vectors():
    facts = read("embedding", {"text": "a", "model_name": "m"}, {"error": "quota"})
    assert (facts.embeddings, facts.dimensions, facts.output) == ([{"text": "a"}], None, {"error": "quota"})
    assert (facts.request, facts.usage, facts.input) == ({"model": "m"}, None, MISSING)


def test_vectors_of_a_batch_that_was_cut_do_not_stay_in_the_output():
    @callspan.embedding(vectors="none")
    def embed(texts):
        return [[0.5] * 1536 for _ in texts]

    with capture() as spans:
        embed(["a"] * 2000)
    assert spans[0].output is None
    assert spans[0].dimensions == 1536
    assert spans[0].embeddings[0] == {"text": "a"}
    assert spans[0].truncated["output"] > 10_000_000


# -- tools and agents --------------------------------------------------------------------------------------------------


def test_a_decorated_tool():
    @callspan.tool
    def weather(city: str, days: int = 1, *, tool_call_id=None):
        """Tell the weather.

        In degrees.
        """
        return '{"degrees": 20}'

    with capture() as spans:
        weather("Paris", tool_call_id="call_1")
        weather("Rome")
    first, second = spans
    assert first.tool == ToolRecord(
        name="weather",
        description="Tell the weather.\n\nIn degrees.",
        parameters={
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
        call_id="call_1",
        type="function",
    )
    assert first.input == {"city": "Paris", "tool_call_id": "call_1", "days": 1}
    assert first.output == {"degrees": 20}
    assert second.tool.call_id is None


def test_a_tool_that_is_given_the_call_of_the_model():
    call = {"id": "call_1", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    facts = read("tool", {"tool_call": call}, "sunny", name="weather")
    assert facts.tool == ToolFacts("weather", None, None, "call_1")
    assert (facts.input, facts.output) == ({"city": "Paris"}, "sunny")
    assert read("tool", {"tool_call": {"id": "c", "name": "now"}}).input is MISSING
    assert read("tool", {"tool_call": "c"}).input == {"tool_call": "c"}
    more = read("tool", {"tool_call": call, "user": "Ann"})
    assert (more.tool.call_id, more.input) == (None, {"tool_call": call, "user": "Ann"})


def test_a_tool_without_a_description():
    facts = read("tool", {"call_id": "c1"}, 5, name="add", function=lambda a: a)
    assert facts.tool == ToolFacts("add", None, {"type": "object", "properties": {"a": {}}, "required": ["a"]}, "c1")
    assert facts.output == 5
    with capture() as spans, callspan.span("block", kind="tool"):
        pass
    assert spans[0].tool == ToolRecord(name="block")


def test_an_agent_has_a_name():
    with capture() as spans:
        callspan.agent(name="helper")(lambda task: "done")("Book a table.")
    assert (spans[0].agent_name, spans[0].input, spans[0].output) == ("helper", {"task": "Book a table."}, "done")
