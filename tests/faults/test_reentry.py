"""C11, C13, C16 and D16: flush and shutdown from anywhere, no threads, threads that die, exporters that misbehave."""

from __future__ import annotations

import sys

import pytest

from programs import at_sink, run, span_names, times

pytestmark = pytest.mark.faults


# -- C11: where no thread can be had -----------------------------------------------------------------------------------


def test_c11_without_threads_spans_are_delivered_where_they_end(tmp_path):
    program = """
        import threading
        from programs import Sink, report

        def fail(thread):
            raise RuntimeError("can't start new thread")

        threading.Thread.start = fail
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])
        for number in range(100):
            with callspan.span("one"):
                pass
        assert callspan.stats()["file"]["delivered"] == 100
        assert threading.active_count() == 1
        report()
    """
    ended = run(program, tmp_path)
    assert ended.err == "no thread can be started here; spans are delivered on the threads that make them\n"
    assert len(span_names(tmp_path / "spans.jsonl")) == 100
    assert ended.stats["sink"]["dropped"] == {"no thread": 100}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_c11_a_real_limit_of_threads(tmp_path, open_folder):
    program = """
        import os, resource, sys, threading
        from programs import become_nobody, report
        import callspan
        from callspan.exporters import FileExporter
        become_nobody()
        callspan.configure(exporters=[FileExporter(sys.argv[1] + "/spans.jsonl")])
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        try:
            threading.Thread(target=int).start()
        except RuntimeError:
            print("NO THREADS")
        with callspan.span("limited"):
            pass
        assert callspan.flush()
        report()
    """
    ended = run(program, tmp_path, str(open_folder))
    if "NO THREADS" not in ended.out:
        pytest.skip("this system does not keep to RLIMIT_NPROC")
    assert span_names(open_folder / "spans.jsonl") == ["limited"]
    assert ended.err.startswith("no thread can be started here")


# -- C13: flush and shutdown, anywhere and at once ---------------------------------------------------------------------


def test_c13_twice_before_configure_and_after_shutdown(tmp_path):
    program = """
        import callspan
        from programs import report
        assert callspan.flush() and callspan.flush()
        assert callspan.shutdown() and callspan.shutdown()
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        with callspan.span("one"):
            pass
        assert callspan.flush() and callspan.flush()
        assert callspan.shutdown() and callspan.shutdown()
        assert callspan.flush()
        report()
    """
    assert run(program, tmp_path).stats["file"]["delivered"] == 1


def test_c13_from_many_threads_at_once(tmp_path):
    program = """
        import sys, threading, time
        from programs import Sink, report
        import callspan
        from callspan.exporters import FileExporter

        @callspan.tool
        def work(number):
            return number

        def traffic(count):
            for number in range(count):
                work(number)
                if number % 50 == 0:
                    callspan.flush(10)

        for attempt in range(int(sys.argv[1])):
            callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])
            threads = [threading.Thread(target=traffic, args=(300,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.02)
            closing = [threading.Thread(target=callspan.shutdown) for _ in range(3)]
            for thread in closing:
                thread.start()
            for thread in [*closing, *threads]:
                thread.join()
            report()
    """
    count = times(3, 10)
    ended = run(program, tmp_path, str(count), timeout_s=60 + 2 * count)
    assert sum(stats["file"]["delivered"] for stats in ended.reports) == len(span_names(tmp_path / "spans.jsonl"))
    assert sum(stats["sink"]["delivered"] for stats in ended.reports) == len(at_sink(tmp_path / "sink.txt"))
    assert all(stats["file"]["buffered"] == stats["sink"]["buffered"] == 0 for stats in ended.reports)


