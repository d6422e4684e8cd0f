from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from callspan.cli import main
from callspan.encoding.stored import pack
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.pipeline.spool.folders import Folder
from programs import span_names
from receiver import Receiver, Reply
from spans import finished


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith(("CALLSPAN_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    guard.forget()
    yield
    guard.forget()


def left_behind(spool: Path, *names: str, service: str = "shop-bot", **more: Any) -> Path:
    """Leave spans as a process that was killed would."""
    dead = Folder.make(spool)
    spans = [finished("tool", name, span_id=number + 1, **more) for number, name in enumerate(names)]
    dead.append([pack(span) for span in spans], Resource({"service.name": service}), syncs=False)
    dead.let_go()
    return dead.path


def test_what_was_left_goes_to_the_receiver_and_leaves_the_disk(tmp_path, capsys):
    left_behind(tmp_path / "spool", "a", "b", service="shop-bot")
    left_behind(tmp_path / "spool", "c", service="stock-bot")
    with Receiver() as receiver:
        assert main(["replay", str(tmp_path / "spool"), "--endpoint", receiver.url]) == 0
    assert sorted(receiver.names()) == ["a", "b", "c"]
    services = {
        pair.value.string_value
        for request in receiver.requests
        for spans in request.decoded().resource_spans
        for pair in spans.resource.attributes
        if pair.key == "service.name"
    }
    assert services == {"shop-bot", "stock-bot"}
    assert list((tmp_path / "spool").iterdir()) == []
    told = capsys.readouterr()
    assert told.out == "otlp: 3 of 3 spans delivered\n"
    assert told.err == ""


def test_spans_can_be_put_into_a_file(tmp_path, capsys):
    left_behind(tmp_path / "spool", "a", "b")
    assert main(["replay", "spool", "--exporter", "file"]) == 0
    assert span_names(tmp_path / ".callspan" / "spans.jsonl") == ["a", "b"]
    assert capsys.readouterr().out == "file: 2 of 2 spans delivered\n"


def test_exporters_and_the_folder_may_come_from_the_environment(tmp_path, monkeypatch):
    left_behind(tmp_path / "spool", "a")
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("CALLSPAN_SPOOL_DIR", str(tmp_path / "spool"))
        assert main(["replay"]) == 0
    assert receiver.names() == ["a"]


def test_secrets_are_looked_for_again(tmp_path):
    left_behind(tmp_path / "spool", "a", input={"api_key": "sk-canary"})
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    assert b"sk-canary" not in receiver.requests[0].content
    assert b"[redacted]" in receiver.requests[0].content


def test_content_that_is_switched_off_does_not_leave(tmp_path, monkeypatch):
    left_behind(tmp_path / "spool", "a", input="a canary")
    monkeypatch.setenv("CALLSPAN_CAPTURE_CONTENT", "false")
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    assert b"canary" not in receiver.requests[0].content


def test_what_cannot_be_delivered_stays_and_the_exit_code_says_so(tmp_path, capsys):
    left_behind(tmp_path / "spool", "a", "b")
    with Receiver(Reply(503, headers={"Retry-After": "60"})) as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url, "--patience", "2"]) == 1
    told = capsys.readouterr().out
    assert told == "otlp: 0 of 2 spans delivered · 2 left in the spool (HTTP 503)\n"
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    assert receiver.names() == ["a", "b"]


def test_what_is_rejected_is_gone_and_the_exit_code_says_so(tmp_path, capsys):
    left_behind(tmp_path / "spool", "a", "b")
    with Receiver(Reply(400)) as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 1
    assert "otlp: 0 of 2 spans delivered · 2 lost (2 rejected)\n" in capsys.readouterr().out
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_counts_can_be_had_as_json(tmp_path, capsys):
    dead = left_behind(tmp_path / "spool", "a", "b")
    (dead / "00000002.spool").write_bytes(b"not a spool\n")
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "spool": str(tmp_path / "spool"),
        "ok": False,
        "in_use": 0,
        "exporters": {
            "otlp": {
                "ended": 0,
                "adopted": 3,
                "delivered": 2,
                "rejected": 0,
                "dropped": {"spool damaged": 1},
                "buffered": 0,
                "spooled": 0,
                "retries": 0,
                "suspicious": 0,
            }
        },
    }


def test_what_running_processes_have_is_left_to_them(tmp_path, capsys):
    living = Folder.make(tmp_path / "spool")
    living.append([pack(finished("tool", "theirs"))], Resource({}), syncs=False)
    left_behind(tmp_path / "spool", "a")
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    assert receiver.names() == ["a"]
    assert "1 part of running processes left to them" in capsys.readouterr().out
    living.let_go()


def test_an_exporter_goes_on_where_the_one_of_its_name_stopped(tmp_path):
    dead = Folder.make(tmp_path / "spool")
    spans = [finished("tool", name, span_id=number + 1) for number, name in enumerate("abc")]
    dead.append([pack(span) for span in spans], Resource({}), syncs=False)
    dead.acknowledge("otlp", 2)
    dead.let_go()
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    assert receiver.names() == ["c"]


