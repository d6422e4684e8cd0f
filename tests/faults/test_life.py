"""C1, C2, C8, C9, C14, C15, C17, C18: how a process lives, forks, freezes and ends, also within narrow limits."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest

import receiver as receivers
from programs import ROOT, at_sink, environment, finish, run, span_ids, span_names, start, times
from receiver import Receiver, Reply, closed_port

pytestmark = pytest.mark.faults
BUSY_S = 1.0  # what a machine may need that has other things to do
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
QUIET = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}  # Python 3.12 and later warn of forks where threads are


# -- C2: the end, with a sink that is dead -----------------------------------------------------------------------------

DEAD = """
    import atexit, socket, sys, time
    import callspan, httpx  # its import takes long on a busy machine, and counts as progress
    from programs import report
    from callspan.exporters import OTLPExporter

    def tell():
        print("WAITED", time.monotonic() - ending, flush=True)
        report()

    atexit.register(tell)
    if sys.argv[2] == "names":
        socket.getaddrinfo = lambda *args, **kwargs: time.sleep(3600)
    callspan.configure(exporters=[OTLPExporter(sys.argv[1])])
    for number in range(2000):
        with callspan.span(str(number)):
            pass
    time.sleep(0.3)
    ending = time.monotonic()
    sys.exit(7)
"""


@pytest.mark.parametrize("kind", ["deaf", "refused", "swallowed", "names", "always 503"])
def test_c02_a_dead_sink_at_the_end_costs_two_seconds_and_one_line(tmp_path, kind):
    with receivers.deaf() as deaf, receivers.black_hole() as hole, Receiver(Reply(503)) as never:
        url = {
            "deaf": deaf,
            "refused": f"http://127.0.0.1:{closed_port()}",
            "swallowed": f"http://127.0.0.1:{hole}",
            "names": "http://collector.test:4318",
            "always 503": never.url,
        }[kind]
        ended = run(DEAD, tmp_path, url, kind, code=7, timeout_s=30)
    waited = float(next(line for line in ended.out.splitlines() if line.startswith("WAITED"))[7:])
    assert waited < 2.5 + BUSY_S
    stats = ended.stats["otlp"]
    assert (stats["ended"], stats["delivered"]) == (2000, 0)
    assert stats["buffered"] + sum(stats["dropped"].values()) == 2000
    assert len(ended.err.splitlines()) == 1
    assert "2000 spans were not delivered in time" in ended.err


def test_c01_a_healthy_receiver_has_everything_at_the_end(tmp_path):
    with Receiver() as receiver:
        ended = run(DEAD, tmp_path, receiver.url, "healthy", code=7, timeout_s=30)
        assert sorted(receiver.names(), key=int) == [*map(str, range(2000))]
    assert ended.err == ""
    assert ended.stats["otlp"]["delivered"] == 2000


# -- C8, C9: children --------------------------------------------------------------------------------------------------

FORKS = """
    import os, sys, threading
    from programs import report
    import callspan
    from callspan.exporters import OTLPExporter
    callspan.configure(exporters=[OTLPExporter(sys.argv[1])])

    def make(count, name):
        for number in range(count):
            with callspan.span(f"{name} {number}", input=os.getpid()):
                pass

    make(50, "parent")  # in the queue, or on their way, when the first child is forked
    children = []
    for child in range(int(sys.argv[2])):
        process_id = os.fork()
        if not process_id:
            make(3, f"child {child}")
            os._exit(0 if callspan.flush(20) else 1)
        children.append(process_id)
        make(5, f"between {child}")
    for process_id in children:
        assert os.waitpid(process_id, 0)[1] == 0
    assert callspan.flush(20)
    report()
