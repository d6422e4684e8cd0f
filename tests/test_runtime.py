from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import callspan
from callspan import environment
from callspan import runtime as runtimes
from callspan.capture.switch import switch
from callspan.errors import ConfigurationError
from callspan.exporters import FileExporter, MemoryExporter
from callspan.guard import guard
from callspan.pipeline.counters import FlushResult
from callspan.recording.recorder import Recorder
from callspan.runtime import Runtime, runtime
from odd_exporters import Blocking, Calling, Keeping


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working directory, an environment without settings, and nothing said or run yet."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("CALLSPAN_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(environment, "_warned", set())
    runtime.pipeline = runtime._recorder = None
    guard.forget()
    yield
    guard.strict = False
    runtime.shutdown(1.0)
    runtime.pipeline = runtime._recorder = None
    guard.forget()


@callspan.tool
def double(number: int) -> int:
    return 2 * number


def conserved() -> dict[str, Any]:
    counts = callspan.stats()
    for name, stats in counts.items():
        settled = stats["delivered"] + stats["rejected"] + sum(stats["dropped"].values())
        assert stats["ended"] + stats["adopted"] == settled + stats["buffered"] + stats["spooled"], (name, stats)
    return counts


# -- on and off --------------------------------------------------------------------------------------------------------


def test_before_configure_everything_is_harmless(tmp_path):
    assert double(2) == 4
    assert callspan.flush() == callspan.shutdown() == FlushResult(ok=True)
    assert callspan.stats() == {}
    assert list(tmp_path.iterdir()) == []


def test_configure_without_arguments_writes_a_file_here_and_says_so_once(tmp_path, capsys):
    callspan.configure()
    path = tmp_path / ".callspan" / "spans.jsonl"
    assert list(tmp_path.iterdir()) == []
    double(2)
    assert callspan.flush().ok
    callspan.configure()
    callspan.shutdown()
    callspan.configure()
    assert json.loads(path.read_text())["resourceSpans"]
    here = Path(".callspan") / "spans.jsonl"
    told = f"callspan: writing spans to {path}; look at them with: callspan view {here}\n"
    assert capsys.readouterr().err == told


def test_a_path_on_another_drive_is_shown_in_full():
    assert runtimes._shown(None) == "None"
    assert runtimes._shown("spans.jsonl") == "spans.jsonl"


def test_nothing_runs_before_the_first_span():
    before = threading.active_count()
    wire = Keeping(local=False)
    callspan.configure(exporters=[wire, MemoryExporter()])
    assert threading.active_count() == before


def test_shutdown_delivers_and_switches_off_and_keeps_the_counts():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory])
    double(1)
    assert callspan.shutdown() == FlushResult(ok=True)
    double(2)
    assert switch.recorder is None
    assert len(memory.spans) == 1
    assert conserved()["memory"]["delivered"] == 1
    assert callspan.shutdown() == callspan.flush() == FlushResult(ok=True)


def test_a_span_that_is_open_at_shutdown_is_delivered_when_it_ends():
    memory, wire = MemoryExporter(), Keeping("wire", local=False)
    callspan.configure(exporters=[memory, wire])
    with callspan.span("late"):
        callspan.shutdown()
    assert [span.name for span in memory.spans] == ["late"]
    counts = conserved()
    assert (counts["memory"]["delivered"], counts["wire"]["dropped"]) == (1, {"shutdown": 1})


def test_after_shutdown_it_can_be_configured_again():
    memory = MemoryExporter()
    for count in (1, 2):
        callspan.configure(exporters=[memory])
        double(1)
        callspan.shutdown()
        assert len(memory.spans) == count


@pytest.mark.parametrize("variable", ["CALLSPAN_DISABLED", "OTEL_SDK_DISABLED"])
def test_the_environment_switches_off(monkeypatch, variable, tmp_path):
    monkeypatch.setenv(variable, "true")
    callspan.configure()
    double(1)
    assert switch.recorder is None
    assert callspan.stats() == {}
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigurationError):
        callspan.configure(sample_rate=7)


# -- configuring again -------------------------------------------------------------------------------------------------


