"""What a person sees of queries, chats and indexes: the trees, as texts."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool

import callspan
from callspan.testing import capture
from llama_models import Told, index, model

SAID = "text text text"  # older mocks add a space
QUERY = """
chain RetrieverQueryEngine.query
  retriever VectorIndexRetriever.retrieve
    embedding MockEmbedding.get_query_embedding
  chain CompactAndRefine.synthesize
    llm MockLLM.predict
"""
STREAMED_QUERY = """
chain RetrieverQueryEngine.query
  retriever VectorIndexRetriever.retrieve
    embedding MockEmbedding.get_query_embedding
  chain CompactAndRefine.synthesize
    llm MockLLM.stream
"""
CHAT = """
chain ContextChatEngine.chat
  retriever VectorIndexRetriever.retrieve
    embedding MockEmbedding.get_query_embedding
"""


def check(spans, expected):
    assert spans.tree() == expected.strip()


def engine(**options):
    return index().as_query_engine(llm=model(), similarity_top_k=2, **options)


@pytest.fixture
def spans():
    """Capture what comes after the index was built: see the first test for that."""


def test_building_an_index():
    with capture() as spans:
        index()
    check(
        spans,
        """
chain VectorStoreIndex.from_documents
  chain TokenTextSplitter.__call__
  embedding MockEmbedding.get_text_embedding_batch
