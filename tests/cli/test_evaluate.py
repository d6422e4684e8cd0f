"""`callspan evaluate` against files of spans and a judge's server on loopback."""

from __future__ import annotations

import json

import pytest

from callspan.cli import main
from callspan.model.feedback import COMPONENT, Feedback
from callspan.reading import load
from judge_server import said, serve, verdict
from span_files import write
from spans import START_NS, finished, text

openai = pytest.importorskip("openai")


def call(number, question, answer, kind="llm", trace=None, **given):
    return finished(
        kind,
        given.pop("name", "chat"),
        span_id=number,
        trace_id=trace or number,
        start_ns=START_NS + number,
        input_messages=[text("user", question)],
        output_messages=[text("assistant", answer)],
        **given,
    )


def helpful(about, score):
    return finished(
        "evaluator",
        "feedback",
        component=COMPONENT,
        trace_id=about,
        parent_id=about,
        span_id=1000 + about,
        feedback=Feedback("helpful", "span", score),
    )


def judge_by(word):
    """Answer toxic where the word stands in what is judged."""

    def answer(number, request):
        asked = request["messages"][1]["content"]
        return verdict("toxic" if word in asked else "clean")

    return answer


@pytest.fixture
def spans(tmp_path):
    path = tmp_path / "spans.jsonl"
    calls = [
        call(1, "Hello?", "Hello.", metadata={"country": "pl"}),
        call(2, "Why?", "Go away, idiot.", metadata={"country": "de"}),
        call(3, "How?", "Like this.", metadata={"country": "pl"}),
    ]
    write(path, [*calls, helpful(1, 1.0), helpful(2, 0.0), helpful(3, 0.0)])
    return path


@pytest.fixture
def ask(monkeypatch):
    """Run `callspan evaluate` against a server."""

    def run(server, *arguments):
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        return main(["evaluate", *map(str, arguments)])

    return run


def test_a_judge_s_verdicts_stand_beside_the_spans_and_are_read_back(spans, ask, capsys):
    with serve(judge_by("idiot")) as server:
        assert ask(server, spans, "--with", "toxicity", "--by", "metadata.country") == 0
        out, err = capsys.readouterr()
        assert len(server.requests) == 3
        assert ask(server, spans, "--with", "toxicity") == 0
        assert len(server.requests) == 3  # known from before
    assert out.splitlines()[1].split() == ["toxicity", "3", "67%", "21%", "to", "94%", "0.67"]
    assert "toxicity by metadata.country" in out
    assert "below 0.8" in out
    assert "toxicity (rows) and people's helpful: 67% agree, kappa 0.40" in out
    assert "3 verdicts recorded in" in err
    written = spans.with_name("spans.evaluations.jsonl")
    found = {record.span_id: record for record in load(written)}
    assert len(found) == 3  # the second run's verdicts have the same IDs
    one = next(record for record in found.values() if record.parent_id == f"{2:016x}")
    assert (one.feedback.name, one.feedback.score, one.feedback.label) == ("toxicity", 0.0, "toxic")
    assert (one.feedback.annotator, one.feedback.comment, one.trace_id) == ("llm", "because", f"{2:032x}")
    assert one.resource["service.name"] == "callspan-evaluate"


