"""`callspan export`: files in, datasets and cards out."""

from __future__ import annotations

import csv
import json

import pytest

from callspan.cli import main
from callspan.datasets.selecting import Opinion
from callspan.errors import CallspanError
from callspan.model.feedback import COMPONENT, Feedback
from span_files import foreign, write, write_requests
from spans import START_NS, answered, finished

DAY_NS = 86_400_000_000_000


def call(number, question, answer, conversation=None, **given):
    request = {"model": given.pop("model", "gpt-4o")}
    return answered(number, question, answer, request=request, conversation_id=conversation, **given)


def feedback(about, score=None, label=None, name="helpful"):
    given = Feedback(name, "span", score, label)
    return finished(
        "evaluator",
        "feedback",
        component=COMPONENT,
        trace_id=about,
        parent_id=about,
        span_id=1000 + about,
        start_ns=START_NS + DAY_NS,
        end_ns=START_NS + DAY_NS,
        feedback=given,
    )


def export(path, out, *more):
    code = main(["export", str(path), "--processes", "1", "--output", str(out), *more])
    card = json.loads((out.parent / f"{out.name}.card.json").read_text())
    return code, card


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def spans(tmp_path):
    return write(
        tmp_path / "spans.jsonl",
        [
            call(1, "Name?", "Sockrates", "c-1"),
            call(2, "Name?", "Sockrates", "c-2"),
            call(3, "Name?", "Blisters", "c-3"),
            call(4, "Colour?", "Blue", "c-1", model="gpt-4o-mini"),
            feedback(1, 1.0, "up"),
            feedback(3, 0.0, "down"),
        ],
    )


def test_chat_lines_stand_once(tmp_path, spans, capsys):
    out = tmp_path / "train.jsonl"
    code, card = export(spans, out, "--format", "openai-chat")
    assert code == 0
    assert [line["messages"][-1]["content"] for line in lines(out)] == ["Sockrates", "Blisters", "Blue"]
    assert (card["calls"], card["examples"], card["duplicates"]) == (4, {"train.jsonl": 3}, 1)
    assert card["by"]["model"] == {"gpt-4o": 2, "gpt-4o-mini": 1}
    assert capsys.readouterr().err == "callspan export: 3 examples in train.jsonl; 1 more of the same\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spans.jsonl", "train.jsonl", "train.jsonl.card.json"]


@pytest.mark.parametrize(
    ("wishes", "answers"),
    [
        (["--feedback", "helpful>=1"], ["Sockrates"]),
        (["--feedback", "helpful=down"], ["Blisters"]),
        (["--feedback", "helpful"], ["Sockrates", "Blisters"]),
        (["--feedback", "funny"], []),
        (["--conversation", "c-1"], ["Sockrates", "Blue"]),
        (["--model", "gpt-4o-mini"], ["Blue"]),
        (["--where", "step is null and conversation_id > 'c-2'"], ["Blisters"]),
        (["--since", "2100-01-01"], []),
        (["--until", "2100-01-01", "--no-errors", "--conversation", "c-3"], ["Blisters"]),
        (["--errors"], []),
        (["--prompt", "naming", "--version", "v1"], []),
    ],
)
def test_wishes(tmp_path, spans, wishes, answers):
    out = tmp_path / "out.jsonl"
    code, card = export(spans, out, "--format", "jsonl", *wishes)
    assert [line["answer"] for line in lines(out)] == answers
    assert code == (0 if answers else 1)
    assert card["calls"] == len(answers)


def test_preference_pairs_come_from_feedback(tmp_path, spans):
    out = tmp_path / "pairs.jsonl"
    _, card = export(spans, out, "--format", "preference", "--feedback", "helpful>=1")
    assert lines(out) == [
        {
            "input": {"messages": [{"role": "user", "content": "Name?"}]},
            "preferred_output": [{"role": "assistant", "content": "Sockrates"}],
            "non_preferred_output": [{"role": "assistant", "content": "Blisters"}],
        }
    ]
    assert card["refused"] == {}


