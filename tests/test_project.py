"""What the README promises a newcomer, and that the scripts around the code keep to it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TEST_COMMAND = "python -m pip install nox && python -m nox"
DEMO_COMMAND = 'python -m pip install ".[demo]" && python examples/quickstart.py'


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_the_readme_has_two_commands():
    assert [block.strip() for block in code_blocks("")][:2] == [DEMO_COMMAND, TEST_COMMAND]


def test_the_readmes_python_is_python():
    (example,) = code_blocks("python")
    ast.parse(example)


def test_ci_runs_the_command_of_the_readme(tmp_path):
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    checkout = tmp_path / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    (checkout / ".ci" / "run").write_bytes(script.read_bytes())
    # A `bash` of our own tells what it was asked to run, and a Python that makes no environment keeps the test short.
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"python3": "exit 0", "bash": 'echo "asked to run: $2"'}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    def ci() -> subprocess.CompletedProcess[str]:
        command = ["/bin/bash", str(checkout / ".ci" / "run")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    (checkout / "README.md").write_text(README)
    done = ci()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"asked to run: {TEST_COMMAND}\n" in done.stdout

    (checkout / "README.md").write_text(README.replace(TEST_COMMAND, "make test"))
    done = ci()
    assert done.returncode == 1
    assert "README.md must hold exactly one line" in done.stderr


@pytest.mark.parametrize("name", ["LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_what_the_readme_refers_to_is_there(name):
    assert (ROOT / name).is_file()
    assert Path(name).stem in README


def test_the_licence_is_apache():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
