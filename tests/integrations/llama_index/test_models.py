"""Calls of models, embeddings, retrievers, rerankers and tools: what their spans say."""

from __future__ import annotations

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.postprocessor import LLMRerank, SimilarityPostprocessor
from llama_index.core.prompts import ChatPromptTemplate, SelectorPromptTemplate
from llama_index.core.prompts.utils import is_chat_model
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool

from callspan.reading import load
from llama_models import TEXTS, Silent, Told, call, index
from programs import run

HELLO = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Hello")]
ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Hello"}]},
]


class Song(BaseModel):
    """A song."""

    title: str


def said(text, **more):
    return [{"role": "assistant", "parts": [{"type": "text", "content": text}], **more}]


def usage_of(spans):
    """Add up the tokens that count."""
    return sum(span.usage.total_tokens for span in spans if span.usage is not None and not span.usage_below)


def test_a_chat(spans):
    Told("Hi").chat(HELLO, top_p=0.9)
    (span,) = spans
    assert (span.kind, span.name, span.operation) == ("llm", "Told.chat", "chat")
    assert span.input_messages == ASKED
    assert span.output_messages == said("Hi", finish_reason="stop")
    assert span.request == {"model": "told", "temperature": 0.5, "top_p": 0.9}
    assert span.response == {"id": "answer-1", "model": "told-1", "finish_reasons": ["stop"]}
    assert (span.usage.input_tokens, span.usage.output_tokens, span.usage.total_tokens) == (9, 3, 12)
    assert span.usage.raw == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    assert (span.input, span.output) == (None, None)


async def test_a_fallback_to_the_plain_call_is_one_span(spans):
    await Told("Hi").achat(HELLO)
    (span,) = spans
    assert (span.name, span.input_messages, span.output_messages) == (
        "Told.achat",
        ASKED,
        said("Hi", finish_reason="stop"),
    )
    assert usage_of(spans) == 12


def test_a_completion(spans):
    Told("Hi").complete("Hello")
    (span,) = spans
    assert (span.name, span.operation) == ("Told.complete", "text_completion")
    assert span.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
    assert span.output_messages == said("Hi", finish_reason="stop")


async def test_a_completion_that_nobody_decorated(spans):
    await Told("Hi").acomplete("Hello")
    assert [span.name for span in spans] == ["Told.acomplete"]
    assert usage_of(spans) == 12


def test_two_models_one_around_the_other(spans):
    inner = Told("Hi")

    class Outer(Told):
        def chat(self, messages, **_):
            return inner.chat(messages)

    Outer().chat(HELLO)
    assert spans.tree() == "llm Outer.chat\n  llm Told.chat"
    assert usage_of(spans) == 12


def test_a_model_that_fails(spans):
    with pytest.raises(TimeoutError):
        Told(TimeoutError("too slow")).chat(HELLO)
    (span,) = spans
    assert (span.outcome, span.error.type, span.input_messages) == ("error", "TimeoutError", ASKED)