"""


@posix
def test_c08_forks_while_a_request_is_on_its_way(tmp_path):
    count = times(8, 60)
    with Receiver(Reply(delay_s=0.05)) as receiver:
        ended = run(FORKS, tmp_path, receiver.url, str(count), timeout_s=60 + count, **QUIET)
        names = sorted(receiver.names())
        ids = {(span.trace_id, span.span_id) for span in receiver.spans()}
    expected = [f"parent {number}" for number in range(50)]
    for child in range(count):
        expected += [f"child {child} {number}" for number in range(3)]
        expected += [f"between {child} {number}" for number in range(5)]
    assert names == sorted(expected)
    assert len(ids) == len(names)
    assert ended.stats["otlp"]["delivered"] == 50 + 5 * count


@posix
def test_c09_children_that_become_other_programs_and_daemons(tmp_path):
    program = """
        import os, subprocess, sys, time
        from programs import Sink, report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])

        def make(name):
            with callspan.span(name):
                pass

        make("before")
        process_id = os.fork()
        if not process_id:
            make("lost with the program that was")
            os.execv(sys.executable, [sys.executable, "-c", "import sys; sys.exit(3)"])
        assert os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]) == 3
        done = subprocess.run([sys.executable, "-c", "print(1)"], preexec_fn=lambda: make("before exec"), check=True,
                              capture_output=True)
        assert done.stdout == b"1\\n"
        make("between")
        process_id = os.fork()
        if not process_id:  # a daemon: its parent ends at once, and it closes what it inherited
            os.setsid()
            if os.fork():
                os._exit(0)
            os.closerange(3, 64)
            make("daemon")
            callspan.flush(9)
            open("daemon.done", "w").close()
            os._exit(0)
        assert os.waitpid(process_id, 0)[1] == 0
        while not os.path.exists("daemon.done"):
            time.sleep(0.01)
        make("after")
        assert callspan.flush(9)
        report()
    """
    ended = run(program, tmp_path, timeout_s=30, **QUIET)
    names = span_names(tmp_path / "spans.jsonl")
    assert sorted(set(names) - {"lost with the program that was", "before exec"}) == [
        "after",
        "before",
        "between",
        "daemon",
    ]
    assert len(set(span_ids(tmp_path / "spans.jsonl"))) == len(names)
    assert sorted(name for *_, name in at_sink(tmp_path / "sink.txt") if name in ("before", "after", "daemon")) == [
        "after",
        "before",
        "daemon",
    ]
    assert ended.stats["file"]["delivered"] == ended.stats["sink"]["delivered"] == 3


# -- C14: configured again ---------------------------------------------------------------------------------------------


def test_c14_configured_again_under_traffic_nothing_is_lost_or_written_twice(tmp_path):
    program = """
        import sys, threading, time
        from programs import Sink, check_conserved, report
        import callspan
        from callspan.exporters import FileExporter
        handle = callspan.instrument("threads")
        stop, made = threading.Event(), [0] * 4

        def traffic(index):
            while not stop.is_set():
                with callspan.span(f"{index} {made[index]}"):
                    made[index] += 1
                time.sleep(0.0005)

        file = FileExporter("shared.jsonl")
        callspan.configure(exporters=[file, Sink("sink.txt")])
        threads = [threading.Thread(target=traffic, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        total = {"ended": 0, "delivered": 0}
        for number in range(int(sys.argv[1])):
            callspan.configure(exporters=[file, Sink("sink.txt")], sample_rate=1.0, service_name=f"service-{number}")
            callspan.instrument("threads")
            check_conserved(callspan.stats())
        stop.set()
        for thread in threads:
            thread.join()
        assert callspan.flush(20)
        print("MADE", sum(made))
        report()
    """
    ended = run(program, tmp_path, str(times(10, 60)), timeout_s=120)
    made = int(next(line for line in ended.out.splitlines() if line.startswith("MADE"))[5:])
    in_file, at = span_names(tmp_path / "shared.jsonl"), at_sink(tmp_path / "sink.txt")
    assert len(set(in_file)) == len(in_file) == made
    assert len({name for *_, name in at}) == len(at) == made


# -- C15: frozen and thawed --------------------------------------------------------------------------------------------

FROZEN = """
    import sys, time
    from programs import report
    import callspan
    from callspan.exporters import OTLPExporter
    callspan.configure(exporters=[OTLPExporter(sys.argv[1])], flush_on=sys.argv[2])

    @callspan.chain
    def handle(number):
        with callspan.span("inside"):
            return number

    for number in range(4):
        handle(number)
        print("ANSWERED", number, time.monotonic(), flush=True)
        sys.stdin.readline()
    assert callspan.flush(9)
    report()
"""


@posix
def test_c15_a_function_that_is_frozen_between_two_answers(tmp_path):
    (tmp_path / "program.py").write_text("\n".join(line[4:] for line in FROZEN.splitlines()))
    with Receiver() as receiver:
        process = subprocess.Popen(
            [sys.executable, "program.py", receiver.url, "root"],
            cwd=tmp_path,
            env=environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(4):
            assert process.stdout.readline().startswith(f"ANSWERED {number}")
            process.send_signal(signal.SIGSTOP)
            assert receiver.names() == ["inside", "handle"] * (number + 1)  # all of it is out before the answer is
            receiver.hang_up()  # as idle connections are, while nobody is there to notice
            time.sleep(0.2)
            process.send_signal(signal.SIGCONT)
            process.stdin.write("\n")
            process.stdin.flush()
        ended = finish(process, began=time.monotonic())
        assert receiver.names() == ["inside", "handle"] * 4
    assert ended.stats["otlp"]["delivered"] == 8
    assert ended.stats["otlp"]["retries"] == 0  # a stale connection is no failure


@posix
def test_c15_a_process_that_sleeps_for_a_while_goes_on_where_it_was(tmp_path):
    program = """
        import sys, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter, OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1]), FileExporter("spans.jsonl")])
        number = 0
        until = time.monotonic() + 3
        print("READY", flush=True)
        while time.monotonic() < until:
            with callspan.span(str(number)):
                number += 1
            time.sleep(0.001)
        assert callspan.flush(9)
        print("MADE", number)
        report()
    """
    with Receiver() as receiver:
        began = time.monotonic()
        process = start(program, tmp_path, receiver.url)
        assert process.stdout.readline() == "READY\n"
        for _ in range(3):
            time.sleep(0.2)
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            process.send_signal(signal.SIGCONT)
        ended = finish(process, began=began)
        made = int(next(line for line in ended.out.splitlines() if line.startswith("MADE"))[5:])
        assert len(receiver.names()) == made
    assert len(span_names(tmp_path / "spans.jsonl")) == made
    assert ended.stats["file"]["delivered"] == ended.stats["otlp"]["delivered"] == made


# -- C17: other ways to run Python -------------------------------------------------------------------------------------

SMALL = """
import atexit
import callspan
from callspan.exporters import FileExporter
callspan.configure(exporters=[FileExporter("spans.jsonl")])

