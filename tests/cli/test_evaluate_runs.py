"""`callspan evaluate` to its end: golden answers, bad servers, budgets, kills, and where verdicts go."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from callspan.cli import main
from callspan.reading import LoadReport, conversations, load
from callspan.reading.feedback import join
from callspan.reading.files import files_of
from callspan.reading.rows import load_rows
from judge_server import said as answered
from judge_server import serve, verdict
from judged_files import call, chats, said, search
from programs import environment
from receiver import Receiver
from span_files import write

pytest.importorskip("openai")
pytest.importorskip("rapidfuzz")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CALLSPAN_EXPORTERS", "CALLSPAN_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def evaluate(path, *more):
    return main(["evaluate", str(path), "--processes", "1", *map(str, more)])


def told_by(capsys):
    return json.loads(capsys.readouterr().out)


def verdicts(path):
    """Return what is said of each span: name, score and label, each once."""
    rows = list(load_rows(files_of(path), LoadReport()))
    return sorted(
        (one.parent_id and int(one.parent_id, 16), one.name, one.score, one.label) for one in join(rows).given
    )


def attributes_of(path):
    (line, *_) = path.read_text("utf-8").splitlines()
    (span,) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return span, {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_functions_against_golden_answers(tmp_path, capsys):
    path = write(tmp_path / "traces.jsonl", [call(1, "Capital of France?", "paris"), call(2, "Of Italy?", "Milan")])
    (tmp_path / "golden.csv").write_text("question,expected\nCapital of France?,Paris\nOf Italy?,Rome\n")

    assert evaluate(path, "--with", "exact_match,rouge_l", "--expected", tmp_path / "golden.csv") == 0

    printed = capsys.readouterr()
    assert "exact_match       2   50%  9% to 91%  0.50" in printed.out
    assert f"4 verdicts recorded in {tmp_path}/traces.evaluations.jsonl" in printed.err
    assert verdicts(tmp_path / "traces.evaluations.jsonl") == [
        (1, "exact_match", 1.0, "match"),
        (1, "rouge_l", 1.0, None),
        (2, "exact_match", 0.0, "differs"),
        (2, "rouge_l", 0.0, None),
    ]


def test_a_verdict_is_linked_to_its_span_by_the_names_of_the_conventions(tmp_path):
    path = write(tmp_path / "traces.jsonl", [call(7, "q", "Paris")])
    assert evaluate(path, "--with", "matches:^P") == 0
    span, attributes = attributes_of(tmp_path / "traces.evaluations.jsonl")
    assert (span["traceId"], span["parentSpanId"]) == (f"{7:032x}", f"{7:016x}")
    assert attributes["gen_ai.evaluation.name"] == "matches"
    assert (attributes["gen_ai.evaluation.score.value"], attributes["gen_ai.evaluation.score.label"]) == (1.0, "match")


def test_the_verdicts_are_in_the_report_of_the_folder(tmp_path, capsys):
    pytest.importorskip("duckdb")
    folder = tmp_path / "traces"
    folder.mkdir()
    write(folder / "spans.jsonl", [call(1, "q", "Paris"), call(2, "q", "Rome")])
    assert evaluate(folder, "--with", "matches:^P") == 0
    capsys.readouterr()
    assert main(["report", str(folder), "--processes", "1", "--json"]) == 0
    (row,) = told_by(capsys)["feedback"]
    assert (row["key"], row["count"], row["mean"], row["labels"]) == ("matches", 2, 0.5, {"match": 1, "no match": 1})


def test_the_same_verdict_again_is_left_alone_and_another_replaces_it(tmp_path, capsys):
    path = chats(tmp_path / "traces.jsonl", 3)
    out = tmp_path / "traces.evaluations.jsonl"
    for pattern, lines in (("1", 3), ("1", 3), ("2", 5)):
        assert evaluate(path, "--with", f"matches:{pattern}") == 0
        assert len(out.read_text().splitlines()) == lines
    assert "2 verdicts recorded, 1 were there already" in capsys.readouterr().err
    assert [(about, score) for about, _, score, _ in verdicts(out)] == [(1, 0.0), (2, 1.0), (3, 0.0)]


def test_retrieval(tmp_path, capsys):
    path = write(tmp_path / "traces.jsonl", [search(1, "socks", "b", "a"), search(2, "shoes", "x"), call(3, "q", "a")])
    golden = tmp_path / "golden.jsonl"
    golden.write_text('{"question": "socks", "relevant": {"a": 3, "b": 1}}\n{"question": "shoes", "relevant": ["y"]}\n')

    assert evaluate(path, "--with", "ndcg,recall,mrr,precision,hit_rate", "--k", 2, "--expected", golden, "--json") == 0

    told = {(one["span_id"][-1], one["name"]): one["score"] for one in told_by(capsys)["verdicts"]}
    assert told.pop(("1", "ndcg@2")) == pytest.approx(0.7967, abs=1e-4)
    assert told == {
        ("1", "recall@2"): 1.0,
        ("1", "mrr@2"): 1.0,
        ("1", "precision@2"): 1.0,
        ("1", "hit_rate@2"): 1.0,
        ("2", "ndcg@2"): 0.0,
        ("2", "recall@2"): 0.0,
        ("2", "mrr@2"): 0.0,
        ("2", "precision@2"): 0.0,
        ("2", "hit_rate@2"): 0.0,
    }


def test_a_schema(tmp_path, capsys):
    path = write(tmp_path / "traces.jsonl", [call(1, "q", '{"age": 3}'), call(2, "q", '{"age": "three"}')])
    (tmp_path / "schema.json").write_text('{"properties": {"age": {"type": "integer"}}}')
    assert evaluate(path, "--with", f"schema:{tmp_path / 'schema.json'}", "--json") == 0
    assert [one["label"] for one in told_by(capsys)["verdicts"]] == ["valid", "invalid"]


def test_functions_of_the_user(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_checks_1.py").write_text(
        "def is_short(record):\n    return len(str(record.output_messages)) < 99\n"
    )
    path = write(tmp_path / "traces.jsonl", [call(1, "q", "yes"), call(2, "q", "yes" * 99)])
    assert evaluate(path, "--with", "own_checks_1:is_short", "--json") == 0
    assert [one["score"] for one in told_by(capsys)["verdicts"]] == [1.0, 0.0]


def test_a_judge_is_traced_under_a_name_of_its_own(tmp_path, capsys):
    path = chats(tmp_path / "traces.jsonl", 2)

    def answer(number, request):
        return verdict("clean" if "answer 1" in request["messages"][1]["content"] else "toxic", "I say so")

    with serve(answer) as server:
        assert evaluate(path, "--with", "toxicity", "--base-url", server.url, "--model", "judge-1") == 0

    assert "120 tokens" in capsys.readouterr().out
    assert verdicts(tmp_path / "traces.evaluations.jsonl") == [
        (1, "toxicity", 1.0, "clean"),
        (2, "toxicity", 0.0, "toxic"),
    ]
    (first, *_) = load(tmp_path / "traces.evaluations.jsonl")
    assert (first.feedback.annotator, first.feedback.comment) == ("llm", "I say so")
    judged = list(load(tmp_path / "judges" / "traces.jsonl"))
    assert {one.resource["service.name"] for one in judged} == {"callspan-evaluate"}
    assert Counter((one.kind, one.name) for one in judged) == {
        ("evaluator", "judge toxicity"): 2,
        ("llm", "chat judge-1"): 2,
    }
    above = {one.span_id: one for one in judged if one.kind == "evaluator"}
    for one in judged:
        if one.kind == "llm":
            assert (one.usage.input_tokens, one.prompts[0].name) == (50, "judge.toxicity")
            assert (
                above[one.parent_id].metadata["judged_trace_id"]
                == f"{int(above[one.parent_id].metadata['judged_span_id'], 16):032x}"
            )


def test_judges_are_not_sent_the_secrets_of_other_tools(tmp_path, capsys):
    key = "sk-proj-" + "Ab1" * 16
    path = write(tmp_path / "traces.jsonl", [call(1, f"Is {key} good?", f"No, {key} is not."), search(2, key, "d")])
    with serve(lambda *_: verdict("relevant")) as server:
        assert evaluate(path, "--with", "answer_relevance,document_relevance", "--base-url", server.url) == 0
    asked = sorted(request["messages"][1]["content"] for request in server.requests)
    assert "<question>\nIs [redacted] good?\n</question>\n\n<answer>\nNo, [redacted] is not.\n</answer>" in asked[0]
    assert "<question>\n[redacted]\n</question>" in asked[1]
    assert key not in capsys.readouterr().out


def test_embedders_are_not_sent_the_secrets_of_other_tools(tmp_path, monkeypatch):
    key = "sk-proj-" + "Ab1" * 16
    path = write(tmp_path / "traces.jsonl", [call(1, "Which key?", f"{key} it is.")])
    golden = tmp_path / "golden.jsonl"
    golden.write_text(json.dumps({"question": "Which key?", "expected": key}) + "\n")
    (tmp_path / "shown.py").write_text(
        "def embed(texts):\n    open('shown.txt', 'a').write('|'.join(texts))\n    return [[1.0, 0.5] for _ in texts]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert evaluate(path, "--with", "similarity:shown:embed", "--expected", golden) == 0
    shown = (tmp_path / "shown.txt").read_text()
    assert "[redacted] it is." in shown
    assert key not in shown


@pytest.mark.slow
def test_a_bad_server_every_record_ends_once_within_the_budget(tmp_path, capsys):
    """10 % of the requests fail, 10 % are asked to wait, 10 % break off, 12 of 100 answers are nonsense."""
    path = chats(tmp_path / "traces.jsonl", 100)

    def answer(number, request):
        if number % 10 == 3:
            return 500, {}, {"error": {"message": "oops"}}
        if number % 10 == 5:
            return 429, {"Retry-After": "0.01"}, {"error": {"message": "slow down"}}
        if number % 10 == 7:
            return None
        return answered("it is fine") if "answer 7" in request["messages"][1]["content"] else verdict("clean")

    with serve(answer) as server:
        code = evaluate(
            path, "--with", "toxicity", "--base-url", server.url, "--attempts", 6, "--json", "--max-tokens", 10**6
        )
        told = told_by(capsys)
        paid = len(server.requests)
    assert code == 1
    assert sorted(int(one["span_id"], 16) for one in told["verdicts"]) == [*range(1, 101)]
    (told_of,) = told["scores"]
    assert told_of["labels"] == {"clean": 89}
    assert told_of["reasons"] == {"the judge's answer is no JSON object: 'it is fine'": 11}
    assert all((one["score"] is None) == (one["error"] is not None) for one in told["verdicts"])
    assert told["input_tokens"] + told["output_tokens"] <= 10**6
    assert len(verdicts(tmp_path / "traces.evaluations.jsonl")) == 89
    # What was no verdict was paid for, too: it is asked for once more, and nothing else is.
    with serve(lambda number, request: verdict("clean")) as server:
        assert evaluate(path, "--with", "toxicity", "--base-url", server.url) == 0
        assert len(server.requests) == 11
    assert [about for about, *_ in verdicts(tmp_path / "traces.evaluations.jsonl")] == [*range(1, 101)]
    assert paid > 100
    failed = Counter(one.outcome for one in load(tmp_path / "judges") if one.kind == "evaluator")
    assert failed["error"] >= 11


def test_the_budget_is_never_exceeded(tmp_path, capsys):
    path = chats(tmp_path / "traces.jsonl", 100)
    with serve(lambda number, request: verdict("clean")) as server:
        code = evaluate(path, "--with", "toxicity", "--base-url", server.url, "--max-tokens", 5_000, "--json")
    told = told_by(capsys)
    used = 60 * len(server.requests)
    assert code == 1
    assert used == told["input_tokens"] + told["output_tokens"] <= 5_000
    labels = Counter(one["label"] or one["error"] for one in told["verdicts"])
    assert labels == {"clean": len(server.requests), "the budget is used up": 100 - len(server.requests)}
    assert 40 <= len(server.requests) < 84  # of 60 tokens each


def test_a_budget_of_money(tmp_path, capsys):
    path = chats(tmp_path / "traces.jsonl", 100)
    prices = ("--input-price", 10, "--output-price", 20)
    with serve(lambda number, request: verdict("clean")) as server:
        evaluate(path, "--with", "toxicity", "--base-url", server.url, "--max-cost", 0.05, "--json", *prices)
    told = told_by(capsys)
    assert told["cost"] == pytest.approx(len(server.requests) * 700 / 1e6)
    assert 1 <= len(server.requests) < 72  # of 0.0007 each
    assert told["cost"] <= 0.05


@pytest.mark.slow
def test_killed_and_resumed_loses_nothing_and_pays_nothing_twice(tmp_path):
    path = chats(tmp_path / "traces.jsonl", 40)
    answers = 0

    def answer(number, request):
        nonlocal answers
        time.sleep(0.02)
        answers += 1
        return verdict("clean")

    with serve(answer) as server:
        command = [sys.executable, "-m", "callspan", "evaluate", path, "--with", "toxicity", "--concurrency", "2"]
        command += ["--base-url", server.url, "--json"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE)
        while answers < 15:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = len(server.requests)
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False, timeout=60)
        after = len(server.requests) - before
    assert (process.returncode, done.returncode) == (-signal.SIGKILL, 0), done.stderr
    told = json.loads(done.stdout)
    assert sorted(int(one["span_id"], 16) for one in told["verdicts"]) == [*range(1, 41)]
    known = sum(one["cached"] for one in told["verdicts"])
    assert known >= 12  # all but those under way
    assert after == 40 - known
    assert before + after <= 40 + 2
    rows = list(load_rows(files_of(tmp_path / "traces.evaluations.jsonl"), LoadReport()))
    assert [about for about, *_ in verdicts(tmp_path / "traces.evaluations.jsonl")] == [*range(1, 41)]
    assert join(rows).repeated == 0


def test_agreement_with_people(tmp_path, capsys):
    people = [said(number, "helpful", score) for number, score in ((1, 1), (2, 0), (3, 0), (4, 1))]
    path = chats(tmp_path / "traces.jsonl", 5, people)
    assert evaluate(path, "--with", "matches:answer [134]") == 0
    out = capsys.readouterr().out
    assert "matches (rows) and people's helpful: 75% agree, kappa 0.50" in out
    assert [line.split() for line in out.splitlines()[-3:]] == [["bad", "good"], ["bad", "1", "0"], ["good", "1", "2"]]


def test_people_who_use_the_labels_of_the_judge_are_compared_by_them(tmp_path, capsys):
    people = [said(number, "tone", None, label) for number, label in ((1, "clean"), (2, "toxic"), (3, "toxic"))]
    path = chats(tmp_path / "traces.jsonl", 3, people)

    def answer(number, request):
        return verdict("toxic" if "answer 2" in request["messages"][1]["content"] else "clean")

    with serve(answer) as server:
        assert evaluate(path, "--with", "toxicity", "--base-url", server.url, "--json") == 0
    (found,) = told_by(capsys)["agreement"]
    assert found["table"] == [["", "clean", "toxic"], ["clean", 1, 1], ["toxic", 0, 1]]


def test_blame_needs_one_trace(tmp_path, capsys):
    path = chats(tmp_path / "traces.jsonl", 2)
    for beginning, problem in (("0000", "2 traces begin like that"), ("ff", "no traces begin like that")):
        assert evaluate(path, "--with", "matches:x", "--blame", beginning) == 1
        assert f"--blame {beginning}: {problem}" in capsys.readouterr().err
    assert evaluate(path, "--with", "matches:x", "--blame", f"{2:032x}") == 0
    assert "1. llm chat  matches: no match" in capsys.readouterr().out


def test_a_judge_is_not_to_blame_for_calls_without_a_right_answer(tmp_path, capsys):
    path = write(tmp_path / "traces.jsonl", [call(1, "Capital of France?", "paris"), call(2, "Of Italy?", "Milan")])
    golden = tmp_path / "golden.csv"
    golden.write_text("question,expected\nCapital of France?,Paris\n")
    with serve(lambda number, request: verdict("correct")) as server:
        command = ("--with", "correctness", "--base-url", server.url, "--expected", golden, "--json", "--dry-run")
        assert evaluate(path, *command) == 0
        golden.write_text("question,expected\nOf Spain?,Madrid\n")
        assert evaluate(path, *command) == 1
    first, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["scores"][0]["reasons"] == {"no expected answer for this record": 1}


def test_a_rubric_of_the_users_own_over_conversations(tmp_path, capsys):
    talk = [call(n, f"question {n}", f"answer {n}", conversation_id="c-1", step=n) for n in (1, 2)]
    path = write(tmp_path / "traces.jsonl", [*talk, call(3, "alone", "alone")])
    rubric = tmp_path / "patience.prompt"
    rubric.write_text("---\nlabels: patient=1, curt=0\nlevel: conversation\n---\nHow patient?\n{dialogue}")

    with serve(lambda number, request: verdict("curt")) as server:
        assert evaluate(path, "--with", f"rubric:{rubric}", "--base-url", server.url) == 0

    (request,) = server.requests
    assert request["messages"][1]["content"] == (
        "How patient?\nuser: question 1\nassistant: answer 1\nuser: question 2\nassistant: answer 2"
    )
    everything = tmp_path / "*.jsonl"
    (conversation,) = conversations(everything)
    (one,) = conversation.feedback
    assert (one.name, one.score, one.label) == ("patience", 0.0, "curt")
    assert evaluate(path, "--with", f"rubric:{rubric}", "--base-url", "http://127.0.0.1:9/v1") == 0  # it is known


def test_which_calls(tmp_path, capsys):
    pytest.importorskip("duckdb")
    root = call(1, "q", "x", kind="chain")
    below = call(2, "q", "x", trace_id=1, parent_id=1)
    other = call(3, "q", "x", request={"model": "gpt-5"})
    path = write(tmp_path / "traces.jsonl", [root, below, other, search(4, "q", "a")])

    def chosen(*more):
        assert evaluate(path, "--with", "matches:x", "--json", "--output", tmp_path / "o.jsonl", *more) == 0
        return [int(one["span_id"], 16) for one in told_by(capsys)["verdicts"]]

    assert chosen() == [2, 3]
    assert chosen("--answered-by", "gpt-5") == [3]
    assert chosen("--where", "parent_id is null") == [3]
    assert chosen("--roots") == [1, 3, 4]
    assert chosen("--kind", "retriever") == [4]
    assert not (tmp_path / "traces.evaluations.jsonl").exists()


def test_through_an_exporter(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = chats(tmp_path / "traces.jsonl", 2)
    with serve(lambda number, request: verdict("clean")) as server:
        assert evaluate(path, "--with", "toxicity", "--base-url", server.url, "--exporter", "file") == 0
    sent = list(load(tmp_path / ".callspan" / "spans.jsonl"))
    assert Counter(one.kind if one.feedback is None else "verdict" for one in sent) == {
        "llm": 2,
        "evaluator": 2,
        "verdict": 2,
    }
    assert not (tmp_path / "traces.evaluations.jsonl").exists()


def test_to_a_backend_over_otlp(tmp_path, monkeypatch):
    path = chats(tmp_path / "traces.jsonl", 3)
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        assert evaluate(path, "--with", "matches:answer [12]", "--exporter", "otlp") == 0
        spans = [
            span
            for request in receiver.requests
            for resource in request.decoded().resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    about = {
        int.from_bytes(span.parent_span_id, "big"): {one.key: one.value for one in span.attributes} for span in spans
    }
    scores = {number: told["gen_ai.evaluation.score.value"].double_value for number, told in about.items()}
    assert scores == {1: 1.0, 2: 1.0, 3: 0.0}
    assert {told["gen_ai.evaluation.name"].string_value for told in about.values()} == {"matches"}
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_judges_did_is_not_judged(tmp_path, capsys):
    path = chats(tmp_path / "traces.jsonl", 1)
    with serve(lambda number, request: verdict("clean")) as server:
        assert evaluate(path, "--with", "toxicity", "--base-url", server.url) == 0
    assert evaluate(tmp_path / "judges" / "traces.jsonl", "--with", "matches:x") == 1
    assert "nothing to judge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--with", "ndcg"], "--with ndcg needs relevant documents: --expected FILE, with a column `relevant`"),
        (["--with", "exact_match", "--expected", "nothing.csv"], "nothing.csv: No such file or directory"),
        (["--with", "rubric:nothing.prompt"], "nothing.prompt: No such file or directory"),
        (["--with", "toxicity"], "api_key"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(tmp_path, capsys, more, problem):
    path = chats(tmp_path / "traces.jsonl", 1)
    assert evaluate(path, *more) == 1
    assert problem in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("more", [["--k", "0"], ["--per-minute", "-1"], ["--option", "x"], ["--timeout", "soon"]])
def test_wrong_arguments(tmp_path, more):
    assert evaluate(chats(tmp_path / "traces.jsonl", 1), "--with", "matches:x", *more) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("---\nlabels: a=1\n---\n{answer}", "write two labels or more"),
        ("---\nlabels: a=1, b=x\n---\n{answer}", "write two labels or more"),
        ("{answer}", "write two labels or more"),
        ("---\nlabels: a=1, b=0\n---\nHello.", "nothing of a record is in it"),
        ("---\nlabels: a=1, b=0\n---\n{price}", "{price} is not known"),
        ("---\nlabels: a=1, b=0\nlevel: word\n---\n{answer}", "level is 'word'"),
        ("---\nlabels: a=1, b=0\n---\n[user]\n{answer}", "a rubric is one text"),
    ],
)
def test_rubrics_that_cannot_be_read(tmp_path, capsys, text, problem):
    rubric = tmp_path / "own.prompt"
    rubric.write_text(text)
    path = chats(tmp_path / "traces.jsonl", 1)
    assert evaluate(path, "--with", f"rubric:{rubric}", "--base-url", "http://127.0.0.1:9/v1") == 1
    assert problem in capsys.readouterr().err


def test_nothing_heavy_is_imported_for_the_help():
    code = (
        "import sys; before = {*sys.modules}; from callspan.cli import main; main(['evaluate', '--help']);"
        "sys.stderr.write(str([name for name in sys.modules if name not in before]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60, text=True)
    assert "callspan evaluate traces.jsonl --with toxicity" in done.stdout
    for name in ("pydantic", "openai", "duckdb", "sqlite3", "rapidfuzz"):
        assert f"'{name}'" not in done.stderr
