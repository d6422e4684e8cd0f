import json

import pytest

from callspan.evaluation.judges import Judge
from callspan.evaluation.rubrics import CORRECTNESS, HALLUCINATION, RUBRICS, TOXICITY
from callspan.evaluation.subjects import Subject
from judge_server import said, serve, verdict
from judged_records import chat, record

openai = pytest.importorskip("openai")


def client_of(server, kind=None):
    return (kind or openai.OpenAI)(base_url=server.url, api_key="k", max_retries=0)


async def test_a_verdict():
    with serve(lambda number, request: verdict("Incorrect", "It is Paris.")) as server:
        judge = Judge(CORRECTNESS, client_of(server), "judge-1", expected="Paris", options={"temperature": 0})
        score = await judge.evaluate(chat("Capital of France?", "Rome"))
    assert (score.name, score.score, score.label, score.explanation) == (
        "correctness",
        0.0,
        "incorrect",
        "It is Paris.",
    )
    assert (score.by, score.input_tokens, score.output_tokens, score.error) == ("llm", 50, 10, None)
    (request,) = server.requests
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("judge-1", 0, 512)
    asked = request["messages"][1]["content"]
    assert "<question>\nCapital of France?\n</question>" in asked
    assert "<expected>\nParis\n</expected>" in asked
    schema = request["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["explanation", "label"]  # reasons first
    assert schema["properties"]["label"]["enum"] == ["correct", "partly correct", "incorrect"]


async def test_an_asynchronous_client_and_a_server_without_structured_output():
    with serve(lambda number, request: said('Well: {"label": "toxic"} I think')) as server:
        async with client_of(server, openai.AsyncOpenAI) as client:
            score = await Judge(TOXICITY, client, structured=False).evaluate(chat("q", "You fool"))
    assert (score.score, score.label, score.explanation) == (0.0, "toxic", "")
    assert "response_format" not in server.requests[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("I would say it is fine.", "the judge's answer is no JSON object: 'I would say it is fine.'"),
        ("{broken", "the judge's answer is no JSON object: '{broken'"),
        ('{"label": }', "the judge's answer is no JSON object: '{\"label\": }'"),
        ("[1]", "the judge's answer is no JSON object: '[1]'"),
        ('{"label": "meh"}', "the judge gave the label 'meh', not one of clean, toxic"),
        ('{"score": 1}', "the judge gave the label None, not one of clean, toxic"),
    ],
)
async def test_nonsense_is_an_error_and_never_a_score(text, error):
    with serve(lambda number, request: said(text)) as server:
        score = await Judge(TOXICITY, client_of(server)).evaluate(chat("q", "a"))
    assert (score.score, score.label, score.error) == (None, None, error)
    assert score.input_tokens == 50  # it was paid for all the same


def test_an_answer_without_choices():
    assert Judge(TOXICITY, None).read(object()).error == "the judge's answer has no message"


async def test_what_a_record_lacks_is_not_asked_for():
    judge = Judge(HALLUCINATION, client=None)
    assert (await judge.evaluate(chat("q", "a"))).error == "the record has no context"
    assert (await Judge(CORRECTNESS, None).evaluate(record())).error == (
        "the record has no question and no expected and no answer"
    )
    assert judge.bound_tokens(chat("q", "a")) == 0


def test_the_bound_is_above_what_any_tokenizer_may_count():
    judge = Judge(TOXICITY, None, max_tokens=100)
    asked = judge.request(Subject(chat("q", "ä" * 1_000)))
    assert judge.bound_tokens(chat("q", "ä" * 1_000)) >= len(json.dumps(asked).encode()) + 100


def test_the_identity_changes_with_what_may_change_the_verdict():
    judges = [
        Judge(TOXICITY, None),
        Judge(TOXICITY, None, "other"),
        Judge(HALLUCINATION, None),
        Judge(TOXICITY, None, options={"temperature": 1}),
        Judge(TOXICITY, None, max_tokens=1),
    ]
    assert len({judge.identity for judge in judges}) == len(judges)
    assert Judge(TOXICITY, object()).identity == Judge(TOXICITY, object()).identity


def test_the_rubrics():
    assert set(RUBRICS) == {
        "hallucination",
        "correctness",
        "answer_relevance",
        "document_relevance",
        "toxicity",
        "summarisation",
        "extraction",
        "conversation_helpfulness",
    }
    assert RUBRICS["conversation_helpfulness"].level == "conversation"
    for rubric in RUBRICS.values():
        assert set(rubric.template.variable_names) <= {"question", "answer", "context", "expected", "dialogue"}
        assert {max(rubric.labels.values()), min(rubric.labels.values())} == {1.0, 0.0}