@callspan.tool
def work(number):
    return number

with callspan.conversation("c"), callspan.span("outer"):
    for number in range(3):
        work(number)
is_delivered = callspan.flush(9)
counts = callspan.stats()["file"]
if not is_delivered or counts["delivered"] != 4:
    raise SystemExit(f"delivered {counts}")
"""


@pytest.mark.parametrize("options", ["-O", "-OO", "-I", "-X dev", "-X utf8=0", "-b", "-W error"])
def test_c17_options_of_the_interpreter(tmp_path, options):
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n{SMALL}"
    done = subprocess.run(
        [sys.executable, *options.split(), "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(span_names(tmp_path / "spans.jsonl")) == ["outer", "work", "work", "work"]


def test_c17_from_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        for path in (ROOT / "src" / "callspan").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, Path("callspan") / path.relative_to(ROOT / "src" / "callspan"))
        archive.writestr("__main__.py", SMALL + "\nassert '.pyz' in callspan.__file__, callspan.__file__\n")
    done = subprocess.run(
        [sys.executable, "app.pyz"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(span_names(tmp_path / "spans.jsonl")) == ["outer", "work", "work", "work"]


def test_c17_in_a_subinterpreter_it_works_or_refuses_and_harms_nobody(tmp_path):
    head = """
        import sys
        try:
            import _interpreters as interpreters
            run = lambda made, text: interpreters.exec(made, text)
        except ImportError:
            import _xxsubinterpreters as interpreters
            run = lambda made, text: interpreters.run_string(made, text)
        made = interpreters.create()
    """
    alone = dedent(head) + 'run(made, "import ssl"); interpreters.destroy(made); import ssl'
    if subprocess.run([sys.executable, "-c", alone], check=False, capture_output=True).returncode < 0:
        pytest.skip("this Python crashes when the standard library is imported in a subinterpreter and then here")
    program = f"""
        {head}
        try:
            failure = run(made, {SMALL!r})
        except Exception as error:
            failure = error
        print("REFUSED" if failure else "WORKED", str(failure)[:200])
        interpreters.destroy(made)
        import callspan
        from callspan.exporters import FileExporter
        from programs import report
        callspan.configure(exporters=[FileExporter("main.jsonl")])
        with callspan.span("main"):
            pass
        assert callspan.flush(9)
        report()
    """
    ended = run(program, tmp_path, timeout_s=60, complains=True)
    assert ended.out.startswith(("WORKED", "REFUSED"))
    assert span_names(tmp_path / "main.jsonl") == ["main"]
    assert ended.stats["file"]["delivered"] == 1
    if ended.out.startswith("WORKED"):
        assert sorted(span_names(tmp_path / "spans.jsonl")) == ["outer", "work", "work", "work"]


# -- C18: narrow limits ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_c18_no_file_descriptor_is_left_for_us(tmp_path):
    program = """
        import os, resource, sys
        from programs import report
        import callspan
        from callspan.exporters import FileExporter, OTLPExporter
        warm = sys.argv[2] == "warm"
        callspan.configure(exporters=[OTLPExporter(sys.argv[1]), FileExporter("spans.jsonl")])

        @callspan.tool
        def work(number):
            return number

        if warm:
            work(-1)
            assert callspan.flush(9)
        taken = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        for number in range(200):
            assert work(number) == number
        callspan.flush(1)
        report()
        for descriptor in taken:
            os.close(descriptor)
        for number in range(200, 210):
            assert work(number) == number
        callspan.flush(9)
        report()
    """
    for state in ("cold", "warm"):
        folder = tmp_path / state
        folder.mkdir()
        with Receiver() as receiver:
            ended = run(program, folder, receiver.url, state, timeout_s=60)
            names = receiver.names()
        before, after = ended.reports
        extra = 1 if state == "warm" else 0
        assert after["otlp"]["delivered"] == len(names)
        assert after["otlp"]["ended"] == 210 + extra
        assert (
            before["file"]["delivered"] + sum(before["file"]["dropped"].values()) + before["file"]["buffered"]
            == 200 + extra
        )
        assert after["file"]["delivered"] == len(span_names(folder / "spans.jsonl")) >= 10


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_c18_hardly_any_memory_is_left(tmp_path):
    program = """
        import resource, sys
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])

        @callspan.tool
        def work(text):
            return len(text)

        work("warm")
        assert callspan.flush(9)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 48 * 1_048_576, resource.RLIM_INFINITY))
        failed = 0
        for number in range(400):
            try:
                text = str(number) * 100_000  # the application's own
            except MemoryError:
                failed += 1
                continue
            assert work(text) == len(text)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        work("after")
        callspan.flush(9)
        print("FAILED", failed)
        report()
    """
    ended = run(program, tmp_path, timeout_s=60)
    stats = ended.stats["file"]
    failed = int(next(line for line in ended.out.splitlines() if line.startswith("FAILED"))[7:])
    assert stats["ended"] == 402 - failed
    assert stats["delivered"] == len(span_names(tmp_path / "spans.jsonl")) > 0
