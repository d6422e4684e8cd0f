"""`callspan prompts`: list, show and diff."""

from __future__ import annotations

import pytest

from callspan.cli import main
from callspan.model.facts import PromptUse
from span_files import write
from spans import finished


@pytest.fixture
def folder(tmp_path):
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    (prompts / "naming.md").write_text("---\ndescription: For shops\nversion: v2\n---\nName {it}.\nBe brief.\n")
    (prompts / "chat.md").write_text("[system]\nHi\n[user]\n{question}\n")
    return prompts


def ask(*arguments):
    return main(["prompts", *map(str, arguments)])


def test_list(folder, capsys):
    assert ask("list", "--dir", folder) == 0
    chat, naming = capsys.readouterr().out.splitlines()
    assert naming == "naming  v2            text  it  For shops"
    assert chat.split()[0::2] == ["chat", "chat"]
    assert chat.endswith("question")


def test_one_that_is_broken_keeps_nobody_from_the_others(folder, capsys):
    (folder / "broken.md").write_text("Name {")
    assert ask("show", "naming", "--dir", folder) == 0
    assert ask("list", "--dir", folder) == 1
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()[-2:]] == ["chat", "naming"]
    assert told.err.startswith(f"callspan prompts: {folder / 'broken.md'}: ")
    assert ask("show", "broken", "--dir", folder) == 1
    assert capsys.readouterr().err == told.err


def test_show(folder, capsys):
    assert ask("show", "naming", "--dir", folder) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name: naming",
        "version: v2",
        "variables: it",
        "description: For shops",
        f"file: {folder / 'naming.md'}",
        "",
        "Name {it}.",
        "Be brief.",
    ]


def test_diff_with_another_folder(folder, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "naming.md").write_text("Name {it}.\nBe funny.\n")
    assert ask("diff", "naming", other, "--dir", folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:] == [" Name {it}.", "-Be funny.", "+Be brief."]
    assert ask("diff", "naming", folder, "--dir", folder) == 0


def test_diff_with_what_was_recorded(folder, tmp_path, capsys):
    uses = [PromptUse("Name {it}.", {}, "naming", "v1"), PromptUse("Name {it}.\nBe brief.", {}, "naming", "v2")]
    spans = write(
        tmp_path / "spans.jsonl", [finished("llm", prompts=[use], span_id=n + 1) for n, use in enumerate(uses)]
    )
    assert ask("diff", "naming", spans, "--version", "v1", "--dir", folder) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "+Be brief."
    assert ask("diff", "naming", spans, "--version", "v2", "--dir", folder) == 0
    assert ask("diff", "naming", spans, "--dir", folder) == 1
    assert "choose one version with --version; there are: v1, v2" in capsys.readouterr().err
    assert ask("diff", "chat", spans, "--dir", folder) == 1
    assert capsys.readouterr().err == f"callspan prompts: prompt 'chat' in {spans}: no call was made with it\n"


def test_what_is_not_there_is_explained(folder, tmp_path, capsys):
    assert ask("show", "nam", "--dir", folder) == 1
    assert ask("list", "--dir", tmp_path / "none") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"callspan prompts: no prompt 'nam' in {folder}; did you mean naming?",
        f"callspan prompts: {tmp_path / 'none'} is no folder of prompts",
    ]
