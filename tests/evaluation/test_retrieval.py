import math

import pytest

from callspan.evaluation.retrieval import (
    RetrievalQuality,
    hit_rate,
    names_of,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank,
)
from judged_records import record

FOUND = ["a", "x", "b", "y"]


def test_measures_by_hand():
    relevant = {"a", "b", "c"}
    assert precision_at_k(FOUND, relevant, 3) == pytest.approx(2 / 3)
    assert precision_at_k(FOUND, relevant, 10) == pytest.approx(0.2)  # what is missing is not relevant
    assert recall_at_k(FOUND, relevant, 1) == pytest.approx(1 / 3)
    assert recall_at_k(FOUND, relevant, 4) == pytest.approx(2 / 3)
    assert reciprocal_rank(["x", "y", "a"], relevant, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "y", "a"], relevant, 2) == 0
    assert hit_rate(["x", "a"], relevant, 2) == 1
    assert hit_rate([], relevant, 2) == 0


def test_ndcg_by_hand():
    # gains 3, 0, 2 over log2 of 2, 3, 4; the best order is 3, 2, 1
    grades = {"a": 3, "b": 2, "c": 1}
    assert ndcg_at_k(["a", "x", "b"], grades, 3) == pytest.approx((3 + 2 / 2) / (3 + 2 / math.log2(3) + 1 / 2))
    assert ndcg_at_k(["a", "b", "c"], grades, 3) == 1
    assert ndcg_at_k(["a"], {"a"}, 5) == 1


def test_no_relevant_document():
    assert math.isnan(recall_at_k(FOUND, {"a": 0}, 3))
    assert math.isnan(ndcg_at_k(FOUND, {}, 3))


def test_retriever_spans():
    span = record(kind="retriever", query="socks", documents=[{"id": "a"}, {"content": "text"}, {"id": "a"}])
    evaluator = RetrievalQuality({"socks": {"text"}}, "mrr", 5)
    assert (evaluator.name, evaluator.identity) == ("mrr@5", "mrr@5")
    assert evaluator.evaluate(span).score == 0.5
    assert RetrievalQuality(lambda record: {"a"}, "precision", 1).evaluate(span).score == 1
    assert "not known" in RetrievalQuality({}).evaluate(span).error
    assert RetrievalQuality({"socks": []}).evaluate(span).error == "no document is relevant to this query"
    assert RetrievalQuality({}).evaluate(record()).error == "no documents on this span"


def test_documents_are_named_once():
    assert names_of([{"id": "a"}, {"content": "b"}, {"id": "a"}, {}]) == ["a", "b", ""]
