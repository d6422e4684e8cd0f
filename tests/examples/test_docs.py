"""The pages of the documentation are run: what their examples print is what stands below them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import callspan

SRC = Path(callspan.__file__).parents[1]
DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    "backends.md",
    "concepts.md",
    "conversations-and-prompts.md",
    "costs.md",
    "datasets.md",
    "decorators.md",
    "evaluations.md",
    "feedback.md",
    "file-format.md",
    "index.md",
    "openai.md",
    "privacy.md",
    "processors.md",
    "prompt-store.md",
    "propagation.md",
    "redaction.md",
    "reliability.md",
    "reports.md",
    "sampling.md",
    "tables.md",
]
NEED_READING = {"datasets.md", "reports.md", "tables.md"}  # callspan[reading]
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return [match["text"] for match in BLOCK.finditer(text) if match["language"] == language]


def run(program, folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLSPAN_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(SRC), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("page", [page for page in PAGES if page != "index.md"])
def test_examples_print_what_the_page_says(page, tmp_path):
    if page in NEED_READING:
        pytest.importorskip("duckdb")
        pytest.importorskip("pyarrow")
    if page == "evaluations.md":
        pytest.importorskip("rapidfuzz")
    if page == "openai.md":
        pytest.importorskip("openai")
    (program,), (expected,) = blocks(page, "python"), blocks(page, "text")
    done = run(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected


def test_the_first_example_shows_a_tree(tmp_path):
    (program,) = blocks("index.md", "python")
    done = run(program, tmp_path)
    assert done.returncode == 0, done.stderr
    answer, *tree = done.stdout.splitlines()
    assert answer == "Rain in Oslo."
    assert [word for line in tree for word in re.findall(r"\b(assistant|weather)\b", line)] == ["assistant", "weather"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (DOCS / target).is_file(), target


def test_every_page_is_on_the_map():
    listed = re.findall(r"\]\((\S+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md") if path.name != "index.md")
