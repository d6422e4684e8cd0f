"""Retrievers with the scores of their stores, and embeddings, of which LangChain raises no event."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_chains import tree

TEXTS = {"socks": [1.0, 0.0], "shoes": [0.6, 0.8], "cars": [0.0, 1.0]}


class Words(Embeddings):
    """Knows three words."""

    def __init__(self):
        self.model = "words-1"

    def embed_documents(self, texts):
        return [TEXTS[text] for text in texts]

    def embed_query(self, text):
        return self.embed_documents([text])[0]


class AsyncWords(Words):
    async def aembed_query(self, text):
        await asyncio.sleep(0)
        return TEXTS[text]


def store(words):
    made = InMemoryVectorStore(words)
    made.add_documents([Document(text, id=text, metadata={"page": n}) for n, text in enumerate(TEXTS)])
    return made


def test_a_retriever_tells_query_documents_and_scores(spans):
    retriever = store(Words()).as_retriever(search_kwargs={"k": 2})
    spans.clear()
    found = retriever.invoke("socks")
    assert [document.page_content for document in found] == ["socks", "shoes"]
    assert "score" not in found[0].metadata
    assert tree(spans) == "retriever VectorStoreRetriever\n  embedding embeddings words-1"
    told = spans.one("VectorStoreRetriever")
    assert told.query == "socks"
    assert [(one["id"], one["content"], round(one["score"], 3), one["metadata"]) for one in told.documents] == [
        ("socks", "socks", 1.0, {"page": 0}),
        ("shoes", "shoes", 0.6, {"page": 1}),
    ]


async def test_an_asynchronous_retriever_tells_the_same(spans):
    retriever = store(AsyncWords()).as_retriever(search_kwargs={"k": 1})
    spans.clear()
    await retriever.ainvoke("cars")
    assert tree(spans) == "retriever VectorStoreRetriever\n  embedding embeddings words-1"
    (document,) = spans.one("VectorStoreRetriever").documents
    assert (document["id"], round(document["score"], 3)) == ("cars", 1.0)


def test_relevance_scores_above_a_threshold(spans):
    class Store(InMemoryVectorStore):
        def _select_relevance_score_fn(self):
            return lambda score: score

    made = Store(Words())
    made.add_texts([*TEXTS])
    retriever = made.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.5})
    assert len(retriever.invoke("socks")) == 2
    assert [round(one["score"], 1) for one in spans.one("VectorStoreRetriever").documents] == [1.0, 0.6]


def test_a_store_without_scores_and_a_retriever_without_a_store(spans):
    class Plain(VectorStore):
        def similarity_search(self, query, k=4, **_):
            return [Document(query)]

        @classmethod
        def from_texts(cls, texts, embedding, metadatas=None, **_):
            return cls()

    class Fixed(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document(query, metadata={"relevance_score": 0.5})]

    Plain().as_retriever().invoke("x")
    Fixed().invoke("y")
    assert spans.one("VectorStoreRetriever").documents == [{"content": "x"}]
    assert spans.one("Fixed").documents == [{"content": "y", "score": 0.5, "metadata": {"relevance_score": 0.5}}]


def test_embeddings_tell_texts_vectors_and_model(spans, watched):
    words = Words()
    watched._look()  # as the start of the next run does
    assert words.embed_documents(["socks", "cars"]) == [[1.0, 0.0], [0.0, 1.0]]
    assert words.embed_query("shoes") == [0.6, 0.8]
    many, one = spans
    assert (many.kind, many.request) == ("embedding", {"model": "words-1"})
    assert many.embeddings == [{"text": "socks", "vector": [1.0, 0.0]}, {"text": "cars", "vector": [0.0, 1.0]}]
    assert (one.embeddings, one.dimensions) == ([{"text": "shoes", "vector": [0.6, 0.8]}], 2)


def test_an_error_of_an_embedding_model_is_the_callers(spans, watched):
    watched._look()
    with pytest.raises(KeyError):
        Words().embed_query("planes")
    assert spans.one("embeddings words-1").outcome == "error"


async def test_asynchronous_embeddings_with_a_method_of_their_own_and_without(spans, watched):
    watched._look()
    assert await AsyncWords().aembed_query("socks") == [1.0, 0.0]
    assert await Words().aembed_query("socks") == [1.0, 0.0]
    assert tree(spans) == "embedding embeddings words-1\nembedding embeddings words-1"
