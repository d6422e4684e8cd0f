"""What the README promises a newcomer, and that the scripts around the code keep to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
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


# The README's example, with the examples' server in the place of OpenAI.
AT_THE_EXAMPLES_SERVER = """
import os
from openai_server import serve
with serve() as base_url:
    os.environ.update(OPENAI_BASE_URL=base_url, OPENAI_API_KEY="none")
    exec(compile(open("readme.py", encoding="utf-8").read(), "readme.py", "exec"))
"""


def test_the_readmes_example_runs(tmp_path):
    pytest.importorskip("openai")
    (example,) = code_blocks("python")
    (tmp_path / "readme.py").write_text(example, "utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CALLSPAN_", "OTEL_", "OPENAI_"))}
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_EXAMPLES_SERVER],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    spans = [
        (span["name"], {attribute["key"]: attribute["value"] for attribute in span["attributes"]})
        for line in (tmp_path / ".callspan" / "spans.jsonl").read_text("utf-8").splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sorted(name for name, _ in spans) == ["chat gpt-4o-mini", "name_company", "taken_names"]
    assert {attributes["gen_ai.conversation.id"]["stringValue"] for _, attributes in spans} == {"c-42"}
    variables = dict(spans)["chat gpt-4o-mini"]["llm.prompt_template.variables"]["stringValue"]
    assert json.loads(variables) == {"product": "socks", "taken": "Sockrates"}


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
