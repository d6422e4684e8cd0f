"""C1, C7, C12, and what P3 promises: how a process ends."""

from __future__ import annotations

import signal
import sys

import pytest

from programs import at_sink, run, span_names, times

pytestmark = pytest.mark.faults
BUSY_S = 0.5  # what a machine may need that has other things to do


# -- C1: a normal exit with spans in the queue -------------------------------------------------------------------------


def test_c1_everything_in_the_queue_is_delivered_at_exit(tmp_path):
    program = """
        import atexit, sys
        from programs import Sink, report
        atexit.register(report)  # runs after ours
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])

        @callspan.tool
        def work(number):
            return number

        for number in range(2000):
            work(number)
    """
    ended = run(program, tmp_path, timeout_s=20)
    assert ended.seconds < 5 + 2
    assert len(span_names(tmp_path / "spans.jsonl")) == 2000
    assert len(at_sink(tmp_path / "sink.txt")) == 2000
    assert {name: stats["delivered"] for name, stats in ended.stats.items()} == {"file": 2000, "sink": 2000}


def test_c1_a_single_span_right_before_the_end_is_delivered(tmp_path):
    program = """
        import callspan
        from programs import Sink
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])
        with callspan.span("only"):
            pass
    """
    for _ in range(times(2, 20)):
        (tmp_path / "spans.jsonl").unlink(missing_ok=True)
        (tmp_path / "sink.txt").unlink(missing_ok=True)
        ended = run(program, tmp_path, timeout_s=20)
        assert ended.err == ""
        assert span_names(tmp_path / "spans.jsonl") == ["only"]
        assert [name for *_, name in at_sink(tmp_path / "sink.txt")] == ["only"]


# -- P3: exporters that block, or move slowly --------------------------------------------------------------------------

BLOCKED = """
    import atexit, sys, time
    from programs import report
    import callspan
    from callspan.exporters import FileExporter

    class Blocked:
        name, local = "blocked", {local}
        def export(self, batch):
            time.sleep({blocks_s})
            from callspan.exporters import ExportResult
            return ExportResult(delivered=len(batch.spans))
        def close(self):
            time.sleep({close_s})

    def tell():
        print("WAITED", time.monotonic() - ending, flush=True)
        report()

    atexit.register(tell)
    callspan.configure(exporters=[Blocked(), FileExporter("spans.jsonl")])
    for number in range({count}):
        with callspan.span(str(number)):
            pass
    time.sleep(0.2)
    ending = time.monotonic()
    sys.exit(7)
"""


def waited(ended) -> float:
    return float(next(line for line in ended.out.splitlines() if line.startswith("WAITED"))[7:])


def test_p3_an_exporter_that_never_comes_back_costs_two_seconds(tmp_path):
    ended = run(BLOCKED.format(local=False, blocks_s=3600, close_s=0, count=100), tmp_path, code=7, timeout_s=20)
    assert 1.5 <= waited(ended) < 2.5 + BUSY_S
    assert len(span_names(tmp_path / "spans.jsonl")) == 100
    stats = ended.stats
    assert stats["file"]["delivered"] == 100
    assert stats["blocked"]["delivered"] == 0
    assert stats["blocked"]["buffered"] + stats["blocked"]["dropped"].get("shutdown", 0) == 100


def test_p3_an_exporter_that_moves_has_five_seconds(tmp_path):
    ended = run(BLOCKED.format(local=False, blocks_s=0.9, close_s=0, count=10_000), tmp_path, code=7, timeout_s=30)
    assert 4.9 <= waited(ended) < 5.5 + BUSY_S
    stats = ended.stats["blocked"]
    assert 512 * 4 <= stats["delivered"] < 10_000
    assert stats["dropped"]["shutdown"] >= 1
    assert ended.stats["file"]["delivered"] == 10_000


def test_p3_an_exporter_that_hangs_when_closed_costs_half_a_second(tmp_path):
    ended = run(BLOCKED.format(local=False, blocks_s=0, close_s=3600, count=10), tmp_path, code=7, timeout_s=20)
    assert waited(ended) < 0.5 + BUSY_S
    assert ended.stats["blocked"]["delivered"] == 10


def test_p3_a_local_exporter_that_never_comes_back_costs_two_seconds(tmp_path):
    ended = run(BLOCKED.format(local=True, blocks_s=3600, close_s=0, count=10), tmp_path, code=7, timeout_s=20)
    assert waited(ended) < 2.5 + BUSY_S
    assert ended.stats["blocked"]["buffered"] == 10


def test_p3_shutdown_and_flush_keep_their_deadlines(tmp_path):
    program = """
        import time
        from programs import report
        import callspan

        class Blocked:
            name, local = "blocked", False
            def export(self, batch): time.sleep(3600)
            def close(self): time.sleep(3600)

        callspan.configure(exporters=[Blocked()])
        with callspan.span("one"):
            pass
        for call, timeout_s in ((callspan.flush, 0.0), (callspan.flush, 0.3), (callspan.shutdown, 0.3)):
            start = time.monotonic()
            result = call(timeout_s)
            took = time.monotonic() - start
            assert timeout_s - 0.01 <= took < timeout_s + 0.5 + 0.5, (call, took)
            assert not result and result.remaining == 1, result
        report()
        print("UP TO HERE", time.monotonic())
    """
    ended = run(program, tmp_path, timeout_s=20)
    assert ended.stats["blocked"]["buffered"] == 1
    assert ended.seconds < 5  # shutdown was tried; at exit it is not tried again