def test_tools_in_question_and_answer(spans):
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    tool = FunctionTool.from_defaults(add)
    Told(call("add", a=1, b=2)).chat(
        [
            ChatMessage(role="user", content="1+2?"),
            ChatMessage(
                role="assistant",
                content=None,
                additional_kwargs={
                    "tool_calls": [
                        {"id": "c-0", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
                    ]
                },
            ),
            ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": "c-0"}),
        ],
        tools=[tool.metadata.to_openai_tool()],
    )
    (span,) = spans
    assert [message["parts"] for message in span.input_messages[1:]] == [
        [{"type": "tool_call", "id": "c-0", "name": "add", "arguments": {"a": 1}}],
        [{"type": "tool_call_response", "id": "c-0", "response": "3"}],
    ]
    assert span.output_messages[0]["parts"] == [
        {"type": "tool_call", "id": "call-1", "name": "add", "arguments": {"a": 1, "b": 2}}
    ]
    assert span.tool_definitions[0]["function"]["name"] == "add"


# -- prompts -----------------------------------------------------------------------------------------------------------


def test_a_prediction_has_its_template(spans):
    prompt = PromptTemplate("Sing of {what} in {language}.", prompt_type="song").partial_format(language="Latin")
    assert Told("La").predict(prompt, what="socks") == "La"
    (span,) = spans
    assert (span.name, span.output_messages) == ("Told.predict", said("La", finish_reason="stop"))
    (use,) = span.prompts
    assert (use.template, use.name) == ("Sing of {what} in {language}.", "song")
    assert use.variables == {"language": "Latin", "what": "socks"}
    assert use.version == "143bd113b7fb"
    assert span.input_messages[0]["parts"] == [{"type": "text", "content": "Sing of socks in Latin."}]
    assert usage_of(spans) == 12


def test_a_template_of_messages(spans):
    Told("La").predict(ChatPromptTemplate.from_messages([("system", "Sing."), ("user", "Of {what}.")]), what="hats")
    (use,) = spans[0].prompts
    assert use.template == "system: Sing.\nuser: Of {what}."
    assert use.variables == {"what": "hats"}


def test_of_several_templates_the_one_that_was_sent(spans):
    chat = ChatPromptTemplate.from_messages([("system", "You chat."), ("user", "Of {what}.")])
    plain = PromptTemplate("You complete: {what}.")
    Told("La").predict(SelectorPromptTemplate(plain, [(is_chat_model, chat)]), what="hats")
    assert [use.template for use in spans[0].prompts] == ["system: You chat.\nuser: Of {what}."]
    Told("La").predict(SelectorPromptTemplate(plain, [(lambda _: False, chat)]), what="hats")
    assert [use.template for use in spans[1].prompts] == ["You complete: {what}."]


async def test_a_structured_prediction(spans):
    song = await Told(call("Song", title="La")).astructured_predict(
        Song, PromptTemplate("Sing of {what}."), what="hats"
    )
    assert song == Song(title="La")
    span = spans.one("Told.astructured_predict")
    assert (span.kind, span.output, span.prompts[0].variables) == ("llm", {"title": "La"}, {"what": "hats"})
    assert span.output_messages[0]["parts"][0]["name"] == "Song"
    assert [span.kind for span in spans if span.name != "Song"] == ["llm"]
    assert usage_of(spans) == 12


# -- embeddings, retrievers, rerankers, tools --------------------------------------------------------------------------


def test_embeddings(spans):
    MockEmbedding(embed_dim=3).get_text_embedding_batch(["a", "b"])
    (span,) = spans
    assert (span.kind, span.dimensions, span.request) == ("embedding", 3, {"model": "unknown"})
    assert span.embeddings == [{"text": "a", "vector": [0.5] * 3}, {"text": "b", "vector": [0.5] * 3}]


def test_a_retriever(spans):
    retriever = index().as_retriever(similarity_top_k=2)
    spans.clear()
    found = retriever.retrieve("What keeps feet warm?")
    span = next(span for span in spans if span.kind == "retriever")
    assert (span.query, span.top_k) == ("What keeps feet warm?", 2)
    assert [document["content"] for document in span.documents] == [node.node.text for node in found]
    assert {document["content"] for document in span.documents} < {*TEXTS}
    assert [document["id"] for document in span.documents] == [node.node.node_id for node in found]
    assert [document["metadata"] for document in span.documents] == [node.node.metadata for node in found]
    assert [document["score"] for document in span.documents] == [node.score for node in found]


def nodes():
    return [NodeWithScore(node=TextNode(id_=f"n-{n}", text=text), score=0.5) for n, text in enumerate(TEXTS)]


def test_a_reranker(spans):
    reranker = LLMRerank(llm=Told("Doc: 2, Relevance: 9\nDoc: 1, Relevance: 4"), top_n=2)
    reranker.postprocess_nodes(nodes(), query_str="Heads?")
    assert spans.tree() == "reranker LLMRerank.postprocess_nodes\n  llm Told.predict"
    span = spans.one("LLMRerank.postprocess_nodes")
    assert (span.query, span.top_k) == ("Heads?", 2)
    assert [document["id"] for document in span.input_documents] == ["n-0", "n-1", "n-2"]
    assert [(document["id"], document["score"]) for document in span.documents] == [("n-1", 9.0), ("n-0", 4.0)]


def test_what_only_filters_is_a_step_of_its_own(spans):
    SimilarityPostprocessor(similarity_cutoff=0.7).postprocess_nodes(nodes(), query_str="Heads?")
    (span,) = spans
    assert (span.kind, span.component) == ("chain", "postprocessor")
    assert (span.input, span.output) == ({"query": "Heads?", "nodes": 3}, {"nodes": 0})


def test_a_postprocessor_that_says_it_reranks(spans):
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.events.rerank import ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    class Sorter(BaseNodePostprocessor):
        def _postprocess_nodes(self, nodes, query_bundle=None):
            get_dispatcher().event(ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=1, model_name="sort-1"))
            return nodes[-1:]

    Sorter().postprocess_nodes(nodes(), query_str="Heads?")
    (span,) = spans
    assert (span.kind, span.component, span.query) == ("reranker", None, "Heads?")
    assert (span.top_k, span.request) == (1, {"model": "sort-1"})
    assert [len(span.input_documents), len(span.documents)] == [3, 1]


