"""`callspan run`: real programs, started as users start them, record without a line of code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

import callspan
from callspan.cli import main
from callspan.cli.run import RunError, command_of, environment_of

SRC = str(Path(callspan.__file__).parents[1])
APP = """
import callspan, sys

@callspan.chain
def answer(question):
    return "42"

if __name__ == "__main__":
    print(answer("?"), sys.argv[1:])
"""
CALLSPAN = [sys.executable, "-m", "callspan", "run"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    return tmp_path


def run(folder, *command, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLSPAN_", "OTEL_", "COV"))}
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PYTHONPATH": SRC, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def names_in(folder):
    """Return the names of the spans in the file, and the service's."""
    names, services = [], set()
    for line in (folder / ".callspan" / "spans.jsonl").read_text().splitlines():
        (resource,) = json.loads(line)["resourceSpans"]
        attributes = {pair["key"]: pair["value"] for pair in resource["resource"]["attributes"]}
        services.add(attributes["service.name"]["stringValue"])
        names += [span["name"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    return names, services


@pytest.mark.parametrize(
    "program",
    [
        ["--", sys.executable, "app.py", "--flag", "x"],
        [sys.executable, "app.py", "--flag", "x"],
        ["--", "app.py", "--flag", "x"],
        ["--", "-m", "app", "--flag", "x"],
        ["-m", "app", "--flag", "x"],
        ["--", sys.executable, "-m", "app", "--flag", "x"],
    ],
)
def test_a_program_is_recorded(folder, program):
    done = run(folder, *CALLSPAN, "--service-name", "shop", *program)
    assert (done.returncode, done.stdout) == (0, "42 ['--flag', 'x']\n"), done.stderr
    assert names_in(folder) == (["answer"], {"shop"})


def test_without_us_nothing_is(folder):
    done = run(folder, sys.executable, "app.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "42 []\n", "")
    assert not (folder / ".callspan").exists()


def test_the_exporters_that_are_named(folder):
    done = run(folder, *CALLSPAN, "--exporter", "memory", "--exporter", "file", "--", "app.py")
    assert done.returncode == 0, done.stderr
    assert names_in(folder)[0] == ["answer"]
    done = run(folder, *CALLSPAN, "--exporter", "floppy", "--", "app.py")
    assert (done.returncode, done.stdout) == (0, "42 []\n")  # the program runs, whatever we think of it
    assert "callspan stays off" in done.stderr


def test_its_exit_code_is_ours(folder):
    (folder / "app.py").write_text("import sys; sys.exit(7)")
    assert run(folder, *CALLSPAN, "--", "app.py").returncode == 7


@pytest.mark.skipif(find_spec("openai") is None, reason="needs openai")
def test_libraries_are_watched(folder):
    (folder / "app.py").write_text(
        "import openai\nprint(openai._base_client.SyncAPIClient.request.__code__.co_filename)"
    )
    assert run(folder, *CALLSPAN, "--", "app.py").stdout.endswith("callspan/capture/patching.py\n")


def test_programs_that_it_starts_are_recorded_too(folder):
    (folder / "starter.py").write_text("import subprocess, sys; subprocess.run([sys.executable, 'app.py'])")
    assert run(folder, *CALLSPAN, "--", "starter.py").stdout == "42 []\n"
    assert names_in(folder)[0] == ["answer"]


def test_pytest_under_it(folder):
    (folder / "test_it.py").write_text("import app\ndef test_answer():\n    assert app.answer('?') == '42'\n")
    done = run(folder, *CALLSPAN, "--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert names_in(folder)[0] == ["answer"]


def test_another_sitecustomize_is_still_imported(folder):
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys; sys.customized = __file__")
    (folder / "app.py").write_text("import sys, sitecustomize; print(sys.customized == sitecustomize.__file__)")
    done = run(folder, *CALLSPAN, "--", "app.py", PYTHONPATH=f"{SRC}{os.pathsep}{site}")
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_a_sitecustomize_that_fails_fails_as_without_us(folder):
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import a_module_that_is_not_there")
    path = f"{SRC}{os.pathsep}{site}"
    without_us = run(folder, sys.executable, "app.py", PYTHONPATH=path)
    done = run(folder, *CALLSPAN, "--", "app.py", PYTHONPATH=path)
    assert done.stdout == without_us.stdout == "42 []\n"
    assert "a_module_that_is_not_there" in done.stderr
    assert "a_module_that_is_not_there" in without_us.stderr


def test_a_python_without_callspan_just_runs(folder):
    environment = environment_of({}, [], None)
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sitecustomize; print('ran')"],  # -S: no site-packages, so no callspan
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ran\n", "")


def test_nothing_to_run(capsys):
    assert main(["run"]) == 1
    assert "there is nothing to run; give a command after --" in capsys.readouterr().err
    assert main(["run", "--", "no-such-program-anywhere"]) == 1
    assert "there is no program 'no-such-program-anywhere'" in capsys.readouterr().err


def test_commands_and_environment():
    assert command_of(["--", "gunicorn", "app:app"]) == ["gunicorn", "app:app"]
    with pytest.raises(RunError):
        command_of(["--"])
    told = environment_of({"PYTHONPATH": "/here", "CALLSPAN_EXPORTERS": "file"}, [], None)
    assert told["PYTHONPATH"].endswith(f"site{os.pathsep}/here")
    assert told["CALLSPAN_EXPORTERS"] == "file"


@pytest.mark.skipif(find_spec("gunicorn") is None or os.name == "nt", reason="needs gunicorn")
def test_a_web_server_that_forks(folder):
    (folder / "web.py").write_text(
        "import app, os, signal\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [app.answer('?').encode()]\n"
        "def when_ready(server):\n"
        "    import threading, urllib.request\n"
        "    def ask():\n"
        "        urllib.request.urlopen('http://127.0.0.1:%d/' % server.LISTENERS[0].getsockname()[1]).read()\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    threading.Thread(target=ask).start()\n"
    )
    command = ["--", sys.executable, "-m", "gunicorn", "-c", "web.py", "--preload", "-b", "127.0.0.1:0", "web"]
    done = run(folder, *CALLSPAN, *command)
    assert done.returncode == 0, done.stderr
    assert names_in(folder)[0] == ["answer"]


# -- opentelemetry-instrument ------------------------------------------------------------------------------------------

LOADER = """
    from importlib.metadata import entry_points
    (found,) = [one for one in entry_points(group="opentelemetry_instrumentor") if one.name == "callspan"]
    instrumentor = found.load()()
    instrumentor.instrument(skip_dep_check=True)
    import app
    print(app.answer("?"), instrumentor.instrumentation_dependencies())
    instrumentor.uninstrument()
"""


def test_opentelemetry_finds_us(folder):
    if not any(one.name == "callspan" for one in entry_points(group="opentelemetry_instrumentor")):
        pytest.skip("callspan is not installed here as a distribution")
    done = run(folder, sys.executable, "-c", textwrap.dedent(LOADER))
    assert (done.returncode, done.stdout) == (0, "42 ()\n"), done.stderr
    assert names_in(folder)[0] == ["answer"]


@pytest.mark.skipif(find_spec("opentelemetry.instrumentation") is None, reason="needs opentelemetry-distro")
def test_under_opentelemetry_instrument(folder):
    program = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    variables = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    done = run(folder, sys.executable, "-c", program, sys.executable, "app.py", **variables)
    assert (done.returncode, done.stdout) == (0, "42 []\n"), done.stderr
    assert names_in(folder)[0] == ["answer"]
