"""Documents and vectors in the shapes that retrievers and embedding models return."""

from __future__ import annotations

import pytest

from callspan.model.retrieval import read_document, read_documents, read_vectors


@pytest.mark.parametrize(
    ("tree", "documents"),
    [
        ("Paris", [{"content": "Paris"}]),
        (["Paris", "Rome"], [{"content": "Paris"}, {"content": "Rome"}]),
        ([["Paris", 0.9], ["Rome", 1]], [{"content": "Paris", "score": 0.9}, {"content": "Rome", "score": 1.0}]),
        ({"content": "Paris"}, [{"content": "Paris"}]),
        ({"matches": [{"id": 5, "text": "Paris", "score": 0.5}]}, [{"id": "5", "content": "Paris", "score": 0.5}]),
        ({"documents": [], "content": "not looked at"}, []),
        ({"documents": "Paris", "text": "Rome"}, [{"content": "Rome"}]),
        ([], []),
        (["Paris", 5, None], [{"content": "Paris"}]),
    ],
    ids=repr,
)
def test_results(tree, documents):
    assert read_documents(tree) == documents


@pytest.mark.parametrize("tree", [None, 5, 0.5, [5, 6], {"answer": 42}, [{"answer": 42}], {"hits": [1]}], ids=repr)
def test_results_without_documents(tree):
    assert read_documents(tree) is None


def test_the_stored_fields_of_a_langchain_document():
    assert read_document({"id": None, "page_content": "Paris", "metadata": {"page": 1}, "type": "Document"}) == {
        "content": "Paris",
        "metadata": {"page": 1},
    }


def test_the_stored_fields_of_a_llama_index_node():
    node = {"id_": "n1", "text_resource": {"text": "Paris", "path": None}, "extra_info": {"page": 1}, "metadata": {}}
    assert read_document({"node": node, "score": 0.75}) == {"id": "n1", "content": "Paris", "score": 0.75}
    assert read_document({"node": {"text": "Paris", "extra_info": {"page": 1}}, "score": None}) == {
        "content": "Paris",
        "metadata": {"page": 1},
    }
    assert read_document({"node": {"nothing": 1}, "score": 0.75}) is None
    assert read_document({"node": "n1", "text": "Paris"}) == {"content": "Paris"}


@pytest.mark.parametrize(
    ("tree", "document"),
    [
        ({"text": "a", "id": True}, {"content": "a"}),
        ({"text": "a", "_id": "x1"}, {"content": "a", "id": "x1"}),
        ({"text": "a", "metadata": {"score": 0.5}}, {"content": "a", "metadata": {"score": 0.5}, "score": 0.5}),
        (
            {"text": "a", "metadata": {"score": 0.5}, "relevance_score": 0.75},
            {"content": "a", "metadata": {"score": 0.5}, "score": 0.75},
        ),
        ({"text": "a", "metadata": ["x"], "score": "high"}, {"content": "a"}),
        ({"text": "a", "score": True}, {"content": "a"}),
        ({"document": {"text": "a"}, "relevance_score": 0.5}, {"content": "a", "score": 0.5}),
        ({"page": {"body": "a"}}, {"content": "a"}),
        ({"page": {"body": 5}}, None),
        ([{"text": "a"}, 0.5], {"content": "a", "score": 0.5}),
        ([5, 0.5], None),
        (["a", "b"], None),
        (["a", 1, 2], None),
        ([None, 1], None),
        (5, None),
    ],
    ids=repr,
)
def test_one_document(tree, document):
    assert read_document(tree) == document


@pytest.mark.parametrize(
    ("tree", "vectors"),
    [
        ([0.1, 2], [[0.1, 2]]),
        ([[0.1], [0.2]], [[0.1], [0.2]]),
        ({"data": [{"embedding": [0.1], "index": 0}, {"embedding": [0.2]}]}, [[0.1], [0.2]]),
        ({"embeddings": [[0.1]], "data": "not looked at"}, [[0.1]]),
        ({"vector": [0.1]}, [[0.1]]),
        ([[0.1], "<list of 1>", "<7 more>"], [[0.1]]),
        ([0.1, 0.2, "<7 more>"], [[0.1, 0.2]]),
        ([], None),
        (["a"], None),
        ([0.1, None], None),
        ([True], None),
        ([[0.1], []], None),
        ([[0.1], {"nothing": 1}], None),
        ({"nothing": 1}, None),
        ({"embedding": "AACAPw=="}, None),
        (5, None),
    ],
    ids=repr,
)
def test_vectors(tree, vectors):
    assert read_vectors(tree) == vectors
