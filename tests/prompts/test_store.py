"""Prompts as files: what they may hold, how they render, and what is wrong with the rest."""

from __future__ import annotations

import os

import pytest

import callspan
from callspan import PromptError, PromptStore
from callspan.testing import capture

NAMING = """---
# Who answers is the naming team.
name: naming
description: "Names for shops"
variables: product, taken
owner: ann
---

Name a company that makes {product}.
Not like {taken}.
"""
CHAT = """[system]
Answer as {who} would.

[example user]
{"rain": true}
[example assistant]
Take an umbrella.
[user]
{question}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "support").mkdir()
    (tmp_path / "naming.prompt").write_text(NAMING)
    (tmp_path / "support" / "answer.md").write_text(CHAT)
    (tmp_path / "notes.rst").write_text("no prompt")
    return tmp_path


def test_a_file_with_facts(folder):
    naming = PromptStore(folder).get("naming")
    assert (naming.name, naming.description, naming.facts["owner"]) == ("naming", "Names for shops", "ann")
    assert naming.variable_names == ("product", "taken")
    assert naming.version == "21069d4cdcf1"
    text = naming.format(product="socks", taken="Sockrates")
    assert text == "Name a company that makes socks.\nNot like Sockrates."
    assert (text.name, text.version, text.variables) == (
        "naming",
        naming.version,
        {"product": "socks", "taken": "Sockrates"},
    )
    assert naming.messages(product="a", taken="b") == [
        {"role": "user", "content": "Name a company that makes a.\nNot like b."}
    ]


def test_a_chat_with_examples(folder):
    store = PromptStore(str(folder))
    assert store.names() == ["naming", "support/answer"]
    answer = store.get("support/answer")
    assert answer.is_chat
    assert answer.variable_names == ("who", "question")
    assert answer.messages(who="Ann", question="Rain?") == [
        {"role": "system", "content": "Answer as Ann would."},
        {"role": "user", "content": '{"rain": true}'},
        {"role": "assistant", "content": "Take an umbrella."},
        {"role": "user", "content": "Rain?"},
    ]
    with pytest.raises(PromptError, match="is a chat; use messages"):
        answer.format(who="Ann", question="Rain?")


def test_a_span_carries_name_version_and_variables(folder):
    store = PromptStore(folder)

    @callspan.llm
    def ask(messages):
        return "Yes."

    with capture() as spans:
        ask(store.get("naming").format(product="socks", taken="none"))
        ask(store.get("support/answer").messages(who="Ann", question="Rain?"))
    (plain,) = spans[0].prompts
    assert (plain.name, plain.version) == ("naming", store.get("naming").version)
    assert plain.variables == {"product": "socks", "taken": "none"}
    assert {(one.name, one.version) for one in spans[1].prompts} == {
        ("support/answer", store.get("support/answer").version)
    }
    assert [one.variables for one in spans[1].prompts] == [{"who": "Ann"}, {"question": "Rain?"}]


def test_an_edited_file_is_read_again_and_is_a_new_version(folder):
    store = PromptStore(folder)
    before = store.get("naming")
    assert store.get("naming") is before
    path = folder / "naming.prompt"
    path.write_text(NAMING.replace("Not like", "Unlike"))
    os.utime(path, ns=(1, 1))
    assert store.get("naming").version != before.version
    path.write_text(NAMING.replace("owner: ann", "owner: bob"))
    assert store.get("naming").version == before.version  # the text is the same


def test_facts_may_name_a_version(tmp_path):
    (tmp_path / "a.txt").write_text("---\nversion: 2026-11\n---\nHi {name}")
    assert PromptStore(tmp_path).get("a").format(name="Ann").version == "2026-11"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"product": "socks"}, "prompt 'naming' needs product, taken; missing: taken"),
        ({"product": "a", "taken": "b", "colour": "c"}, "prompt 'naming' needs product, taken; unknown: colour"),
    ],
)
def test_variables_that_do_not_fit(folder, variables, message):
    with pytest.raises(PromptError) as refused:
        PromptStore(folder).get("naming").format(**variables)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nname: a\n", "line 1: the facts begin with --- and never end"),
        ("---\nname a\n---\n", "line 2: write a fact as `name: value`"),
        ("---\nname: a\nname: b\n---\n", "line 3: name is there twice"),
        (
            "---\nvariables: who, what\n---\nHi {who} {when}",
            "declared but not in the text: what; in the text but not declared: when",
        ),
        ("Hello\n[user]\nHi", "line 1: text before the first message"),
        ("Hi {", "prompt template 'bad': "),
        ("Hi {a.b}", "is not a variable name"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, text, message):
    (tmp_path / "bad.md").write_text(text)
    with pytest.raises(PromptError) as refused:
        PromptStore(tmp_path).names()
    assert message in str(refused.value)
    assert str(tmp_path / "bad.md") in str(refused.value)


def test_names_that_are_not_there_or_twice(folder):
    with pytest.raises(PromptError, match=r"no prompt 'namin' in .*; did you mean naming"):
        PromptStore(folder).get("namin")
    with pytest.raises(PromptError, match="there are naming, support/answer"):
        PromptStore(folder).get("zzz")
    (folder / "naming.txt").write_text("Hi")
    with pytest.raises(PromptError, match="are both called 'naming'"):
        PromptStore(folder).names()
    with pytest.raises(PromptError, match="is no folder of prompts"):
        PromptStore(folder / "none")


def test_what_is_wrong_with_one_is_no_fault_of_the_others(folder):
    (folder / "half.md").write_text("Name {")
    (folder / "other.txt").write_text("---\nname: support/answer\n---\nHi")
    store = PromptStore(folder)

    assert store.get("naming").name == "naming"
    with pytest.raises(PromptError, match=r"half\.md: "):
        store.get("half")
    with pytest.raises(PromptError, match="are both called 'support/answer'"):
        store.get("support/answer")
    with pytest.raises(PromptError, match=r"no prompt 'zzz' in .*; there are naming; .*half\.md: "):
        store.get("zzz")
    found, errors = store.read_all()
    assert [prompt.name for prompt in found] == ["naming"]
    assert len(errors) == 2


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(PromptError, match=r"bad\.txt cannot be read"):
        PromptStore(tmp_path).names()


def test_the_repr_hides_the_text(folder):
    told = repr(PromptStore(folder).get("support/answer"))
    assert told.startswith("StoredPrompt(name='support/answer', version='")
    assert told.endswith("', variables=['who', 'question'])")
