import pytest

from callspan.evaluation.scores import Score
from callspan.evaluation.texts import (
    EmbeddingSimilarity,
    ExactMatch,
    FuzzyMatch,
    Matches,
    MatchesSchema,
    Rouge,
)
from judged_records import chat, record

pytest.importorskip("rapidfuzz")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_exact_match():
    asked = chat("Capital of France?", " paris ")
    assert ExactMatch("Paris").evaluate(asked).score == 1
    assert ExactMatch("Paris", ignore_case=False).evaluate(asked).label == "differs"
    assert ExactMatch({"Capital of Spain?": "Madrid"}).evaluate(asked).error == "no expected answer for this record"


def test_fuzzy_match():
    asked = chat("q", "The capital is Paris")
    assert FuzzyMatch("the capital: paris").evaluate(asked).score == 1
    assert FuzzyMatch("Paris is the capital", by="characters").evaluate(asked).label == "differs"
    assert FuzzyMatch("Rome").evaluate(asked).label == "differs"


def test_what_is_nothing_but_signs_is_like_itself():
    assert FuzzyMatch().compare("👍 ", "👍") == Score("fuzzy_match", 1.0, "match")
    assert FuzzyMatch().compare("👍", "👎") == Score("fuzzy_match", 0.0, "differs")


@pytest.mark.parametrize(
    ("variant", "score"),
    [
        ("1", 2 * 5 / 12),  # the cat on the mat are common to six and six words
        ("2", 2 * 3 / 10),  # "the cat", "on the", "the mat" of five and five
        ("L", 2 * 5 / 12),  # the cat … on the mat
    ],
)
def test_rouge(variant, score):
    found = Rouge("the cat sat on the mat", variant=variant).evaluate(chat("q", "The cat lay on the mat."))
    assert found.score == pytest.approx(score)
    assert found.name == f"rouge_{variant.lower()}"


def test_rouge_with_nothing_in_common():
    assert Rouge("a b", variant="2").evaluate(chat("q", "c")).score == 0


def test_embedding_similarity():
    vectors = {"left": [1.0, 0.0], "up": [1.0, 1.0], "nothing": [0.0, 0.0]}
    evaluator = EmbeddingSimilarity("left", embed=lambda texts: [vectors[text] for text in texts])
    assert evaluator.evaluate(chat("q", "up")).score == pytest.approx(0.70710678)
    assert evaluator.evaluate(chat("q", "up")).label == "differs"
    assert evaluator.evaluate(chat("q", "left")).label == "match"
    assert evaluator.evaluate(chat("q", "nothing")).score == 0
    assert EmbeddingSimilarity("left").evaluate(chat("q", "up")).error == "no embed function was given"


def test_patterns():
    asked = chat("q", "Order 1234 is on its way")
    assert Matches(r"\d{4}").evaluate(asked).score == 1
    assert Matches(r"\d{4}", whole=True).evaluate(asked).label == "no match"
    assert Matches("a").identity != Matches("b").identity


def test_schema():
    evaluator = MatchesSchema(SCHEMA)
    assert evaluator.evaluate(chat("q", '{"city": "Paris"}')).label == "valid"
    assert evaluator.evaluate(record(kind="tool", output={"city": "Paris"})).label == "valid"
    wrong = evaluator.evaluate(chat("q", '{"city": 1}'))
    assert (wrong.score, wrong.label, wrong.explanation) == (0.0, "invalid", "$.city: 1 is not of type 'string'")
    assert evaluator.evaluate(chat("q", "Paris")).label == "not JSON"
    assert evaluator.identity.startswith("matches_schema:")
