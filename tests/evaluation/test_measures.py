"""Agreement, rates, blame and perplexity: small sums, checked by hand."""

import math

import pytest

from callspan.evaluation.agreement import agreement
from callspan.evaluation.blame import suspects
from callspan.evaluation.perplexity import Perplexity
from callspan.evaluation.rates import Rate, against_golden, disparity
from callspan.evaluation.running import Evaluation, Result
from callspan.evaluation.scores import Score
from judged_records import chat, record


def test_kappa_of_a_textbook_example():
    # 50 items: both yes 20, both no 15, only the first yes 5, only the second 10: observed 0.7, by chance 0.5
    first = {**dict.fromkeys(range(25), "yes"), **dict.fromkeys(range(25, 50), "no")}
    second = {**dict.fromkeys(range(20), "yes"), **dict.fromkeys(range(20, 25), "no")}
    second |= {**dict.fromkeys(range(25, 35), "yes"), **dict.fromkeys(range(35, 50), "no")}
    found = agreement(first, {**second, 99: "yes"})
    assert (found.count, found.observed, found.kappa, found.only_one) == (50, 0.7, pytest.approx(0.4), 1)
    assert found.table() == [["", "no", "yes"], ["no", 15, 10], ["yes", 5, 20]]


def test_nothing_to_agree_on():
    assert math.isnan(agreement({}, {1: "yes"}).kappa)
    assert math.isnan(agreement({1: "yes"}, {1: "yes"}).kappa)


def test_wilson_interval():
    low, high = Rate(8, 10).interval
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert Rate(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 5).interval[0] == 0


def test_disparity():
    worst, best = disparity([*[("pl", True)] * 2, *[("pl", False)] * 3, *[("en", True)] * 4, ("en", False)])
    assert (worst.value, worst.rate.value, worst.ratio) == ("pl", 0.4, 0.5)
    assert (best.value, best.ratio) == ("en", 1.0)
    assert math.isnan(disparity([("a", False)])[0].ratio)
    assert disparity([]) == []


def test_precision_recall_and_f1():
    bad, good = against_golden(["good", "good", "bad", "bad"], ["good", "bad", "bad", "good"])
    assert (bad.label, bad.precision, bad.recall, bad.f1, bad.support) == ("bad", 0.5, 0.5, 0.5, 2)
    assert good.label == "good"
    only_found, only_there = against_golden(["a"], ["b"])
    assert (only_found.precision, math.isnan(only_found.recall), only_there.recall) == (0, True, 0)


def evaluation(*failed):
    return Evaluation([Result(span, Score(name, score)) for span, name, score in failed])


def test_the_span_at_fault_stands_below_those_that_pass_its_work_on():
    root = record(1, kind="chain")
    retriever = record(2, kind="retriever", parent_id=root.span_id)
    model = record(3, parent_id=root.span_id)
    tool = record(4, kind="tool", parent_id=root.span_id)
    judged = evaluation(
        (root, "correct", 0.0), (retriever, "relevant", 0.0), (model, "correct", 0.4), (tool, "schema", 1.0)
    )
    found = suspects([root, retriever, model, tool], judged)
    assert [(suspect.record.kind, suspect.suspicion) for suspect in found] == [
        ("retriever", 1.0),
        ("llm", 0.6),
        ("chain", 0.5),
    ]
    assert found[2].reason == "correct: 0.0 (something below it failed too)"
    assert found[0].failed == (Score("relevant", 0.0),)


def test_an_error_weighs_more_than_a_verdict():
    broken = record(5, kind="tool", outcome="error", error={"type": "KeyError", "message": "x", "frames": []})
    found = suspects([record(4), broken], evaluation((record(4), "correct", 0.0)))
    assert [(suspect.record.kind, suspect.reason) for suspect in found] == [
        ("tool", "raised KeyError"),
        ("llm", "correct: 0.0"),
    ]
    assert suspects([record(6, outcome="error")], Evaluation())[0].reason == "ended with an error"


def test_perplexity():
    tokens = [{"token": "a", "logprob": math.log(0.5), "top_logprobs": [{"token": "a", "logprob": -9}]}]
    tokens.append({"token": "b", "logprob": math.log(0.125)})
    assert Perplexity().evaluate(record(response={"logprobs": {"content": tokens}})).score == pytest.approx(4)
    assert Perplexity().evaluate(chat("q", "a")).error.startswith("no log probabilities")
    assert Perplexity().identity == "perplexity"
