from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress

import pytest

from callspan.guard import guard
from callspan.pipeline.buffer import Buffer
from callspan.pipeline.threads import Attendant, is_loading
from stacks import on_a_stack_with


def wait_until(condition, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.001)


def attendant(loop, quiet=nullcontext) -> tuple[Attendant, Buffer]:
    buffer = Buffer(lambda: None)
    return Attendant(buffer, loop, "callspan-test", quiet), buffer


def test_one_thread_runs_however_often_it_is_started():
    runs = []
    done = threading.Event()

    def loop() -> None:
        runs.append((threading.current_thread().name, threading.current_thread().daemon))
        done.wait(5)

    made, buffer = attendant(loop)
    assert not buffer.awake
    assert [made.start() for _ in range(3)] == [True, True, True]
    wait_until(lambda: made.thread_id is not None)
    assert buffer.awake
    done.set()
    wait_until(lambda: not buffer.awake)
    assert runs == [("callspan-test", True)]
    assert made.thread_id is None


@pytest.mark.parametrize("error", [ValueError(), MemoryError(), SystemExit(3), KeyboardInterrupt()])
def test_a_thread_that_dies_is_noted_and_can_be_started_again(error, capfd):
    guard.strict = False
    runs = []

    def loop() -> None:
        runs.append(1)
        raise error

    made, buffer = attendant(loop)
    for count in (1, 2):
        assert made.start()
        wait_until(lambda count=count: len(runs) == count and not buffer.awake)
    assert guard.counts["callspan-test"] == 2
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_where_no_thread_can_be_had_it_is_not_tried_all_the_time(error, monkeypatch):
    tries = []

    def fail(thread) -> None:
        tries.append(thread)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        made, buffer = attendant(lambda: None)
        assert [made.start() for _ in range(5)] == [False] * 5
    assert len(tries) == 1
    assert not buffer.awake
    made._rest_until = 0.0  # ten seconds later
    assert made.start()


def test_a_full_stack_is_no_lack_of_threads(monkeypatch):
    def fail(_) -> None:
        raise RecursionError

    made, buffer = attendant(lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RecursionError):
            made.start()
    assert not buffer.awake
    assert made.start()


def test_an_interrupted_start_leaves_no_buffer_that_only_looks_attended(monkeypatch):
    begin = threading.Thread.start
    runs = []
    done = threading.Event()

    def start_and_interrupt(thread) -> None:
        begin(thread)
        raise KeyboardInterrupt

    def loop() -> None:
        runs.append(1)
        done.wait(5)

    made, buffer = attendant(loop)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            made.start()
    wait_until(lambda: runs)
    buffer.awake = False  # whoever came last, the thread or the interrupt
    first = made.thread_id
    assert made.start()
    time.sleep(0.02)
    assert (made.thread_id, runs) == (first, [1])  # the second thread saw the first, and left
    done.set()


def test_ringing_wakes_and_does_not_add_up():
    made, _ = attendant(lambda: None)
    for _ in range(3):
        made.ring()
    start = time.monotonic()
    made.wait(5)
    assert time.monotonic() - start < 1
    start = time.monotonic()
    made.wait(0.02)
    assert time.monotonic() - start >= 0.015


def test_threads_may_ring_at_the_same_moment():
    made, _ = attendant(lambda: None)

    class Late:
        def locked(self) -> bool:
            return True

        def release(self) -> None:
            raise RuntimeError("release unlocked lock")

    made._bell = Late()
    made.ring()


def test_the_loop_runs_inside_quiet():
    order = []

    @contextmanager
    def quiet():
        order.append("in")
        yield
        order.append("out")

    made, buffer = attendant(lambda: order.append("loop"), quiet)
    made.start()
    wait_until(lambda: not buffer.awake)
    assert order == ["in", "loop", "out"]


def test_a_rest_is_not_ended_by_the_bell():
    rested = []

    def loop():
        made.ring()
        start = time.monotonic()
        made.rest(0.05)
        rested.append(time.monotonic() - start)

    made, buffer = attendant(loop)
    made.start()
    wait_until(lambda: rested and not buffer.awake)
    assert 0.05 <= rested[0] < 1


def test_a_thread_that_imports_is_seen(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import builtins\nbuiltins.import_gate.wait(5)\n")
    monkeypatch.syspath_prepend(tmp_path)
    gate = threading.Event()
    monkeypatch.setattr("builtins.import_gate", gate, raising=False)
    thread = threading.Thread(target=lambda: __import__("slow_to_import"))
    thread.start()
    wait_until(lambda: is_loading(thread.ident))
    gate.set()
    thread.join()
    assert not is_loading(thread.ident)
    sys.modules.pop("slow_to_import")


def test_this_thread_and_none_do_not_import():
    assert not is_loading(threading.get_ident())
    assert not is_loading(None)


def test_a_thread_that_waits_does_not_import():
    done = threading.Event()
    thread = threading.Thread(target=lambda: done.wait(5))
    thread.start()
    assert not is_loading(thread.ident)
    done.set()
    thread.join()


@pytest.mark.parametrize("frames", range(1, 40))
def test_a_start_on_a_full_stack_does_not_keep_the_next_one_off(frames):
    begun, done = threading.Event(), threading.Event()

    def loop() -> None:
        begun.set()
        done.wait(5)

    made, buffer = attendant(loop)
    with suppress(RecursionError):
        on_a_stack_with(frames, made.start)
    try:
        assert made.start()
        assert begun.wait(5)
        assert buffer.awake
    finally:
        done.set()
    wait_until(lambda: made.thread_id is None and not buffer.awake)
