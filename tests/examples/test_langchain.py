"""The page and the examples of LangChain and LangGraph, run as a newcomer runs them: a new folder, no key."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import callspan

pytest.importorskip("langchain_core")

SRC = Path(callspan.__file__).parents[1]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "langchain.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
NAMES = ("OPENAI_", "CALLSPAN_", "OTEL_", "LANGCHAIN_", "LANGSMITH_")


def run(folder, *command):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NAMES)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(SRC), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks(language):
    return [match["text"] for match in BLOCK.finditer(PAGE) if match["language"] == language]


def shape(view):
    """Return the lines of a tree without times, tokens and models: what stands before the first wide gap."""
    lines = [line for line in view.splitlines() if "✓" in line]
    return [re.split(r"\s{2,}(?=\S*\d)", line)[0].rstrip() for line in lines]


def names(lines):
    return sorted(line.partition("✓ ")[2] for line in lines)


def test_the_page_prints_what_it_says(tmp_path):
    (program,), (expected,) = blocks("python"), blocks("text")
    assert run(tmp_path, "-W", "ignore", "-c", program) == expected


def test_the_chain_prints_the_tree_on_the_page(tmp_path):
    pytest.importorskip("langchain_openai")
    told = run(tmp_path, "-W", "ignore", str(ROOT / "examples" / "langchain_rag.py"))
    tree = [line for line in shape(told) if not line.startswith("✓ embedding")]
    assert names(tree) == names(shape(blocks("console")[0]))  # of what runs side by side, either may be first
    assert "conversation demo-1" in told
    assert "0 errors" in told


def test_the_graph_prints_the_trees_on_the_page(tmp_path):
    pytest.importorskip("langchain_openai")
    pytest.importorskip("langgraph.types")
    told = run(tmp_path, "-W", "ignore", str(ROOT / "examples" / "langgraph_agent.py"))
    assert shape(told) == shape(blocks("console")[1])
    assert "The tool answered: privacy.md has" in told
    assert "conversation thread-1 · step 2" in told
    assert "0 errors" in told