# -- C7: ways to end that are not the normal one -----------------------------------------------------------------------

ENDING = """
    import os, sys, threading, time
    import callspan
    from callspan.exporters import FileExporter
    callspan.configure(exporters=[FileExporter("spans.jsonl")])
    for number in range(50):
        with callspan.span(str(number)):
            pass
"""


@pytest.mark.parametrize(
    ("ending", "code", "delivered"),
    [
        ("raise RuntimeError('the program failed')", 1, 50),
        ("sys.exit(3)", 3, 50),
        ("threading.Thread(target=sys.exit, args=(3,)).start()", 0, 50),
        ("threading.Thread(target=lambda: (time.sleep(0.3), callspan.span('late').__enter__().end())).start()", 0, 51),
        ("raise KeyboardInterrupt", -signal.SIGINT, 50),
        ("os.kill(os.getpid(), 2); time.sleep(5)", -signal.SIGINT, 50),
    ],
    ids=["exception", "exit", "exit in a thread", "a thread outlives main", "interrupt", "SIGINT"],
)
def test_c7_an_exit_through_the_interpreter_delivers(tmp_path, ending, code, delivered):
    ended = run(ENDING + f"\n    {ending}\n", tmp_path, code=code, timeout_s=20, complains=True)
    assert ended.seconds < 10
    assert len(span_names(tmp_path / "spans.jsonl")) == delivered
    assert "callspan/" not in ended.err


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("os._exit(4)", 4),
        ("os.abort()", -signal.SIGABRT),
        ("os.kill(os.getpid(), 15); time.sleep(5)", -signal.SIGTERM),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL),
    ],
    ids=["_exit", "abort", "SIGTERM", "SIGKILL"],
)
@pytest.mark.parametrize("flushed", [True, False])
def test_c7_an_exit_past_the_interpreter_loses_what_was_not_flushed(tmp_path, ending, code, flushed):
    flush = "callspan.flush()" if flushed else "pass"
    run(ENDING + f"\n    {flush}\n    {ending}\n", tmp_path, code=code, timeout_s=20)
    path = tmp_path / "spans.jsonl"
    names = span_names(path) if path.exists() else []
    assert names == [str(number) for number in range(len(names))]
    assert not flushed or len(names) == 50


def test_c7_no_signal_handler_is_installed(tmp_path):
    program = (
        ENDING
        + """
    import signal
    callspan.flush()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    """
    )
    run(program, tmp_path)


# -- C12: spans while the interpreter shuts down -----------------------------------------------------------------------

LATE = """
    import atexit, os, sys, threading, weakref
    from programs import Sink, report

    @atexit.register
    def last():  # registered before ours, so it runs after ours
        work("atexit after ours")
        report()

    import callspan
    from callspan.exporters import FileExporter, MemoryExporter
    callspan.configure(exporters=[FileExporter("spans.jsonl"), MemoryExporter(), Sink("sink.txt")])

    @callspan.tool
    def work(what):
        return what

    @atexit.register
    def first():  # runs before ours
        work("atexit before ours")

    class Finalised:
        def __del__(self, work=work):
            work("finaliser")

    class Cycle(Finalised):
        def __init__(self):
            self.self = self

    kept, cycle = Finalised(), Cycle()
    sys.kept = Finalised()  # outlives the module
    weakref.finalize(kept, work, "weakref.finalize")
    reference = weakref.ref(sys.kept, lambda _: work("weakref callback"))
"""


@pytest.mark.parametrize("earlier", [0, 1], ids=["no span before", "a span before"])
def test_c12_spans_during_shutdown_are_delivered_or_not_but_never_complain(tmp_path, earlier):
    ended = run(LATE + f"\n    for _ in range({earlier}): work('main')\n", tmp_path, timeout_s=20)
    assert ended.err == "" or ended.err.startswith("no thread can be started here")
    names = span_names(tmp_path / "spans.jsonl")
    assert names.count("work") == len(names)
    assert len(names) >= earlier + 3  # both handlers and weakref.finalize; finalisers where the interpreter still can
    stats = ended.stats
    assert stats["file"]["delivered"] == stats["memory"]["delivered"] == earlier + 3
    assert stats["sink"]["delivered"] + sum(stats["sink"]["dropped"].values()) == earlier + 3


def test_c12_a_daemon_thread_that_makes_spans_does_not_keep_the_process(tmp_path):
    program = """
        import threading, time
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])

        @callspan.tool
        def work():
            time.sleep(0.0001)

        def forever():
            while True:
                work()

        for _ in range(4):
            threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.3)
    """
    for _ in range(times(3, 12)):
        ended = run(program, tmp_path, timeout_s=20)
        assert ended.seconds < 8
        assert ended.err == ""
    assert len(span_names(tmp_path / "spans.jsonl")) > 100


@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors of POSIX")
def test_c12_closed_standard_streams_get_no_span_and_spans_no_print(tmp_path):
    program = """
        import os, sys
        os.close(0), os.close(1), os.close(2)
        import callspan
        callspan.configure()
        with callspan.span("one"):
            pass
        callspan.flush()
        for descriptor in (0, 1, 2):
            try:
                os.write(descriptor, b"printed")
            except OSError:
                pass
    """
    run(program, tmp_path, code=0)
    assert span_names(tmp_path / ".callspan" / "spans.jsonl") == ["one"]