SIGNALS = """
    import signal, sys, threading, time
    from programs import report
    import callspan
    from callspan.exporters import FileExporter, MemoryExporter
    {threads}
    callspan.configure(exporters=[FileExporter("spans.jsonl"), MemoryExporter(max_spans=10**6)])
    fired = [0]

    @callspan.tool
    def work(what):
        return what

    def handler(number, frame):
        fired[0] += 1
        work("handler")
        if fired[0] % 20 == 0:
            callspan.flush(0.01)
        if fired[0] % 50 == 0:
            callspan.stats()

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    until = time.monotonic() + float(sys.argv[1])
    made = 0
    while time.monotonic() < until:
        work("main")
        made += 1
        if made % 500 == 0:
            callspan.flush(1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert callspan.flush(20)
    assert fired[0] > 50, fired
    report()
    stats = callspan.stats()
    assert stats["file"]["delivered"] == stats["memory"]["delivered"]
    missing = made + fired[0] - stats["file"]["delivered"]
    assert 0 <= missing <= {suppressed}, (stats, made, fired)
"""


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no interval timers on this system")
@pytest.mark.parametrize("threads", ["worker", "none"])
def test_c13_from_a_signal_handler_that_comes_in_everywhere(tmp_path, threads):
    """B14, too: the handler interrupts an append, a flush, the start of the worker and delivery itself."""
    without = 'threading.Thread.start = lambda _: (_ for _ in ()).throw(RuntimeError("no threads"))'
    # Without a worker, delivery happens on the main thread, where nothing is recorded while it lasts.
    program = SIGNALS.format(
        threads=without if threads == "none" else "", suppressed="fired[0]" if threads == "none" else 0
    )
    ended = run(program, tmp_path, str(times(2, 5)), timeout_s=60)
    assert ended.stats["file"]["buffered"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_c13_shutdown_in_a_signal_handler(tmp_path):
    program = """
        import os, signal, sys, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])

        def handler(number, frame):
            callspan.shutdown(timeout_s=5)
            report()
            sys.exit(0)

        signal.signal(signal.SIGTERM, handler)
        made = 0
        while True:
            with callspan.span("one"):
                pass
            made += 1
            if made == 5000:
                os.kill(os.getpid(), signal.SIGTERM)
    """
    ended = run(program, tmp_path)
    assert ended.stats["file"]["delivered"] == len(span_names(tmp_path / "spans.jsonl")) == 5000


def test_c13_from_an_exporter_in_either_kind_of_thread(tmp_path):
    program = """
        import time
        from programs import report
        import callspan
        from callspan.exporters import ExportResult

        class Curious:
            def __init__(self, name, local):
                self.name, self.local = name, local
            def export(self, batch):
                assert not callspan.flush(30)
                callspan.stats()
                callspan.configure(exporters=exporters)
                return ExportResult(delivered=len(batch.spans))
            def close(self):
                callspan.flush(30)

        exporters = [Curious("in the worker", True), Curious("in a sender", False)]
        callspan.configure(exporters=exporters)
        start = time.monotonic()
        for _ in range(10):
            with callspan.span("one"):
                pass
        assert callspan.flush(10)
        report()
        callspan.shutdown()
        assert time.monotonic() - start < 5
    """
    ended = run(program, tmp_path)
    assert {stats["delivered"] for stats in ended.stats.values()} == {10}


# -- C16, D16: threads that die, exporters that misbehave --------------------------------------------------------------


def test_c16_a_worker_that_dies_comes_back(tmp_path):
    program = """
        import sys, threading
        from programs import report
        import callspan
        from callspan.exporters import ExportResult, FileExporter

        class Deadly:
            name, local = "deadly", True
            calls = 0
            def export(self, batch):
                Deadly.calls += 1
                raise [SystemExit(3), MemoryError(), KeyboardInterrupt(), RecursionError()][Deadly.calls % 4]
            def close(self):
                pass

        callspan.configure(exporters=[Deadly(), FileExporter("spans.jsonl")])
        for _ in range(40):
            with callspan.span("one"):
                pass
            callspan.flush(5)
        report()
    """
    ended = run(program, tmp_path)
    assert ended.stats["deadly"]["dropped"] == {"exporter error": 40}
    # A KeyboardInterrupt is never swallowed: it ends the worker before the next exporter's turn, which is counted.
    assert ended.stats["file"]["delivered"] == len(span_names(tmp_path / "spans.jsonl")) == 30
    assert ended.stats["file"]["dropped"] == {"worker died": 10}


def test_d16_one_exporter_that_misbehaves_is_no_matter_to_the_others(tmp_path):
    program = """
        import sys, threading, time
        from programs import Sink, report
        import callspan
        from callspan.exporters import ExportResult, FileExporter

        def bad(name, behave, local=False):
            methods = {"export": behave, "close": lambda self: sys.exit(9)}
            return type("Bad", (), {"name": name, "local": local, **methods})()

        def blocks(self, batch):
            time.sleep(3600)

        def leaks(self, batch):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
            return ExportResult(delivered=len(batch.spans))

        @callspan.tool
        def helper(): pass

        def instrumented(self, batch):
            helper()
            return ExportResult(delivered=len(batch.spans))

        callspan.configure(exporters=[
            bad("raises", lambda self, batch: 1 / 0), bad("raises here", lambda self, batch: 1 / 0, True),
            bad("exits", lambda self, batch: sys.exit(5)), bad("exits here", lambda self, batch: sys.exit(5), True),
            bad("none", lambda self, batch: None), bad("garbage", lambda self, batch: ExportResult("x", [], 3, {}, 4)),
            bad("blocks", blocks), bad("leaks", leaks), bad("instrumented", instrumented),
            FileExporter("spans.jsonl"), Sink("sink.txt"),
        ])
        for number in range(1000):
            with callspan.span("one"):
                pass
        start = time.monotonic()
        result = callspan.flush(1)
        assert time.monotonic() - start < 1.5
        assert not result and len(result.errors) == 6, result
        report()
    """
    ended = run(program, tmp_path, timeout_s=30)
    assert ended.seconds < 12
    stats = ended.stats
    delivered = {name for name, counts in stats.items() if counts["delivered"] == 1000}
    assert delivered == {"file", "sink", "leaks", "instrumented"}
    assert stats["raises"]["dropped"] == stats["exits"]["dropped"] == {"exporter error": 1000}
    assert stats["raises here"]["dropped"] == stats["exits here"]["dropped"] == {"exporter error": 1000}
    assert stats["none"]["dropped"] == {"exporter answer": 1000}
    assert stats["garbage"]["dropped"] == {"not delivered": 1000}
    assert stats["blocks"]["buffered"] == 1000
    assert len(span_names(tmp_path / "spans.jsonl")) == len(at_sink(tmp_path / "sink.txt")) == 1000


def test_p2_a_dead_exporter_costs_a_bounded_amount_of_memory(tmp_path):
    program = """
        import resource, sys, time
        from programs import report
        import callspan

        class Blocked:
            name, local = "blocked", False
            def export(self, batch): time.sleep(3600)
            def close(self): pass

        callspan.configure(exporters=[Blocked()])

        @callspan.tool
        def work(text):
            pass

        def grown():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(20_000):
            work("%020d" % number * 1500)  # 30 kB each, 600 MB in all
        time.sleep(1)
        print("GROWN", grown() // 1024)
        report()
    """
    ended = run(program, tmp_path, timeout_s=60)
    grown = int(ended.out.split("GROWN", 1)[1].split()[0])
    assert grown < 2 * 64 * 1.2 + 40, grown  # two queues of 64 MiB: the worker's and the sender's
    stats = ended.stats["blocked"]
    assert stats["ended"] == 20_000
    assert stats["dropped"]["queue full"] > 10_000