@pytest.mark.parametrize("how", ["__call__", "call"])
def test_a_tool(spans, how):
    def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    tool = FunctionTool.from_defaults(add, name="plus")
    getattr(tool, how)(a=1, b=2)
    (span,) = spans
    assert (span.kind, span.name, span.input, span.output) == ("tool", "plus", {"a": 1, "b": 2}, "3")
    assert span.tool.description.endswith("Add two numbers.")
    assert span.tool.parameters["required"] == ["a"]


async def test_an_async_tool_that_fails(spans):
    async def fail(a):
        raise KeyError(a)

    with pytest.raises(KeyError):
        await FunctionTool.from_defaults(async_fn=fail).acall("x")
    (span,) = spans
    assert (span.outcome, span.input) == ("error", {"args": ["x"]})


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_stream(spans):
    stream = Told("Hey").stream_chat(HELLO)
    assert spans == []
    assert [piece.delta for piece in stream] == ["H", "e", "y"]
    (span,) = spans
    assert (span.name, span.outcome, span.chunk_count) == ("Told.stream_chat", "ok", 3)
    assert (span.input_messages, span.output_messages) == (ASKED, said("Hey", finish_reason="stop"))
    assert span.time_to_first_chunk_s > 0
    assert usage_of(spans) == 12


async def test_an_async_stream_that_falls_back(spans):
    stream = await Told("Hey").astream_chat(HELLO)
    assert [piece.delta async for piece in stream] == ["H", "e", "y"]
    (span,) = spans
    assert (span.name, span.chunk_count, span.output_messages) == (
        "Told.astream_chat",
        3,
        said("Hey", finish_reason="stop"),
    )
    assert usage_of(spans) == 12


def test_a_stream_of_a_template(spans):
    assert "".join(Told("Hey").stream(PromptTemplate("Sing of {what}."), what="hats")) == "Hey"
    (span,) = spans
    assert (span.name, span.prompts[0].variables) == ("Told.stream", {"what": "hats"})
    assert span.output_messages == said("Hey", finish_reason="stop")


@pytest.mark.parametrize("steps", [0, 1])
def test_a_stream_that_is_dropped(spans, steps):
    stream = Told("Hey").stream_chat(HELLO)
    for _ in range(steps):
        next(stream)
    del stream
    (span,) = spans
    assert (span.outcome, span.chunk_count, span.error) == ("abandoned", steps, None)
    assert span.output_messages == (said("H") if steps else None)


def test_a_stream_that_is_closed(spans):
    stream = Told("Hey").stream_chat(HELLO)
    next(stream)
    stream.close()
    assert spans[0].outcome == "abandoned"


def test_a_stream_that_fails(spans):
    stream = Told(TimeoutError("too slow")).stream_chat(HELLO)
    with pytest.raises(TimeoutError):
        next(stream)
    (span,) = spans
    assert (span.outcome, span.error.type) == ("error", "TimeoutError")


def test_the_consumer_of_a_stream_stands_for_itself(spans):
    model = Told("Hey", "Other")
    for piece in model.stream_chat(HELLO):
        if piece.delta == "H":
            model.chat(HELLO)
    assert sorted(span.name for span in spans.roots()) == ["Told.chat", "Told.stream_chat"]


def test_a_stream_of_which_no_event_tells(spans):
    assert [piece.delta for piece in Silent().stream_complete("Hello")] == ["qu", "iet"]
    (span,) = spans
    assert (span.name, span.outcome, span.output_messages) == ("Silent.stream_complete", "ok", None)


def test_a_call_that_is_open_at_exit_is_told_as_incomplete(tmp_path):
    run(
        """
        import threading
        import callspan
        from callspan.exporters import FileExporter
        from llama_models import Silent

        begun = threading.Event()

        class Waiting(Silent):
            def complete(self, prompt, formatted=False, **_):
                begun.set()
                threading.Event().wait()

        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        callspan.instrument("llama-index")
        threading.Thread(target=Waiting().complete, args=("Hello",), daemon=True).start()
        begun.wait()
        """,
        tmp_path,
    )
    (record,) = load(tmp_path / "spans.jsonl")
    assert (record.name, record.outcome) == ("Waiting.complete", "incomplete")
