"""C5 and C6: SIGTERM is nobody's but the application's, unless it asks; Ctrl-C twice ends at once."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from programs import finish, run, span_names, start

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]

ENDING = """
    import atexit, os, signal, sys, threading, time
    from programs import report
    import callspan
    from callspan.exporters import FileExporter

    def handler(number, frame):
        print("HANDLER", number, frame is not None, callspan.stats()["file"]["buffered"], flush=True)
        report()
        {handler}

    {before}
    atexit.register(report)
    callspan.configure(exporters=[FileExporter("spans.jsonl")], {configure})
    {after}
    for number in range(2000):
        with callspan.span(str(number)):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    {then}
"""
PARTS = {"handler": "sys.exit(5)", "before": "", "configure": "", "after": "", "then": "time.sleep(10)"}
ASKED = {"configure": "flush_on_sigterm=True"}
HANDLED = {"before": "signal.signal(signal.SIGTERM, handler)"}


def end(folder, code, **parts):
    ended = run(ENDING.format(**{**PARTS, **parts}), folder, code=code, timeout_s=30)
    path = folder / "spans.jsonl"
    return ended, span_names(path) if path.exists() else []


# -- C5: SIGTERM -------------------------------------------------------------------------------------------------------


def test_c05_unasked_the_process_ends_by_the_signal(tmp_path):
    ended, names = end(tmp_path, -signal.SIGTERM)
    assert names == [str(number) for number in range(len(names))]
    assert ended.seconds < 8


def test_c05_unasked_a_handler_of_the_application_is_called_as_ever(tmp_path):
    ended, names = end(tmp_path, 5, **HANDLED)
    assert "HANDLER 15 True" in ended.out
    assert len(names) == 2000
    assert ended.stats["file"]["delivered"] == 2000


def test_c05_asked_all_is_delivered_and_the_process_ends_by_the_signal(tmp_path):
    ended, names = end(tmp_path, -signal.SIGTERM, **ASKED)
    assert len(names) == 2000
    assert ended.err == ""
    assert ended.seconds < 8


def test_c05_asked_by_the_environment(tmp_path):
    run(ENDING.format(**PARTS), tmp_path, code=-signal.SIGTERM, CALLSPAN_FLUSH_ON_SIGTERM="true")
    assert len(span_names(tmp_path / "spans.jsonl")) == 2000


def test_c05_asked_the_handler_before_ours_comes_after_the_delivery(tmp_path):
    ended, names = end(tmp_path, 5, **ASKED, **HANDLED)
    assert "HANDLER 15 True 0" in ended.out
    assert len(names) == 2000
    assert ended.reports[0]["file"]["delivered"] == 2000


def test_c05_a_handler_that_lets_the_process_go_on_is_called_every_time(tmp_path):
    then = """
    with callspan.span("later"):
        with callspan.span("inside"):
            pass
    assert callspan.stats()["file"]["buffered"] == 0
    os.kill(os.getpid(), signal.SIGTERM)
