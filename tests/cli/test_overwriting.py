"""No command writes over the spans it reads, nor over any others."""

from __future__ import annotations

import pytest

from callspan.cli import main
from span_files import write
from spans import FIXED

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")


@pytest.fixture
def spans(tmp_path):
    return write(tmp_path / "spans.jsonl", [FIXED["llm"], FIXED["chain"]])


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["report", "--html"], "--html"),
        (["export", "--format", "jsonl", "--output"], "--output"),
        (["export", "--format", "openai-chat", "--output"], "--output"),
        (["clusters", "--embedder", "some:embedder", "--html"], "--html"),
        (["clusters", "--embedder", "some:embedder", "--calls"], "--calls"),
    ],
)
@pytest.mark.parametrize("read", ["spans.jsonl", ".", "*.jsonl"])
def test_what_is_read_is_not_written_over(command, option, read, spans, monkeypatch, capsys):
    monkeypatch.chdir(spans.parent)
    before = spans.read_bytes()
    (name, *rest) = command
    assert main([name, read, *rest, "spans.jsonl"]) == 1
    assert spans.read_bytes() == before
    assert [*spans.parent.iterdir()] == [spans]
    assert capsys.readouterr().err.startswith(f"callspan {name}: {option} spans.jsonl: ")


def test_spans_that_are_not_read_are_not_written_over_either(spans, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other" / "spans.jsonl", [FIXED["llm"]])
    before = other.read_bytes()
    assert main(["report", str(spans), "--html", str(other)]) == 1
    assert other.read_bytes() == before
    assert "there are spans in it, which would be gone; give another file" in capsys.readouterr().err


def test_the_second_file_of_a_split_is_looked_at_too(spans, tmp_path):
    write(tmp_path / "train.validation.jsonl", [FIXED["llm"]])
    before = (tmp_path / "train.validation.jsonl").read_bytes()
    out = str(tmp_path / "train.jsonl")
    assert main(["export", str(spans), "--format", "jsonl", "--split", "0.5", "--output", out]) == 1
    assert (tmp_path / "train.validation.jsonl").read_bytes() == before


def test_a_dataset_beside_its_spans_is_written_again(spans, tmp_path):
    out = tmp_path / "train.jsonl"
    for _ in range(2):
        assert main(["export", str(tmp_path), "--format", "jsonl", "--processes", "1", "--output", str(out)]) == 0
    assert out.read_text().count("\n") == 1


def test_inputs_and_prompts_of_a_comparison_are_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs.jsonl").write_text('{"question": "Why?"}\n')
    (tmp_path / "old.txt").write_text("{question}")
    (tmp_path / "new.txt").write_text("{question}!")
    command = ["compare", "inputs.jsonl", "--model-a", "m", "--prompt-a", "old.txt", "--prompt-b", "new.txt"]
    for name in ("inputs.jsonl", "old.txt", "new.txt"):
        before = (tmp_path / name).read_text()
        assert main([*command, "--with", "rouge_1", "--html", name]) == 1
        assert (tmp_path / name).read_text() == before
        assert f"--html {name}: that is what is read, and would be gone; give another file" in capsys.readouterr().err