""",
    )
    assert [span.component for span in spans] == ["transformation", None, "ingestion"]
    assert spans.one("VectorStoreIndex.from_documents").input == {"documents": 3}
    assert spans.one("TokenTextSplitter.__call__").output == {"nodes": 3}


def test_adding_to_an_index():
    built = index()
    with capture() as spans:
        built.insert(Document(text="Scarves keep necks warm."))
    root = spans.roots()[0]
    assert (root.name, root.component, root.input) == ("VectorStoreIndex.insert", "ingestion", {"documents": 1})
    assert [child.kind for child in spans.children(root)] == ["chain", "embedding"]


def test_a_pipeline():
    pipeline = IngestionPipeline(transformations=[TokenTextSplitter()])
    with capture() as spans:
        pipeline.run(documents=[Document(text="a"), Document(text="b")])
    check(spans, "chain IngestionPipeline.run\n  chain TokenTextSplitter.__call__")
    root = spans.one("IngestionPipeline.run")
    assert (root.component, root.input, root.output) == ("ingestion", {"documents": 2}, {"nodes": 2})


def test_a_query():
    asked = engine()
    with capture() as spans:
        asked.query("What keeps feet warm?")
    check(spans, QUERY)
    components = {span.name: span.component for span in spans if span.kind == "chain"}
    assert components == {"RetrieverQueryEngine.query": "query_engine", "CompactAndRefine.synthesize": "synthesizer"}


async def test_an_async_query():
    asked = engine()
    with capture() as spans:
        await asked.aquery("What keeps feet warm?")
    renamed = QUERY.replace(".query", ".aquery").replace(".retrieve", ".aretrieve").replace(".synth", ".asynth")
    check(spans, renamed.replace(".get_query", ".aget_query").replace(".predict", ".apredict"))


def test_a_streamed_query():
    asked = engine(streaming=True)
    with capture() as spans:
        response = asked.query("What keeps feet warm?")
        assert [span.kind for span in spans] == ["embedding", "retriever"]
        with callspan.span("consumer"):
            assert "".join(response.response_gen).strip() == SAID
    check(spans, f"{STREAMED_QUERY.strip()}\nchain consumer")
    assert len({span.trace_id for span in spans}) == 2
    root = spans.one("RetrieverQueryEngine.query")
    assert (root.output.strip(), root.chunk_count, root.outcome) == (SAID, 3, "ok")
    assert root.time_to_first_chunk_s > 0


async def test_an_async_streamed_query():
    asked = engine(streaming=True)
    with capture() as spans:
        response = await asked.aquery("What keeps feet warm?")
        texts = response.response_gen if hasattr(response.response_gen, "__anext__") else None
        said = [text async for text in texts] if texts is not None else [*response.response_gen]
    assert "".join(said).strip() == SAID
    assert [span.outcome for span in spans] == ["ok"] * 5
    assert len(spans.roots()) == 1
    assert [span.name for span in spans if span.kind == "llm"] == ["MockLLM.astream"]


def test_several_calls_in_one_synthesis():
    built = index(texts=("a", "b", "c"))
    synthesizer = get_response_synthesizer(llm=model(), response_mode=ResponseMode.REFINE)
    asked = RetrieverQueryEngine(built.as_retriever(similarity_top_k=3), response_synthesizer=synthesizer)
    with capture() as spans:
        asked.query("What?")
    synthesis = next(span for span in spans if span.component == "synthesizer")
    assert [child.name for child in spans.children(synthesis)] == ["MockLLM.predict"] * 3


def test_a_router():
    tool = QueryEngineTool.from_defaults(engine(), name="clothes", description="Knows of clothes.")
    router = RouterQueryEngine.from_defaults(
        [tool], selector=LLMSingleSelector.from_defaults(llm=Told('[{"choice": 1, "reason": "only one"}]')), llm=model()
    )
    with capture() as spans:
        router.query("What?")
    nested = "\n".join(f"  {line}" for line in QUERY.strip().splitlines())
    check(
        spans,
        f"chain RouterQueryEngine.query\n  chain LLMSingleSelector.select\n    llm Told.predict\n{nested}",
    )


# -- chats -------------------------------------------------------------------------------------------------------------


def test_a_chat():
    chat = index().as_chat_engine(chat_mode="context", llm=model(), similarity_top_k=2)
    with capture() as spans:
        chat.chat("Hello")
    assert spans.tree().startswith(CHAT.strip())
    (root,) = spans.roots()
    assert (root.component, root.input, root.output.strip()) == ("chat_engine", "Hello", SAID)
    assert len([span for span in spans if span.kind == "llm"]) == 1


def test_a_streamed_chat():
    chat = index().as_chat_engine(chat_mode="context", llm=model(), similarity_top_k=2)
    with capture() as spans:
        response = chat.stream_chat("Hello")
        assert "".join(response.response_gen).strip() == SAID
    (root,) = spans.roots()
    assert (root.name, root.output.strip(), root.outcome) == ("ContextChatEngine.stream_chat", SAID, "ok")
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert [span.outcome for span in spans] == ["ok"] * len(spans)
    assert len([span for span in spans if span.kind == "llm"]) == 1


async def test_an_async_streamed_chat():
    chat = index().as_chat_engine(chat_mode="context", llm=model(), similarity_top_k=2)
    with capture() as spans:
        response = await chat.astream_chat("Hello")
        assert "".join([text async for text in response.async_response_gen()]).strip() == SAID
        for _ in range(10):  # the writer ends after the last text
            await asyncio.sleep(0)
    (root,) = spans.roots()
    assert (root.name, root.output.strip(), root.outcome) == ("ContextChatEngine.astream_chat", SAID, "ok")
    assert len([span for span in spans if span.kind == "llm"]) == 1


def test_a_chat_that_asks_again():
    chat = index().as_chat_engine(chat_mode="condense_question", llm=model(), similarity_top_k=2)
    chat.chat("What keeps feet warm?")
    with capture() as spans:
        chat.chat("And heads?")
    nested = "\n".join(f"  {line}" for line in QUERY.strip().splitlines())
    check(spans, f"chain CondenseQuestionChatEngine.chat\n  llm MockLLM.predict\n{nested}")


# -- all of them, and many at once -------------------------------------------------------------------------------------


def test_full_detail():
    asked = engine()
    callspan.instrument("llama-index", detail="full")
    with capture() as spans:
        asked.query("What?")
    lines = spans.tree().splitlines()
    assert len(lines) >= 13
    assert lines[0:3] == [
        "chain RetrieverQueryEngine.query",
        "  chain RetrieverQueryEngine._query",
        "    retriever VectorIndexRetriever.retrieve",
    ]
    assert [line.strip() for line in lines if line.strip().startswith("llm")] == ["llm MockLLM.predict"]
    assert lines[-1].strip() == "chain MockLLM.complete"
    assert spans.one("MockLLM.predict").output_messages is not None


async def test_a_hundred_queries_at_once_keep_their_trees_apart():
    asked = engine()
    with capture() as spans:

        async def ask(number):
            with callspan.conversation(f"c-{number}"):
                await asked.aquery(f"question {number}")

        await asyncio.gather(*map(ask, range(100)))
    roots = spans.roots()
    assert len(roots) == 100
    assert len({root.trace_id for root in roots}) == 100
    for root in roots:
        number = root.input.removeprefix("question ")
        below = [span for span in spans if span.trace_id == root.trace_id]
        assert sorted(span.kind for span in below) == ["chain", "chain", "embedding", "llm", "retriever"]
        assert {span.conversation_id for span in below} == {f"c-{number}"}
        assert next(span for span in below if span.kind == "retriever").query == root.input
