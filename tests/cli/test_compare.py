"""`callspan compare` against a server on loopback that answers and judges."""

from __future__ import annotations

import json
import time

import pytest

from browser import browse
from callspan.cli import main
from judge_server import said, serve, verdict

openai = pytest.importorskip("openai")
pytest.importorskip("numpy")

QUESTIONS = [f"What is {number} plus {number}?" for number in range(1, 13)]


def shop(number, request):
    """Answer as `large` does (right) or as `small` does (right every third time), and judge both."""
    asked = request["messages"][-1]["content"]
    if request["model"] == "judge":
        wrong = "wrong" in asked.partition("<answer>")[2]
        return verdict("incorrect" if wrong else "correct")
    term = int(next(word for word in asked.split() if word.isdecimal()))
    is_right = request["model"] == "large" or term % 3 == 0
    return said(f"It is {2 * term}." if is_right else f"It is wrong{term}.", 20, 5)


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "inputs.jsonl"
    rows = [{"question": question, "expected": f"{2 * at}"} for at, question in enumerate(QUESTIONS, 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def compare(monkeypatch, inputs):
    def run(server, *arguments):
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        return main(["compare", str(inputs), "--model", "judge", "--with", "correctness", *map(str, arguments)])

    return run


def test_the_better_model_is_told_with_how_sure_that_is(compare, capsys):
    with serve(shop) as server:
        assert compare(server, "--model-a", "small", "--model-b", "large", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        asked = len(server.requests)
        assert compare(server, "--model-a", "small", "--model-b", "large") == 0
        assert len(server.requests) == asked  # answers and verdicts are kept
    out = capsys.readouterr().out
    (score,) = told["scores"]
    assert (score["name"], score["count"], score["better"], score["worse"]) == ("correctness", 12, 8, 0)
    assert (score["a"], score["b"], score["difference"]) == (pytest.approx(1 / 3), 1.0, pytest.approx(2 / 3))
    assert 0.3 < score["low"] < 2 / 3 < score["high"] <= 1
    assert score["p_value"] < 0.05
    assert told["rows"][0]["input"] == QUESTIONS[0]
    assert (told["rows"][0]["a"]["answer"], told["rows"][0]["b"]["answer"]) == ("It is wrong1.", "It is 2.")
    assert out.splitlines()[:2] == ["A: small", "B: large"]
    assert "+0.67" in out


def test_two_templates(compare, tmp_path, capsys):
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("Answer: {question}\n")
    new.write_text("Answer {question} with care, {tone}.\n")
    with serve(shop) as server:
        assert compare(server, "--model-a", "large", "--prompt-a", old, "--prompt-b", new) == 1
        assert "row 1 of the inputs has no tone, which B asks for" in capsys.readouterr().err
        new.write_text("Answer {question} with care.\n")
        assert compare(server, "--model-a", "large", "--prompt-a", old, "--prompt-b", new, "--json") == 0
        prompts = {request["messages"][-1]["content"] for request in server.requests if request["model"] == "large"}
    told = json.loads(capsys.readouterr().out)
    assert f"Answer: {QUESTIONS[0]}" in prompts
    assert f"Answer {QUESTIONS[0]} with care." in prompts
    assert told["sides"]["a"].startswith("large, old@")
    assert told["scores"][0]["difference"] == 0
    assert told["scores"][0]["p_value"] == 1


def test_what_is_not_answered_is_not_judged(compare, capsys):
    def answer(number, request):
        return (400, {}, {"error": {"message": "no"}}) if request["model"] == "small" else shop(number, request)

    with serve(answer) as server:
        assert compare(server, "--model-a", "small", "--model-b", "large", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["answer_errors"] == 12
    assert told["scores"][0]["count"] == 0
    assert told["rows"][0]["a"]["scores"] == {}
    assert "BadRequestError" in told["rows"][0]["a"]["error"]


def test_one_budget_for_answers_and_verdicts(compare, capsys):
    with serve(shop) as server:
        compare(server, "--model-a", "small", "--model-b", "large", "--max-tokens", 2_000, "--json")
    told = json.loads(capsys.readouterr().out)
    assert 0 < told["tokens"] <= 2_000
    assert len(server.requests) < 48


@pytest.mark.parametrize(
    ("text", "more", "problem"),
    [
        ("", ["--model-b", "large"], "is empty: give one JSON object a line"),
        ("[]", ["--model-b", "large"], "inputs.jsonl, line 1: no JSON object"),
        ('{"a": 1}', ["--model-b", "large"], "row 1 of the inputs has no question, which A asks for"),
        ('{"question": "q"}', [], "A and B are the same; give --model-b or --prompt-b"),
    ],
)
def test_what_cannot_be_meant(inputs, monkeypatch, capsys, text, more, problem):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    inputs.write_text(text)
    assert main(["compare", str(inputs), "--model-a", "small", "--with", "matches:x", *more]) == 1
    assert problem in capsys.readouterr().err


@pytest.mark.slow
def test_the_page_filters_and_exports(compare, inputs, tmp_path):
    page = tmp_path / "compare.html"
    rows = [json.loads(line) for line in inputs.read_text().splitlines()]
    rows[0]["question"] = "What is 1 plus 1? </script><img src=x onerror=alert(1)>"
    inputs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serve(shop) as server:
        compare(server, "--model-a", "small", "--model-b", "large", "--html", page)
    with browse(page, tmp_path) as browser:
        from selenium.webdriver.common.by import By

        def count():
            return browser.find_element(By.ID, "count").text

        assert count() == "12 of 12"
        assert "</script>" in browser.find_element(By.TAG_NAME, "h2").text
        browser.find_element(By.CSS_SELECTOR, "#show option[value=better]").click()
        assert count() == "8 of 12"
        browser.find_element(By.ID, "search").send_keys("What is 2 ")
        assert count() == "1 of 12"
        browser.find_element(By.ID, "export").click()
        exported, until = tmp_path / "compared.jsonl", time.monotonic() + 10
        while not exported.exists() and time.monotonic() < until:
            time.sleep(0.05)
        (row,) = [json.loads(line) for line in exported.read_text().splitlines()]
        assert row["b"]["answer"] == "It is 4."
        browser.save_screenshot(str(tmp_path / "page.png"))