"""
    ended, names = end(tmp_path, 0, **ASKED, **HANDLED, handler="pass", then=then)
    assert ended.out.count("HANDLER") == 2
    assert names[-2:] == ["inside", "later"]
    assert ended.stats["file"]["delivered"] == 2002


def test_c05_a_handler_that_comes_after_ours_replaces_it_or_chains_as_it_likes(tmp_path):
    after = "signal.signal(signal.SIGTERM, handler)"
    ended, _ = end(tmp_path, 5, **ASKED, after=after)
    assert "HANDLER 15 True" in ended.out
    assert ended.stats["file"]["delivered"] == 2000  # at exit


def test_c05_a_process_that_ignores_the_signal_goes_on_ignoring_it(tmp_path):
    before = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    then = "assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN"
    ended, names = end(tmp_path, 0, **ASKED, before=before, then=then)
    assert "flush_on_sigterm has no effect" in ended.err
    assert len(names) == 2000


def test_c05_another_thread_cannot_ask_and_is_told_so(tmp_path):
    program = """
        import signal, threading
        from programs import report
        import callspan
        from callspan.exporters import MemoryExporter

        def configure():
            callspan.configure(exporters=[MemoryExporter()], flush_on_sigterm=True)
            with callspan.span("one"):
                pass

        thread = threading.Thread(target=configure)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert callspan.flush(9)
        report()
    """
    ended = run(program, tmp_path)
    assert ended.err == "flush_on_sigterm has no effect: configure() was not called on the main thread\n"
    assert ended.stats["memory"]["delivered"] == 1


def test_c05_switched_off_everything_is_as_before(tmp_path):
    program = """
        import signal
        import callspan
        from callspan.exporters import MemoryExporter
        mine = lambda number, frame: None
        for before in (signal.SIG_DFL, mine):
            signal.signal(signal.SIGTERM, before)
            memory = MemoryExporter()
            callspan.configure(exporters=[memory], flush_on_sigterm=True)
            ours = signal.getsignal(signal.SIGTERM)
            assert ours is not before
            callspan.configure(exporters=[memory], flush_on_sigterm=True, sample_rate=0.5)
            assert signal.getsignal(signal.SIGTERM) == ours
            callspan.configure(exporters=[memory])
            assert signal.getsignal(signal.SIGTERM) is before
            callspan.configure(exporters=[memory], flush_on_sigterm=True)
            callspan.shutdown()
            assert signal.getsignal(signal.SIGTERM) is before
        callspan.configure(exporters=[memory], flush_on_sigterm=True)
        others = lambda number, frame: None
        signal.signal(signal.SIGTERM, others)
        callspan.shutdown()
        assert signal.getsignal(signal.SIGTERM) is others
    """
    run(program, tmp_path)


BLOCKED = """
    import signal, sys, time
    from programs import report
    import callspan
    from callspan.exporters import FileExporter

    class Blocked:
        name, local = "blocked", False
        def export(self, batch): time.sleep(3600)
        def close(self): time.sleep(3600)

    callspan.configure(exporters=[Blocked(), FileExporter("spans.jsonl")], flush_on_sigterm=True)
    with callspan.span("one"):
        pass
    time.sleep(0.3)
    report()
    try:
        print("READY", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("INTERRUPTED", flush=True)
        raise
"""


def ready(folder):
    process = start(BLOCKED, folder)
    while process.stdout.readline().strip() != "READY":
        assert process.poll() is None
    return process


@pytest.mark.parametrize("again", [False, True])
def test_c05_a_dead_sink_costs_two_seconds_and_a_second_signal_ends_that(tmp_path, again):
    process = ready(tmp_path)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    if again:
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
    ended = finish(process, code=-signal.SIGTERM, began=began)
    assert ended.seconds < (1.5 if again else 4)
    assert again or ended.seconds > 1.5
    assert span_names(tmp_path / "spans.jsonl") == ["one"]


# -- C6: Ctrl-C --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
def test_c06_ctrl_c_twice_ends_at_once(tmp_path, again):
    process = ready(tmp_path)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "INTERRUPTED\n"
    if again:
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    ended = finish(process, code=-signal.SIGINT, began=began, complains=True)
    assert ended.seconds < (1.5 if again else 4)
    assert again or ended.seconds > 1.5
    assert "callspan/" not in ended.err
    assert span_names(tmp_path / "spans.jsonl") == ["one"]


def test_c06_ctrl_c_during_a_flush_is_the_applications(tmp_path):
    program = """
        import os, signal, threading, time
        from programs import report
        import callspan

        class Blocked:
            name, local = "blocked", False
            def export(self, batch): time.sleep(3600)
            def close(self): pass

        callspan.configure(exporters=[Blocked()])
        with callspan.span("one"):
            pass
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        for wait in (callspan.flush, callspan.shutdown):
            try:
                wait(30)
            except KeyboardInterrupt:
                print("INTERRUPTED")
                break
        assert time.monotonic() - start < 5
        report()
        os._exit(0)
    """
    ended = run(program, tmp_path)
    assert "INTERRUPTED" in ended.out
    assert ended.stats["blocked"]["buffered"] == 1
