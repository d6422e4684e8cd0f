"""C8 and what follows from it: forked children start from zero, lose nothing of their own and repeat nothing."""

from __future__ import annotations

import sys

import pytest

from programs import at_sink, by_process, run, span_ids, span_names, times

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="no fork on Windows"),
    # Python 3.12 and later warn of what the tests do on purpose: they fork a process that has threads.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]
QUIET = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}

STORM = """
    import os, sys, threading
    from programs import Sink, report
    import callspan
    from callspan.exporters import FileExporter
    callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])

    @callspan.tool
    def work(what):
        return what

    stop = threading.Event()
    made = [0]

    def traffic():
        while not stop.wait(0.0002):
            work("parent")
            made[0] += 1

    threads = [threading.Thread(target=traffic)]
    for thread in threads:
        thread.start()
    children = {}
    for number in range(int(sys.argv[1])):
        process_id = os.fork()
        if not process_id:
            assert callspan.stats()["file"]["ended"] == 0
            assert callspan.stats()["file"]["delivered"] == 0
            for _ in range(3):
                work("child")
            result = callspan.flush(20)
            os._exit(0 if result else 1)
        _, status = os.waitpid(process_id, 0)
        assert status == 0, status
    stop.set()
    for thread in threads:
        thread.join()
    assert callspan.flush(20)
    print("MADE", os.getpid(), made[0])
    report()
"""


def test_c8_a_storm_of_forks_while_the_worker_is_busy(tmp_path):
    count = times(20, 200)
    ended = run(STORM, tmp_path, str(count), timeout_s=30 + count, **QUIET)
    parent, made = map(int, next(line for line in ended.out.splitlines() if line.startswith("MADE")).split()[1:])
    per_process = by_process(tmp_path / "sink.txt")
    assert per_process.pop(parent) == made
    assert list(per_process.values()) == [3] * count
    found = [ids for _, ids, _ in at_sink(tmp_path / "sink.txt")]
    assert len(set(found)) == len(found) == made + 3 * count
    in_file = span_ids(tmp_path / "spans.jsonl")
    assert len(set(in_file)) == len(in_file) == made + 3 * count
    assert ended.stats["file"]["delivered"] == ended.stats["sink"]["delivered"] == made


def test_c8_a_fork_right_after_the_first_span_does_not_stop_at_an_import(tmp_path):
    program = """
        import os, signal, sys, time
        import callspan
        from callspan.exporters import FileExporter, MemoryExporter
        callspan.configure(exporters=[MemoryExporter(), FileExporter("spans.jsonl")])
        for number in range(600):  # enough to wake the worker, which imports what it needs, pydantic for one
            with callspan.span("parent"):
                pass
        time.sleep(float(sys.argv[1]))
        process_id = os.fork()
        if not process_id:
            signal.alarm(15)
            import pydantic
            with callspan.span("child"):
                pass
            os._exit(0 if callspan.flush(10) else 1)
        assert os.waitpid(process_id, 0)[1] == 0
    """
    count = times(5, 15)
    for number in range(count):  # a little later each time: the imports take some 200 ms
        (tmp_path / "spans.jsonl").unlink(missing_ok=True)
        run(program, tmp_path, str(0.005 + number * 0.2 / count), timeout_s=40, **QUIET)
        names = span_names(tmp_path / "spans.jsonl")
        assert (names.count("parent"), names.count("child")) == (600, 1)


def test_c8_children_that_exit_normally_deliver_at_exit(tmp_path):
    program = """
        import os, sys
        from programs import Sink
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])

        def descend(depth):
            with callspan.span(f"depth {depth}"):
                pass
            if depth < 4:
                process_id = os.fork()
                if not process_id:
                    descend(depth + 1)
                    sys.exit(depth + 1)
                assert os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]) == depth + 1

        descend(0)
    """
    run(program, tmp_path, **QUIET)
    expected = [f"depth {depth}" for depth in range(5)]
    assert sorted(span_names(tmp_path / "spans.jsonl")) == expected
    assert sorted(name for *_, name in at_sink(tmp_path / "sink.txt")) == expected


def test_c8_a_fork_inside_a_span_gives_both_of_them_the_same_parent(tmp_path):
    program = """
        import os
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        with callspan.span("outer") as outer:
            process_id = os.fork()
            with callspan.span("inner") as inner:
                assert inner.trace_id == outer.trace_id and inner.parent_id == outer.span_id
            if not process_id:
                callspan.flush(10)
                os._exit(0)
            assert os.waitpid(process_id, 0)[1] == 0
    """
    run(program, tmp_path, **QUIET)
    assert sorted(span_names(tmp_path / "spans.jsonl")) == ["inner", "inner", "outer"]
    ids = span_ids(tmp_path / "spans.jsonl")
    assert len(set(ids)) == 3


def test_c8_a_child_that_is_killed_while_it_writes_leaves_the_others_the_lock(tmp_path):
    program = """
        import os, signal, threading, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        for number in range(10):
            process_id = os.fork()
            if not process_id:
                while True:
                    with callspan.span("child", input="x" * 50_000):
                        pass
            time.sleep(0.05)
            os.kill(process_id, signal.SIGKILL)
            os.waitpid(process_id, 0)
            with callspan.span("parent"):
                pass
            assert callspan.flush(9)
        report()
    """
    ended = run(program, tmp_path, **QUIET)
    assert ended.stats["file"]["delivered"] == 10
    lines = (tmp_path / "spans.jsonl").read_bytes().splitlines()
    assert sum(b'"name":"parent"' in line for line in lines) == 10
    torn = [line for line in lines if not line.endswith(b"]}]}]}")]
    assert len(torn) <= 10


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing_deliver_at_their_end(tmp_path, method):
    """They end by `os._exit`, past every `atexit` handler."""
    program = """
        import multiprocessing, os, sys
        import callspan
        from callspan.exporters import FileExporter

        callspan.configure(exporters=[FileExporter("spans.jsonl")])

        @callspan.tool
        def double(number):
            return 2 * number

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            process = context.Process(target=double, args=(1,))
            process.start()
            process.join()
            assert process.exitcode == 0
            pool = context.Pool(2, maxtasksperchild=3)
            assert pool.map(double, range(12), chunksize=1) == list(range(0, 24, 2))
            pool.close()
            pool.join()
    """
    run(program, tmp_path, method, **QUIET)
    assert len(span_names(tmp_path / "spans.jsonl")) == 13
    assert len(set(span_ids(tmp_path / "spans.jsonl"))) == 13