def test_the_same_settings_change_nothing():
    memory = MemoryExporter()
    callspan.configure(service_name="shop", exporters=[memory], resource={"a": 1})
    first = runtime.pipeline
    callspan.configure(service_name="shop", exporters=[memory], resource={"a": 1})
    assert runtime.pipeline is first
    callspan.configure(service_name="shop", exporters=[MemoryExporter()], resource={"a": 1})
    assert runtime.pipeline is not first


def test_other_settings_replace_the_pipeline_and_the_old_one_drains():
    old, new = Keeping("old", local=False), Keeping("new", local=False)
    callspan.configure(exporters=[old])
    for number in range(1000):
        double(number)
    callspan.configure(exporters=[new])
    assert (len(old.spans), old.closed) == (1000, 1)
    double(1)
    assert callspan.flush().ok
    assert len(new.spans) == 1
    assert list(conserved()) == ["new"]


def test_a_span_that_is_open_while_the_settings_change_goes_where_the_new_ones_say():
    first, second, third = (Keeping(name, local=False) for name in ("first", "second", "third"))
    callspan.configure(exporters=[first])
    with callspan.span("program"):
        callspan.configure(exporters=[second])
        with callspan.span("part"):
            callspan.configure(exporters=[third])
    assert callspan.flush().ok
    assert [[span.name for span in kept.spans] for kept in (first, second, third)] == [[], [], ["part", "program"]]
    assert conserved()["third"]["ended"] == 2


def test_roots_deliver_before_they_return_where_that_is_wanted():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], flush_on="root")

    @callspan.chain
    def outer() -> int:
        double(1)
        return len(memory.spans)

    assert outer() == 0
    assert [span.name for span in memory.spans] == ["double", "outer"]
    callspan.configure(exporters=[memory], flush_on="never")
    assert runtime._recorder is not None
    assert runtime._recorder.sink == runtime.pipeline.offer  # type: ignore[union-attr]


def test_an_endpoint_in_the_environment_is_where_spans_go(monkeypatch, capsys):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    callspan.configure()
    assert list(callspan.stats()) == ["otlp"]
    assert capsys.readouterr().err == ""


def test_a_wrong_setting_changes_nothing():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory])
    for wrong in ({"sample_rate": 2}, {"exporters": ["nope"]}, {"exporters": [None]}):
        with pytest.raises(ConfigurationError):
            callspan.configure(**wrong)
    double(1)
    callspan.flush()
    assert len(memory.spans) == 1


def test_an_exporter_that_stays_is_not_closed_and_gets_the_old_spans_first():
    inside = []

    def note() -> None:
        inside.append(threading.current_thread().name)
        assert len(inside) == 1, "two pipelines use it at once"
        time.sleep(0.001)
        inside.clear()

    shared = Calling(note, "shared", local=False)
    callspan.configure(exporters=[shared])
    for number in range(1200):
        double(number)
    callspan.configure(exporters=[shared], service_name="other")
    for number in range(100):
        double(number)
    assert callspan.flush().ok
    assert len(shared.spans) == 1300
    assert shared.closed == 0
    callspan.shutdown()
    assert shared.closed == 1


