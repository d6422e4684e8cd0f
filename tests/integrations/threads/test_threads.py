"""`instrument("threads")`: calls in threads and pools are children of who handed them over, and nothing else moves."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import subprocess
import sys
import threading
import traceback
import weakref
from concurrent.futures import Executor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.guard import guard
from callspan.recording.otel import get_context
from callspan.testing import capture

START, SUBMIT = threading.Thread.start, ThreadPoolExecutor.submit


@pytest.fixture(autouse=True)
def threads():
    handle = callspan.instrument("threads")
    yield handle
    handle.undo()
    assert threading.Thread.__dict__["start"] is START
    assert ThreadPoolExecutor.__dict__["submit"] is SUBMIT


@callspan.tool
def work(number=0):
    return number


def in_thread(target, *args, kind=threading.Thread, **kwargs):
    thread = kind(target=target, args=args, **kwargs)
    thread.start()
    thread.join()
    return thread


def parents(spans, name="work"):
    by_id = {span.span_id: span.name for span in spans}
    return [by_id.get(span.parent_id) for span in spans if span.name == name]


# -- who is whose child ------------------------------------------------------------------------------------------------


def test_what_is_watched(threads):
    assert str(threads) == "threads  patched Thread.start, ThreadPoolExecutor.submit"
    assert str(callspan.instrument("threads")) == "threads  already on: patched Thread.start, ThreadPoolExecutor.submit"


def test_threads_of_every_make():
    class Own(threading.Thread):
        def run(self):
            work()

    class Calling(threading.Thread):
        def run(self):
            super().run()

    with capture() as spans:
        with callspan.span("caller"):
            in_thread(work)
            in_thread(None, kind=Own)
            in_thread(work, kind=Calling)
            timer = threading.Timer(0, work)
            timer.start()
            timer.join()
            instance = threading.Thread()
            instance.run = work
            instance.start()
            instance.join()
        in_thread(work)
    assert parents(spans) == ["caller"] * 5 + [None]


def test_pools():
    with capture() as spans, ThreadPoolExecutor(2) as pool:
        with callspan.span("first"):
            assert [*pool.map(work, range(20))] == [*range(20)]
        with callspan.span("second"):
            assert pool.submit(work, number=7).result() == 7
        pool.submit(work).result()
    assert parents(spans) == ["first"] * 20 + ["second", None]


def test_pools_whose_threads_were_started_inside_a_span_keep_nothing_of_it():
    with capture() as spans:
        with callspan.span("starter"):
            pool, other = ThreadPoolExecutor(1), ThreadPool(1)
            pool.submit(int).result()
            other.apply(int)
        pool.submit(work).result()
        other.apply(work)
        pool.shutdown()
        other.close()
        other.join()
    assert parents(spans) == [None, None]


async def test_executors_of_an_event_loop():
    async def caller(name):
        with callspan.span(name):
            await asyncio.get_running_loop().run_in_executor(None, work)
            await asyncio.to_thread(work)

    with capture() as spans:
        await asyncio.gather(caller("a"), caller("b"))
        await asyncio.get_running_loop().run_in_executor(None, work)
    assert sorted(map(str, parents(spans))) == ["None", "a", "a", "b", "b"]


def test_conversation_user_and_silence_go_along():
    with capture() as spans:
        with callspan.conversation("c", user_id="u"), callspan.span("turn"):
            in_thread(work)
        with callspan.suppress():
            in_thread(work)
    assert [(span.conversation_id, span.step, span.user_id) for span in spans] == [("c", 1, "u")] * 2


def test_spans_of_other_tracers_go_along_both_ways():
    tracer = TracerProvider().get_tracer("foreign")
    seen = []

    def inner():
        with tracer.start_as_current_span("foreign inner") as span:
            seen.append(span)
            work()

    with capture() as spans, tracer.start_as_current_span("foreign outer") as outer:
        in_thread(inner)
    (span,) = spans
    assert span.parent_id == f"{seen[0].get_span_context().span_id:016x}"
    assert seen[0].parent.span_id == outer.get_span_context().span_id


# -- nothing else ------------------------------------------------------------------------------------------------------


def test_context_variables_of_the_application_stay_where_they_are():
    mine = contextvars.ContextVar("mine", default="unset")
    mine.set("caller's")
    seen = []
    with capture(), callspan.span("caller"), ThreadPoolExecutor(1) as pool:
        in_thread(lambda: seen.append(mine.get()))
        pool.submit(lambda: seen.append(mine.get())).result()
    assert seen == ["unset", "unset"]


def test_a_thread_has_afterwards_what_it_had_before():
    with capture(), ThreadPoolExecutor(1) as pool:
        before = pool.submit(get_context).result()
        with callspan.span("caller"):
            assert pool.submit(get_context).result() is get_context()
        assert pool.submit(get_context).result() is before


def test_the_thread_object_is_as_without_us():
    class Own(threading.Thread):
        seen = None

        def run(self):
            self.seen = dict(vars(self))

    with capture(), callspan.span("caller"):
        thread = in_thread(None, kind=Own)
    assert "run" not in thread.seen
    assert "run" not in vars(thread)
    assert inspect.signature(threading.Thread.start) == inspect.signature(START)
    assert inspect.signature(ThreadPoolExecutor.submit) == inspect.signature(SUBMIT)
    assert threading.Thread.start.__doc__ == START.__doc__


def test_a_thread_that_cannot_start_is_as_before(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("can't start new thread")

    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    monkeypatch.setattr(threading, name, fail)
    thread, own = threading.Thread(target=work), threading.Thread()
    own.run = work
    with capture(), callspan.span("caller"):
        for one in (thread, own):
            with pytest.raises(RuntimeError, match="can't start new thread"):
                one.start()
    assert "run" not in vars(thread)
    assert vars(own)["run"] is work


def test_errors_are_the_same_with_a_frame_more():
    error = ValueError("mine")

    def fail():
        raise error

    with capture(), callspan.span("caller"), ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="mine") as caught:
            pool.submit(fail).result()
        assert caught.value is error
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "callspan" in frame.filename]
        assert len(ours) == 1
        with pytest.raises(TypeError, match="submit"):
            pool.submit()
        thread = threading.Thread()
        thread.start()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        thread.join()


def test_keywords_that_are_also_ours_are_the_works():
    with capture(), callspan.span("caller"), ThreadPoolExecutor(1) as pool:
        given = {"context": 1, "function": 2, "wrapped": 3, "instance": 4, "args": 5, "kwargs": 6}
        assert pool.submit(dict, **given).result() == given


def test_an_executor_of_the_applications_own():
    class Own(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            self.seen = fn
            return super().submit(fn, *args, **kwargs)

    class Direct(Executor):
        def submit(self, fn, /, *args, **kwargs):
            return fn(*args, **kwargs)

    with capture() as spans, callspan.span("caller"), Own(1) as pool:
        pool.submit(work).result()
        assert pool.seen is work
        assert Direct().submit(work) == 0
    assert parents(spans) == ["caller", "caller"]


def test_targets_that_run_code_when_looked_at_are_not_looked_at():
    class Odd:
        def __getattr__(self, name):
            if name == "__name__":  # that is Python's own look
                raise AttributeError
            raise AssertionError(f"looked at {name}")

        __module__ = property(lambda self: 1 / 0)

        def __call__(self):
            work()

    with capture() as spans, callspan.span("caller"):
        in_thread(Odd())
    assert parents(spans) == ["caller"]


def test_nothing_is_kept_alive():
    class Thing:
        def work(self):
            work()

    thing = Thing()
    gone = weakref.ref(thing)
    with capture(), ThreadPoolExecutor(1) as pool:
        with callspan.span("caller"):
            thread = in_thread(thing.work)
            pool.submit(thing.work).result()
            left = weakref.ref(thread)
        pool.submit(int).result()
        gc.disable()
        try:
            del thread, thing
            assert gone() is None
            assert left() is None
        finally:
            gc.enable()


def test_our_own_threads_carry_nothing():
    seen = {}

    class Looking:
        name, local = "looking", False

        def export(self, batch):
            seen["span"] = trace.get_current_span()
            from callspan.exporters import ExportResult

            return ExportResult(delivered=len(batch.spans))

        def close(self):
            pass

    callspan.configure(exporters=[Looking()])
    with callspan.span("outer"):
        work()
        assert callspan.flush()
    assert seen["span"] is trace.INVALID_SPAN


# -- on and off --------------------------------------------------------------------------------------------------------


def test_off_nothing_is_carried():
    with callspan.span("caller"):
        in_thread(work)
    assert guard.counts == {}


def test_detached_threads_are_clean_roots(threads):
    threads.undo()
    with capture() as spans, callspan.span("caller"), ThreadPoolExecutor(1) as pool:
        in_thread(work)
        pool.submit(work).result()
    assert parents(spans) == [None, None]


def test_what_was_handed_over_before_still_arrives(threads):
    entered, go = threading.Event(), threading.Event()

    def wait():
        entered.set()
        go.wait(10)
        work()

    with capture() as spans, ThreadPoolExecutor(1) as pool:
        with callspan.span("caller"):
            futures = [pool.submit(wait), pool.submit(work)]
        assert entered.wait(10)
        threads.undo()
        go.set()
        for future in futures:
            future.result()
    assert parents(spans) == ["caller", "caller"]


def test_pools_that_are_imported_later_are_patched_then():
    program = """
import sys, callspan
handle = callspan.instrument("threads")
for name in [name for name in sys.modules if name.startswith("concurrent")]:
    del sys.modules[name]
handle.undo()
handle = callspan.instrument("threads")
assert str(handle) == "threads  patched Thread.start", handle
from concurrent.futures import ThreadPoolExecutor
import threading
assert str(callspan.instrument("threads")).endswith("patched Thread.start, ThreadPoolExecutor.submit")
callspan.uninstrument("threads")
assert type(vars(ThreadPoolExecutor)["submit"]).__name__ == type(vars(threading.Thread)["start"]).__name__ == "function"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
