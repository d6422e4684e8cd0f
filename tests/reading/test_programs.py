"""Programs of ours are ended by who started them, never by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from callspan.reading.programs import start_program


@pytest.mark.skipif(sys.platform == "win32", reason="consoles tell programs in another way")
def test_ctrl_c_does_not_reach_a_program_that_is_about_to_start(tmp_path, monkeypatch):
    (tmp_path / "late.py").write_text("import sys\nprint(sys.stdin.read())\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = start_program("late", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(b"read", timeout=60)
    assert (started.returncode, out.split(), err) == (0, [b"read"], b"")


@pytest.mark.skipif(sys.platform == "win32", reason="consoles tell programs in another way")
def test_ctrl_c_reaches_who_started_it():
    start_program("this", stdout=subprocess.DEVNULL).wait(timeout=60)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