def test_preferences_without_a_condition_are_refused(tmp_path, spans, capsys):
    arguments = [
        "export",
        str(spans),
        "--format",
        "preference",
        "--output",
        str(tmp_path / "out"),
        "--feedback",
        "helpful",
    ]
    assert main(arguments) == 1
    assert 'needs --feedback with a condition, as in --feedback "helpful>=1"' in capsys.readouterr().err


def test_an_answer_without_its_other_half_is_counted(tmp_path):
    same = [
        call(1, "A?", "Same"),
        call(2, "A?", "Same"),
        call(3, "B?", "Alone"),
        *(feedback(n, float(n != 2)) for n in (1, 2, 3)),
    ]
    _, card = export(
        write(tmp_path / "s.jsonl", same), tmp_path / "p.jsonl", "--format", "preference", "--feedback", "helpful>=1"
    )
    assert card["refused"] == {"the same answer was liked and disliked": 1, "no other answer to compare with": 2}


def test_a_split_keeps_conversations_together(tmp_path):
    many = [call(number, f"Q{number}?", f"A{number}", f"c-{number % 40}") for number in range(1, 201)]
    out = tmp_path / "out.jsonl"
    _, card = export(write(tmp_path / "s.jsonl", many), out, "--format", "jsonl", "--split", "0.3")
    train, validation = (
        {line["conversation_id"] for line in lines(path)} for path in (out, tmp_path / "out.validation.jsonl")
    )
    assert not train & validation
    assert len(train | validation) == 40
    assert card["examples"]["out.jsonl"] + card["examples"]["out.validation.jsonl"] == 200
    assert 4 <= len(validation) <= 20  # about 12


def test_csv_and_parquet_hold_the_same(tmp_path, spans):
    pq = pytest.importorskip("pyarrow.parquet")
    for form in ("csv", "jsonl", "parquet"):
        export(spans, tmp_path / f"out.{form}", "--format", form)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert table == lines(tmp_path / "out.jsonl")
    assert [row["answer"] for row in rows] == [row["answer"] for row in table] == ["Sockrates", "Blisters", "Blue"]
    assert (table[0]["question"], table[0]["feedback"], table[0]["score"], table[0]["label"]) == (
        "Name?",
        "helpful",
        1.0,
        "up",
    )


def test_other_kinds_have_their_own_question_and_answer(tmp_path):
    documents = [{"id": "d-1", "content": "Socks.", "score": 0.5}]
    spans = [
        finished("retriever", "search", query="socks?", documents=documents, span_id=1),
        finished("tool", "add", input={"a": 1}, output="2", span_id=2),
    ]
    out = tmp_path / "out.jsonl"
    export(write(tmp_path / "s.jsonl", spans), out, "--format", "jsonl", "--kind", "retriever", "--kind", "tool")
    assert [(row["kind"], row["question"], row["answer"]) for row in lines(out)] == [
        ("retriever", "socks?", "score 0.5  d-1\nSocks."),
        ("tool", "1", "2"),
    ]


def test_secrets_of_foreign_files_do_not_pass(tmp_path):
    messages = [
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "response": {"password": "hunter2"}}]}
    ]
    request = foreign(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": json.dumps(
                [*messages, {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
            ),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}]
            ),
        }
    )
    out = tmp_path / "out.jsonl"
    _, card = export(write_requests(tmp_path / "f.jsonl", request), out, "--format", "jsonl")
    assert "hunter2" not in out.read_text()
    assert card["redacted_values"] == 1


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_was_written_beside_the_contents_is_cleaned_too(tmp_path, form):
    secret = "sk-proj-Ab3dEf6hIj9lMn2pQr5tUv8x"
    told = feedback(1, 1.0, f"up {secret}")
    told.facts.feedback.comment = f"It printed {secret}!"
    one = call(1, "Name?", "Blisters", f"c {secret}")
    one.name = f"ask {secret}"
    path = write(tmp_path / "spans.jsonl", [one, told])
    code, card = export(path, tmp_path / "out", "--format", form)
    written = (tmp_path / "out").read_text()
    assert (code, card["redacted_values"]) == (0, 4)
    assert secret not in written
    assert "It printed [redacted]!" in written
    assert "ask [redacted]" in written