def test_a_dry_run_changes_nothing(tmp_path, capsys):
    dead = left_behind(tmp_path / "spool", "a", "b")
    (dead / "00000002.spool").write_bytes(b"not a spool\n")
    (dead / "00000003.spool").touch()
    living = Folder.make(tmp_path / "spool")
    os.utime(dead / "00000001.spool", (1_700_000_000, 1_700_000_000))
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "spool").rglob("*"))
    assert main(["replay", "spool", "--dry-run"]) == 0
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "spool").rglob("*")) == before
    out = capsys.readouterr().out
    assert f"{dead.name}  2 spans · 0.0 MiB · 2023-11-14 22:13:20 · 1 file that cannot be read\n" in out
    assert f"{living.path.name}  in use by a running process, which delivers it\n" in out
    assert "2 spans to deliver, left by 1 processes\n" in out
    assert main(["replay", "spool", "--dry-run", "--json"]) == 0
    parts = {part["name"]: part for part in json.loads(capsys.readouterr().out)["parts"]}
    assert (parts[dead.name]["spans"], parts[dead.name]["unreadable"], parts[dead.name]["in_use"]) == (2, 1, False)
    assert parts[living.path.name]["in_use"] is True
    living.let_go()


def test_a_part_that_holds_something_else_does_not_keep_anybody_waiting(tmp_path, capsys):
    dead = left_behind(tmp_path / "spool", "a")
    (dead / "notes.txt").write_text("mine")
    began = time.monotonic()
    assert main(["replay", "spool", "--exporter", "file"]) == 0
    assert main(["replay", "spool", "--exporter", "file"]) == 0
    assert time.monotonic() - began < 20
    assert capsys.readouterr().out == "file: 1 of 1 span delivered\nfile: 0 of 0 spans delivered\n"
    assert (dead / "notes.txt").read_text() == "mine"


def test_an_empty_spool_is_no_failure(tmp_path, capsys):
    (tmp_path / "spool").mkdir()
    assert main(["replay", "spool", "--exporter", "file"]) == 0
    assert capsys.readouterr().out == "file: 0 of 0 spans delivered\n"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["replay"], 1, "callspan replay: which spool? give its folder, or set CALLSPAN_SPOOL_DIR\n"),
        (["replay", "spool"], 1, "callspan replay: where to? give --exporter or --endpoint, or set CALLSPAN_EXPORTERS"),
        (["replay", "nowhere", "--dry-run"], 1, "callspan replay: nowhere: No such file or directory\n"),
        (["replay", "nowhere", "--exporter", "file"], 1, "nowhere: No such file or directory\n"),
        (["replay", "spool", "--exporter", "pigeon"], 1, "no exporter has that name; use one of: file, memory, otlp"),
        (["replay", "spool", "--endpoint", "ftp://x"], 1, "endpoint: got str"),
        (["replay", "spool", "--patience", "-1"], 2, "'-1' is not a number of seconds"),
        (["replay", "spool", "--patience", "long"], 2, "'long' is not a number of seconds"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, capsys, arguments, code, complaint):
    (tmp_path / "spool").mkdir()
    assert main(arguments) == code
    assert complaint in capsys.readouterr().err.replace(str(tmp_path) + "/", "")


class Screen(io.StringIO):
    """A terminal that keeps what was drawn."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is(tmp_path, monkeypatch):
    left_behind(tmp_path / "spool", *map(str, range(40)))
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with Receiver(Reply(delay_s=0.4)) as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    drawn = screen.getvalue()
    assert "░" in drawn
    assert "0%  0 of 40 spans" in drawn
    assert "\x1b[2m" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_no_color_is_obeyed(tmp_path, monkeypatch):
    left_behind(tmp_path / "spool", "a")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    with Receiver() as receiver:
        assert main(["replay", "spool", "--endpoint", receiver.url]) == 0
    assert "spans" in screen.getvalue() or "span" in screen.getvalue()
    assert "m" not in [part[-1:] for part in screen.getvalue().split("\x1b")]


def test_help_teaches_with_examples(capsys):
    assert main(["replay", "--help"]) == 0
    out = capsys.readouterr().out
    assert "callspan replay /var/spool/shop-bot --endpoint http://localhost:4318" in out
    assert "The exit code is 1 when something was not delivered." in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
def test_ctrl_c_leaves_the_rest_in_the_spool(tmp_path):
    left_behind(tmp_path / "spool", "a", "b")
    with Receiver(Reply(503, headers={"Retry-After": "60"})) as receiver:
        command = [sys.executable, "-m", "callspan", "replay", "spool", "--endpoint", receiver.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 20
        while not receiver.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "2 left in the spool" in out
    assert "Traceback" not in err
    assert main(["replay", "spool", "--exporter", "file"]) == 0
    assert span_names(tmp_path / ".callspan" / "spans.jsonl") == ["a", "b"]