def test_reconfiguring_under_traffic_loses_nothing():
    stop = threading.Event()
    made = [0] * 3
    memory = MemoryExporter(max_spans=1_000_000)

    def work(index: int) -> None:
        while not stop.wait(0.0005):
            double(1)
            made[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    callspan.configure(exporters=[memory], service_name="0")
    for thread in threads:
        thread.start()
    pipelines = []
    for number in range(1, 8):
        pipelines.append(runtime.pipeline)
        callspan.configure(exporters=[memory], service_name=str(number))
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert callspan.flush().ok
    conserved()
    for pipeline in pipelines:
        (stats,) = pipeline.stats().values()
        assert stats["ended"] == stats["delivered"]
    assert len(memory.spans) == sum(made)


def test_a_dead_exporter_of_the_old_pipeline_delays_the_new_one_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(runtimes, "EXIT_STALL_S", 0.1)
    dead, memory = Blocking("dead"), MemoryExporter()
    callspan.configure(exporters=[dead])
    double(1)
    start = time.monotonic()
    callspan.configure(exporters=[memory])
    assert time.monotonic() - start < 1
    double(2)
    assert callspan.flush().ok
    assert len(memory.spans) == 1
    dead.released.set()


def test_an_interrupt_while_the_old_pipeline_drains_leaves_the_new_one_working(monkeypatch):
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    memory = MemoryExporter()
    callspan.configure(exporters=[Keeping()])
    monkeypatch.setattr(runtime.pipeline, "close", interrupt)
    with pytest.raises(KeyboardInterrupt):
        callspan.configure(exporters=[memory])
    double(1)
    assert callspan.flush().ok
    assert len(memory.spans) == 1


def test_two_threads_configure_at_once():
    memories = [MemoryExporter(name=f"m{number}") for number in range(8)]
    threads = [threading.Thread(target=callspan.configure, kwargs={"exporters": [memory]}) for memory in memories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    double(1)
    assert callspan.flush().ok
    assert sum(len(memory.spans) for memory in memories) == 1


# -- what it counts ----------------------------------------------------------------------------------------------------


def test_traces_that_are_not_sampled_are_counted_as_dropped():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory, Keeping("other")], sample_rate=0.0)
    for number in range(5):
        with callspan.span("root"):
            double(number)
    callspan.flush()
    counts = conserved()
    assert memory.spans == []
    assert counts["memory"]["ended"] == counts["other"]["ended"] == 5  # one per trace: nothing below was made
    assert counts["memory"]["dropped"] == {"sampled": 5}


def test_with_half_a_rate_what_is_recorded_and_what_is_not_add_up():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], sample_rate=0.5)
    for number in range(400):
        double(number)
    callspan.flush()
    stats = conserved()["memory"]
    assert stats["ended"] == 400
    assert stats["delivered"] == len(memory.spans) == 400 - stats["dropped"]["sampled"]
    assert 100 < stats["delivered"] < 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_counts_from_zero_and_can_configure():
    callspan.configure(exporters=[MemoryExporter()], sample_rate=0.0)
    double(1)
    read, write = os.pipe()
    runtime._lock.acquire()  # as another thread, that is not in the child
    process_id = os.fork()
    if not process_id:
        counts = callspan.stats()["memory"]
        thread = threading.Thread(target=callspan.configure, kwargs={"exporters": [MemoryExporter()]})
        thread.start()
        thread.join(5)
        os.write(write, f"{counts['ended']} {counts['dropped']} {thread.is_alive()}".encode())
        os._exit(0)
    runtime._lock.release()
    os.waitpid(process_id, 0)
    assert os.read(read, 100) == b"0 {} False"
    assert callspan.stats()["memory"]["dropped"] == {"sampled": 1}


def test_a_child_before_configure():
    Runtime().after_fork()


@pytest.mark.parametrize("parent", [None, "a process"])
def test_a_child_of_multiprocessing_delivers_at_its_end(monkeypatch, parent):
    from multiprocessing import process, util

    registered, finalizers = [], []
    monkeypatch.setattr(util, "register_after_fork", lambda *given: registered.append(given))
    monkeypatch.setattr(util, "Finalize", lambda *given, **options: finalizers.append((given, options)))
    monkeypatch.setattr(process, "parent_process", lambda: parent)
    fresh = Runtime()
    fresh._recorder = Recorder(lambda _: None)
    fresh._recorder.sampled_out = 3
    fresh.after_fork()
    assert fresh._recorder.sampled_out == 0
    assert registered == [(fresh, runtimes._at_end_of_child)]
    assert finalizers == ([((None, fresh.at_exit), {"exitpriority": -100})] if parent else [])


def test_without_multiprocessing_there_is_nothing_to_follow(monkeypatch):
    monkeypatch.setitem(sys.modules, "multiprocessing.util", None)
    runtimes._follow_multiprocessing(Runtime())


# -- deadlines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [callspan.flush, callspan.shutdown])
@pytest.mark.parametrize("timeout_s", [None, "5", float("nan")])
def test_what_is_no_time_is_refused(call, timeout_s):
    with pytest.raises(ConfigurationError, match="timeout_s: got"):
        call(timeout_s)


