"""The quickstart, run as a newcomer runs it: a new folder, no key, nothing set."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import callspan
import openai_server

pytest.importorskip("openai", reason="the quickstart needs the openai client")

SCRIPT = Path(openai_server.__file__).with_name("quickstart.py")
DOCS = SCRIPT.parents[1] / "docs"
SRC = Path(callspan.__file__).parents[1]


def run(folder, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CALLSPAN_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(SRC), "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def plain(attribute):
    (value,) = attribute["value"].values()
    return value


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quickstart")


@pytest.fixture(scope="module")
def done(folder):
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def spans(done, folder):
    """Every span of the file, with its attributes as a dictionary."""
    lines = (folder / ".callspan" / "spans.jsonl").read_text(encoding="utf-8").splitlines()
    resources = [resource for line in lines for resource in json.loads(line)["resourceSpans"]]
    found = [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]
    for span in found:
        span["attributes"] = {pair["key"]: plain(pair) for pair in span["attributes"]}
    return found


def of_kind(spans, kind):
    return [span for span in spans if span["attributes"]["openinference.span.kind"] == kind]


def test_prints_both_answers_and_the_tree(done):
    words = len((DOCS / "privacy.md").read_text(encoding="utf-8").split())
    lines = done.stdout.splitlines()
    assert lines[0] == "> How many words does the page privacy.md have?"
    assert lines[1] == f"The tool answered: privacy.md has {words} words."
    assert lines[3] == "> What is written instead of credentials?"
    assert re.search(r"`\[redacted\]`|does not reach the file", lines[4])
    shown = "\n".join(lines[5:])
    for name in ("Assistant.answer", "Assistant.find", "count_words", "Assistant.answer_in_pieces", "demo-1"):
        assert name in shown
    assert "gpt-4o-mini" in shown


def test_says_nothing_else(done):
    assert done.stderr.count("\n") <= 1  # where the file is


def test_every_step_is_a_span(spans):
    assert Counter(span["attributes"]["openinference.span.kind"] for span in spans) == {
        "EMBEDDING": 3,  # the documentation and both questions
        "AGENT": 2,
        "RETRIEVER": 2,
        "LLM": 3,  # before the tool, after it, and the streamed one
        "TOOL": 1,
    }
    assert {span["attributes"]["callspan.outcome"] for span in spans} == {"ok"}


def test_spans_nest_as_the_calls_did(spans):
    by_id = {span["spanId"]: span for span in spans}
    parents = Counter(
        (
            span["attributes"]["openinference.span.kind"],
            by_id[span["parentSpanId"]]["attributes"]["openinference.span.kind"] if span.get("parentSpanId") else None,
        )
        for span in spans
    )
    assert parents == {
        ("EMBEDDING", None): 1,
        ("AGENT", None): 2,
        ("RETRIEVER", "AGENT"): 2,
        ("EMBEDDING", "RETRIEVER"): 2,
        ("LLM", "AGENT"): 3,
        ("TOOL", "AGENT"): 1,
    }
    assert len({span["traceId"] for span in spans}) == 3


def test_turns_are_numbered(spans):
    turns = sorted(of_kind(spans, "AGENT"), key=lambda span: int(span["startTimeUnixNano"]))
    assert [int(turn["attributes"]["callspan.conversation.step"]) for turn in turns] == [1, 2]
    for turn in turns:
        below = [span["attributes"] for span in spans if span["traceId"] == turn["traceId"]]
        assert {attributes["gen_ai.conversation.id"] for attributes in below} == {"demo-1"}
        assert {attributes["user.id"] for attributes in below} == {"reader"}
        assert len({attributes["callspan.conversation.step"] for attributes in below}) == 1


def test_model_calls_carry_prompt_and_usage(spans):
    for call in of_kind(spans, "LLM"):
        attributes = call["attributes"]
        assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
        assert attributes["gen_ai.prompt.name"] == "ask-the-docs"
        assert "Question: {question}" in attributes["llm.prompt_template.template"]
        assert attributes["gen_ai.prompt.variable.question"].endswith("?")
        assert int(attributes["gen_ai.usage.input_tokens"]) > 100
        assert int(attributes["gen_ai.usage.output_tokens"]) > 5


def test_the_streamed_answer_was_counted(spans):
    (streamed,) = [
        span["attributes"] for span in of_kind(spans, "LLM") if span["attributes"].get("gen_ai.request.stream")
    ]
    assert int(streamed["callspan.stream.chunks"]) > 5
    assert 0 < float(streamed["gen_ai.response.time_to_first_chunk"]) < 10


def test_documents_have_scores(spans):
    for retrieval in of_kind(spans, "RETRIEVER"):
        scores = [retrieval["attributes"][f"retrieval.documents.{index}.document.score"] for index in range(3)]
        assert sorted(scores, reverse=True) == scores
        assert scores[0] > 0


def test_uses_the_server_that_the_environment_names(tmp_path):
    with openai_server.serve() as base_url:
        environment = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-canary", "CHAT_MODEL": "other-model"}
        done = run(tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert "other-model" in done.stdout
    written = (tmp_path / ".callspan" / "spans.jsonl").read_text(encoding="utf-8")
    port = base_url.removesuffix("/v1").rpartition(":")[2]
    assert port in written
    assert "sk-canary" not in written
