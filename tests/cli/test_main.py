from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from callspan import cli
from callspan.cli import main, view
from callspan.errors import CallspanError
from callspan.version import VERSION
from cli.traces import answered
from span_files import write
from spans import finished


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "spans.jsonl", answered())


def test_without_a_command_it_says_what_there_is(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "usage: callspan" in out
    assert "view" in out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"callspan {VERSION}\n"


def test_help_teaches_with_examples(capsys):
    assert main(["view", "--help"]) == 0
    out = capsys.readouterr().out
    assert "callspan view traces.jsonl --conversation c-42 --io" in out
    assert "the newest last" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["dance"], "invalid choice: 'dance'"),
        (["view", "--kind", "banana", "x"], "'banana' is none of llm, chain, agent, tool"),
        (["view", "--limit", "-1", "x"], "'-1' is not a whole number; 0 is all"),
        (["view", "--limit", "many", "x"], "'many' is not a whole number; 0 is all"),
        (["view", "--trace", "xyz", "x"], "'xyz' is not the beginning of a trace ID"),
        (["view", "--trace", "", "x"], "'' is not the beginning of a trace ID"),
        (["view", "--color", "green", "x"], "invalid choice: 'green'"),
    ],
)
def test_wrong_arguments(arguments, complaint, capsys):
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path, capsys):
    assert main(["view", str(tmp_path / "nowhere.jsonl")]) == 1
    assert capsys.readouterr().err == f"callspan view: {tmp_path / 'nowhere.jsonl'}: No such file or directory\n"


def test_nothing_to_read(tmp_path, capsys):
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    assert main(["view", str(empty)]) == 1
    assert capsys.readouterr().err == f"callspan view: no spans in {empty}\n"
    (tmp_path / "folder").mkdir()
    assert main(["view", str(tmp_path / "folder")]) == 1
    assert capsys.readouterr().err == f"callspan view: no spans in {tmp_path / 'folder'}: no *.jsonl or *.json there\n"


def test_bad_lines_are_counted_and_the_rest_is_shown(path, capsys):
    path.write_bytes(b"bad\nbad\n" + path.read_bytes() + b'{"resourceSp')

    assert main(["view", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "1 trace · 5 spans" in out
    assert err == f"callspan view: could not be read: 2 not JSON, 1 cut off in the middle (first: {path}, line 1)\n"


def test_only_bad_lines(path, capsys):
    path.write_bytes(b"bad\n")

    assert main(["view", str(path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"callspan view: could not be read: 1 not JSON (first: {path}, line 1)",
        f"callspan view: no spans in {path}",
    ]


def test_stdin(path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))

    assert main(["view", "-", "--io"]) == 0
    assert "│  input       " in capsys.readouterr().out


def test_other_faults_are_explained_too(monkeypatch, capsys):
    def fail(_):
        raise CallspanError("something is wrong")

    monkeypatch.setattr(view, "run", fail)

    assert main(["view", "x"]) == 1
    assert capsys.readouterr().err == "callspan view: something is wrong\n"


def test_an_interrupt_is_quiet(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(view, "run", interrupt)

    assert main(["view", "x"]) == 130
    assert capsys.readouterr().err == ""


def test_exit_codes_that_are_texts_count_as_failures(monkeypatch):
    def leave(_):
        raise SystemExit("why")

    monkeypatch.setattr(view, "run", leave)

    assert main(["view", "x"]) == 1


def test_a_command_is_a_module_in_a_table(monkeypatch, capsys):
    class Hello:
        SUMMARY = "say hello"

        @staticmethod
        def add_arguments(parser):
            parser.add_argument("name")

        @staticmethod
        def run(arguments):
            sys.stdout.write(f"hello {arguments.name}\n")
            return 3

    monkeypatch.setitem(cli.COMMANDS, "hello", Hello)

    assert main(["hello", "you"]) == 3
    assert capsys.readouterr().out == "hello you\n"
    assert main(["hello", "--help"]) == 0
    assert "Say hello." in capsys.readouterr().out


def program(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "callspan", *map(str, arguments)], capture_output=True, check=False, timeout=60, **more
    )


def test_as_a_program(path):
    done = program("view", path, env={**os.environ, "PYTHONIOENCODING": "utf-8"})

    assert (done.returncode, done.stderr) == (0, b"")
    assert "├─ ✓ retriever search" in done.stdout.decode()


def test_an_encoding_without_the_glyphs(path):
    done = program("view", path, env={**os.environ, "PYTHONIOENCODING": "ascii"})

    assert done.returncode == 0
    assert b"|- + retriever search    120 ms" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there is no head")
def test_a_reader_that_leaves_early(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "x" * 60, trace_id=n + 1) for n in range(3_000)])
    done = subprocess.run(
        f"{sys.executable} -m callspan view {path} --limit 0 | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, b"")


def test_an_overview_needs_no_pydantic(path):
    code = f"import sys; from callspan.cli import main; main(['view', {str(path)!r}]); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)

    assert done.stdout.endswith(b"False\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", ["view", "report"])
def test_json_has_all_characters_whatever_stdout_has(command, encoding, tmp_path, monkeypatch):
    if command == "report":
        pytest.importorskip("duckdb")
    file = write(tmp_path / "spans.jsonl", [finished("llm", "Köln 😀 東京", request={"model": "ü"}, outcome="ok")])
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main([command, str(file), "--json"]) == 0
    written = stdout.buffer.getvalue()
    assert written.isascii()
    told = json.loads(written)
    name = told["name"] if command == "view" else told["by"]["name"][0]["key"]
    assert name.removeprefix("llm ") == "Köln 😀 東京"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell says which streams there are")
@pytest.mark.parametrize(
    ("streams", "code", "out", "err"),
    [
        (">&-", 0, "", ""),
        ("2>&-", 0, "1 trace", ""),
        (">&- 2>&-", 0, "", ""),
        ("- <&-", 1, "", "callspan view: -: Bad file descriptor\n"),
    ],
)
def test_a_stream_that_is_not_there(streams, code, out, err, path):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m callspan view {path} {streams}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, out in done.stdout, done.stderr) == (code, True, err)