def test_verdicts_reach_the_report(spans, ask, capsys):
    pytest.importorskip("duckdb")
    with serve(judge_by("idiot")) as server:
        ask(server, spans, "--with", "toxicity")
    capsys.readouterr()
    assert (
        main(["report", str(spans), str(spans.with_name("spans.evaluations.jsonl")), "--processes", "1", "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)["feedback"]
    assert {row["key"]: row["count"] for row in told} == {"helpful": 3, "toxicity": 3}


def test_nonsense_is_an_error_and_nothing_is_written_of_it(spans, ask, capsys):
    with serve(lambda number, request: said("I would rather not")) as server:
        assert ask(server, spans, "--with", "toxicity") == 1
    out, err = capsys.readouterr()
    assert "3 x the judge's answer is no JSON object" in out
    assert "no verdict to record" in err


def test_what_the_budget_does_not_allow_is_not_asked(spans, ask, capsys):
    with serve(judge_by("idiot")) as server:
        assert ask(server, spans, "--with", "toxicity", "--max-tokens", 100, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert server.requests == []
    assert [row["error"] for row in told["verdicts"]] == ["the budget is used up"] * 3


def test_blame(tmp_path, ask, capsys):
    path = tmp_path / "trace.jsonl"
    trace = 77
    root = call(1, "Tell me.", "You idiot.", "chain", trace, name="answer")
    good = call(2, "plan", "a plan", "llm", trace, name="plan", parent_id=1)
    bad = call(3, "write", "You idiot.", "llm", trace, name="write", parent_id=1)
    write(path, [root, good, bad, call(9, "other", "idiot")])
    with serve(judge_by("idiot")) as server:
        assert ask(server, path, "--with", "toxicity", "--blame", f"{trace:032x}"[:31], "--dry-run") == 0
    out = capsys.readouterr().out
    lines = out[out.index("At fault") :].splitlines()
    assert lines[1:3] == [
        "1. llm write  toxicity: toxic",
        "2. chain answer  toxicity: toxic (something below it failed too)",
    ]
    assert not (tmp_path / "trace.evaluations.jsonl").exists()


def test_functions_of_one_s_own_and_built_in(spans, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checks_of_ours.py").write_text("def is_short(record):\n    return len(record.name) < 10\n")
    (tmp_path / "right.json").write_text(json.dumps({"Hello?": "hello.", "Why?": "Because."}))
    command = ["evaluate", str(spans), "--with", "checks_of_ours:is_short", "--with", "matches:idiot"]
    assert main([*command, "--with", "exact_match", "--expected", "right.json", "--json", "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)["scores"]
    assert {row["name"]: (row["judged"], row["passed"], row["errors"]) for row in told} == {
        "is_short": (3, 3, 0),
        "matches": (3, 1, 0),
        "exact_match": (2, 1, 1),
    }


EMBEDDER = """
def embed(texts):
    with open("embedded.txt", "a") as file:
        file.writelines(f"{text}\\n" for text in texts)
    return [[1.0, 0.0] if "idiot" in text else [0.28, 0.96] for text in texts]
"""


def test_the_likeness_of_vectors_that_are_made_once(spans, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors_of_ours.py").write_text(EMBEDDER)
    (tmp_path / "right.json").write_text(json.dumps({"Hello?": "Hello.", "Why?": "Because."}))
    command = ["evaluate", str(spans), "--with", "similarity:vectors_of_ours:embed", "--expected", "right.json"]
    for _ in range(2):
        assert main([*command, "--json", "--dry-run"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["scores"]
        assert (row["name"], row["judged"], row["passed"], row["errors"]) == ("embedding_similarity", 2, 1, 1)
        assert row["mean"] == pytest.approx(0.64, abs=0.001)
    assert (tmp_path / "embedded.txt").read_text().splitlines() == ["Hello.", "Go away, idiot.", "Because."]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--with", "similarity:a:b"], "give them with --expected FILE"),
        (["--with", "kindness"], "--with kindness: there is no such evaluator; use hallucination,"),
        (["--with", "exact_match"], "give them with --expected FILE"),
        (["--with", "correctness"], "give them with --expected FILE"),
        (["--with", "nowhere:f"], "--with nowhere:f: No module named 'nowhere'"),
        (["--with", "math:pi"], "--with math:pi: an evaluator has a method `evaluate`"),
        (["--with", "matches:x", "--by", "shoes"], "--by shoes: there is no such column; use model, prompt, user"),
        (["--with", "matches:x", "--max-cost", "1"], "--max-cost needs --input-price and --output-price"),
        (["--with", "schema:none.json"], "none.json: No such file"),
        (["--with", "matches:("], "--with matches:(: that is no regular expression: missing ), unterminated"),
    ],
)
def test_what_cannot_be_meant(spans, capsys, arguments, problem):
    assert main(["evaluate", str(spans), *arguments, "--dry-run"]) == 1
    assert problem in capsys.readouterr().err


def test_judges_without_a_key(spans, monkeypatch, capsys):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["evaluate", str(spans), "--with", "toxicity"]) == 1
    assert "OPENAI_API_KEY" in capsys.readouterr().err


def test_nothing_to_judge(spans, capsys):
    assert main(["evaluate", str(spans), "--with", "matches:x", "--kind", "tool"]) == 1
    assert "there is nothing to judge; --kind" in capsys.readouterr().err


def test_secrets_in_explanations_do_not_leave(spans, ask):
    secret = "sk-proj-" + "a1B2" * 12
    with serve(lambda number, request: verdict("toxic", f"it said {secret}")) as server:
        ask(server, spans, "--with", "toxicity")
    assert secret not in spans.with_name("spans.evaluations.jsonl").read_text()