def test_conditions_on_feedback():
    assert Opinion.parse("helpful") == Opinion("helpful")
    assert Opinion.parse(" answer quality >= 0.5 ") == Opinion("answer quality", ">=", 0.5)
    assert Opinion.parse("helpful=up") == Opinion("helpful", "=", "up")
    for wrong in ("", ">=1", "helpful>=up", "a<>1"):
        with pytest.raises(CallspanError, match="--feedback"):
            Opinion.parse(wrong)


def test_a_time_that_is_none_is_explained(tmp_path, spans, capsys):
    assert main(["export", str(spans), "--format", "csv", "--output", str(tmp_path / "o"), "--since", "yesterday"]) == 1
    assert "callspan export: " in capsys.readouterr().err


def test_calls_that_another_file_names(tmp_path, capsys):
    spans = tmp_path / "spans.jsonl"
    write(spans, [call(number, f"q{number}", "a") for number in (1, 2, 3)])
    named = tmp_path / "calls.jsonl"
    rows = [(1, 0, True), (2, 1, False), (3, 2, True)]
    named.write_text(
        "".join(
            json.dumps(
                {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "cluster": cluster, "is_problem": bad}
            )
            + "\n"
            for number, cluster, bad in rows
        )
    )

    def questions(*more):
        out = tmp_path / "out.jsonl"
        _, card = export(spans, out, "--format", "jsonl", *more)
        assert card["chosen_by"]["calls"] == str(named)
        return [row["question"] for row in lines(out)]

    assert questions("--calls", str(named)) == ["q1", "q2", "q3"]
    assert questions("--calls", str(named), "--cluster", "1") == ["q2"]
    assert questions("--calls", str(named), "--cluster", "problems") == ["q1", "q3"]
    assert questions("--calls", str(named), "--cluster", "-1") == []


@pytest.mark.parametrize(
    ("text", "more", "problem"),
    [
        ('{"trace_id": "1"}\n', [], "calls.jsonl, line 1: no JSON object with trace_id and span_id"),
        ("{}\nnonsense", [], "calls.jsonl, line 1"),
        ("[]", [], "calls.jsonl, line 1"),
        ("", ["--cluster", "bad"], "--cluster 'bad': give the number of a cluster, or problems"),
        (None, [], "No such file"),
    ],
)
def test_files_that_name_no_calls(tmp_path, capsys, text, more, problem):
    spans, named = tmp_path / "spans.jsonl", tmp_path / "calls.jsonl"
    write(spans, [call(1, "q", "a")])
    if text is not None:
        named.write_text(text)
    command = ["export", str(spans), "--processes", "1", "--format", "jsonl", "--output", str(tmp_path / "out.jsonl")]
    assert main([*command, "--calls", str(named), *more]) == 1
    assert problem in capsys.readouterr().err


def test_a_cluster_needs_the_file_it_stands_in(tmp_path, capsys):
    spans = tmp_path / "spans.jsonl"
    write(spans, [call(1, "q", "a")])
    command = ["export", str(spans), "--processes", "1", "--format", "jsonl", "--output", str(tmp_path / "out.jsonl")]
    assert main([*command, "--cluster", "1"]) == 1
    assert "--cluster needs --calls" in capsys.readouterr().err


def test_an_answer_that_was_streamed_is_one_text(tmp_path):
    streamed = {
        "callspan.stream.chunks": 2,
        "output.value": '["Sock", "rates"]',
        "output.mime_type": "application/json",
    }
    listed = {"output.value": '["a", "b"]', "output.mime_type": "application/json"}
    path = write_requests(tmp_path / "s.jsonl", foreign(streamed), foreign(listed, spanId="00000000000000aa"))

    code, _ = export(path, tmp_path / "out.jsonl", "--format", "jsonl", "--kind", "chain")

    assert code == 0
    assert [line["answer"] for line in lines(tmp_path / "out.jsonl")] == ["Sockrates", '["a", "b"]']