def test_shutdown_comes_back_when_another_thread_keeps_the_lock():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory])
    double(1)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with runtime._lock:
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    start = time.monotonic()
    callspan.shutdown(timeout_s=0.2)
    assert time.monotonic() - start < 1
    assert len(memory.spans) == 1
    leave.set()
    thread.join()


def test_shutdown_waits_for_ever_if_told_to():
    callspan.configure(exporters=[MemoryExporter()])
    double(1)
    assert callspan.shutdown(float("inf")).ok


def test_at_exit_everything_is_delivered_and_late_spans_too(monkeypatch):
    registered = []
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(runtime, "_is_exit_registered", False)
    memory = MemoryExporter()
    callspan.configure(exporters=[memory])
    callspan.configure(exporters=[memory], service_name="other")
    double(1)
    assert registered == [runtime.at_exit]
    runtime.at_exit()
    assert len(memory.spans) == 1
    double(2)  # in a handler that was registered before ours
    assert len(memory.spans) == 2
    runtime.at_exit()
    conserved()


def test_at_exit_ctrl_c_ends_the_wait(monkeypatch):
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    callspan.configure(exporters=[MemoryExporter()])
    with monkeypatch.context() as patch:
        patch.setattr(runtime.pipeline, "close", interrupt)
        runtime.at_exit()


def test_at_exit_before_configure():
    Runtime().at_exit()


# -- the environment at import -----------------------------------------------------------------------------------------


def test_exporters_in_the_environment_switch_on(monkeypatch):
    monkeypatch.setenv("CALLSPAN_EXPORTERS", "memory")
    callspan._configure_from_environment()
    assert switch.recorder is not None
    assert list(callspan.stats()) == ["memory"]


def test_no_exporters_in_the_environment_leave_it_off():
    callspan._configure_from_environment()
    assert switch.recorder is None


def test_a_wrong_name_in_the_environment_is_warned_of_and_not_repeated(monkeypatch, caplog):
    monkeypatch.setenv("CALLSPAN_EXPORTERS", "hush")
    callspan._configure_from_environment()
    assert switch.recorder is None
    (message,) = caplog.messages
    assert message.startswith(
        "callspan stays off: exporters[0]: got str; no exporter has that name; use one of: file, "
    )
    assert "hush" not in message


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CALLSPAN_EXPORTERS", "hush", "no exporter has that name"),
        ("CALLSPAN_EXPORTERS", "http", "CALLSPAN_HTTP_URL"),
        ("CALLSPAN_EXPORTERS", "file,otel", "install opentelemetry-sdk"),
    ],
)
def test_an_exporter_of_the_environment_that_cannot_be_made_stops_no_application(
    monkeypatch, caplog, name, value, told
):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)  # as where it is not installed
    monkeypatch.setenv(name, value)
    callspan.configure(service_name="shop")
    assert double(2) == 4
    assert switch.recorder is None
    (message,) = caplog.messages
    assert message.startswith("callspan stays off: ")
    assert told in message
    with pytest.raises(ConfigurationError):
        callspan.configure(exporters=["http"])


def test_content_can_be_switched_off(tmp_path):
    path = tmp_path / "spans.jsonl"

    @callspan.llm
    def ask(messages: list[dict[str, str]]) -> dict[str, Any]:
        return {
            "model": "gpt-4o",
            "choices": [{"message": {"role": "assistant", "content": "canary"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        }

    callspan.configure(exporters=[FileExporter(path)], capture_content=False)
    ask([{"role": "user", "content": "canary"}])
    with pytest.raises(ValueError, match="canary"), callspan.span("plan", input="canary") as span:
        span.record_exception(ValueError("canary"))
        raise ValueError("canary")
    assert callspan.flush().ok
    written = path.read_text()
    assert "canary" not in written
    assert '"gen_ai.usage.input_tokens"' in written
    assert "gpt-4o" in written


# -- the front door ----------------------------------------------------------------------------------------------------


def test_every_public_name_is_there():
    missing = []
    for name in callspan.__all__:
        try:
            getattr(callspan, name)
        except ImportError:
            missing.append(name)
    assert missing == []
    assert dir(callspan) == callspan.__all__


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'callspan' has no attribute 'nope'"):
        _ = callspan.nope
