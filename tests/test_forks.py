"""Forks wait for what they must not cut in half, and what they must not cut waits for forks."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from callspan import forks as module
from callspan.forks import Forks, forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")


class Watching:
    def __init__(self) -> None:
        self.told: list[str] = []

    def before_fork(self, deadline: float) -> None:
        assert 0 < deadline - time.monotonic() <= module.LONGEST_S
        self.told.append("before")

    def after_fork(self) -> None:
        self.told.append("after")


def in_thread(of: Forks, inside: threading.Event, until: threading.Event) -> threading.Thread:
    def hold() -> None:
        with of.kept_off():
            inside.set()
            until.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    return thread


def test_a_fork_waits_until_what_it_would_cut_is_whole():
    until = threading.Event()
    thread = in_thread(forks, threading.Event(), until)
    threading.Timer(0.2, until.set).start()
    process_id = os.fork()
    if not process_id:
        os._exit(0 if until.is_set() else 1)
    assert os.waitpid(process_id, 0)[1] == 0
    thread.join()


def test_what_must_not_be_cut_waits_for_a_fork():
    of, inside = Forks(), threading.Event()
    of.before()
    thread = threading.Thread(target=lambda: of.kept_off().__enter__() or inside.set())
    thread.start()
    assert not inside.wait(0.1)
    of.after_in_parent()
    assert inside.wait(10)
    thread.join()


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_S", 0.05)
    of, until = Forks(), threading.Event()
    thread = in_thread(of, threading.Event(), until)
    of.before()
    of.after_in_parent()  # has nothing to release
    with of.kept_off():
        assert not until.is_set()
    until.set()
    thread.join()


def test_a_thread_may_fork_in_the_middle_of_an_import_of_its_own():
    of = Forks()
    with of.kept_off():
        of.before()
        of.after_in_parent()
    in_thread(of, threading.Event(), (until := threading.Event()))
    until.set()


def test_a_child_starts_over():
    of, watching, until = Forks(), Watching(), threading.Event()
    of.watch(watching)
    thread = in_thread(of, threading.Event(), until)
    of.after_in_child()  # the thread is not there any more, as far as a child can tell
    start = time.monotonic()
    with of.kept_off():
        assert time.monotonic() - start < 1
    until.set()
    thread.join()
    of.before()
    of.after_in_parent()
    assert watching.told == ["after", "before"]
    del watching
    of.before()  # nobody is told who is no more
    of.after_in_parent()


def test_several_threads_fork_at_once():
    failed: list[int] = []

    def fork() -> None:
        for _ in range(20):
            process_id = os.fork()
            if not process_id:
                with forks.kept_off():
                    os._exit(0)
            failed.append(os.waitpid(process_id, 0)[1])

    threads = [threading.Thread(target=fork) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [0] * 80
    with forks.kept_off():
        assert "callspan.forks" in sys.modules
