"""B8 to B14: threads, event loops, copied contexts, and calls that come in where another call is."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import logging
import random
import signal
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import callspan
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from programs import check_conserved, run, times

pytestmark = pytest.mark.faults


class Recording:
    """A pipeline into a list."""

    def __init__(self) -> None:
        self.memory = MemoryExporter(2_000_000)
        callspan.configure(exporters=[self.memory])

    @property
    def spans(self) -> list[Any]:
        """Every span so far; checks that nothing was lost, nothing came twice and nothing is current."""
        assert not callspan.current_span().is_recording()
        assert not callspan.flush(60).remaining
        check_conserved(callspan.stats())
        spans = self.memory.spans
        assert callspan.stats()["memory"]["delivered"] == len(spans)
        assert len({span.span_id for span in spans}) == len(spans)
        return spans


@pytest.fixture
def recording() -> Iterator[Recording]:
    made = Recording()
    yield made
    assert made.spans is not None


@callspan.tool
def work(number: int) -> int:
    with callspan.span("inside", input=number):
        return number


def parents(spans: list[Any]) -> dict[str, Any]:
    """Map every span's ID to its parent's span, checked to be of the same trace."""
    by_id = {span.span_id: span for span in spans}
    found = {span.span_id: by_id.get(span.parent_id) for span in spans}
    for span in spans:
        parent = found[span.span_id]
        assert (parent is None) == (span.parent_id is None)
        assert parent is None or parent.trace_id == span.trace_id
    return found


# -- B8: pools and threads ---------------------------------------------------------------------------------------------


def check_roots(spans: list[Any], count: int) -> None:
    """Check that every `work` is a clean root and every `inside` the child of the one with its number."""
    parent_of = parents(spans)
    roots = [span for span in spans if span.name == "work"]
    assert [parent_of[span.span_id] for span in roots] == [None] * count
    assert len({span.trace_id for span in roots}) == count
    for span in spans:
        if span.name == "inside":
            assert parent_of[span.span_id].input == {"number": span.input}


def test_b08_calls_in_a_pool_are_clean_roots(recording):
    """B8: without help, threads of a pool do not know the caller: never a parent that a pool's thread still has."""
    with callspan.span("caller"), ThreadPoolExecutor(32) as pool:
        assert [*pool.map(work, range(1000))] == [*range(1000)]
        with callspan.span("other"):
            assert pool.submit(work, 1000).result() == 1000
    check_roots(recording.spans, 1001)


def test_b08_calls_in_threads_are_clean_roots(recording):
    """B8: raw threads, and `run_in_executor`, which carries no context either."""
    with callspan.span("caller"):
        for first in range(0, 96, 32):
            threads = [threading.Thread(target=work, args=(first + number,)) for number in range(32)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    async def main():
        loop = asyncio.get_running_loop()
        with callspan.span("task"):
            await asyncio.gather(*(loop.run_in_executor(None, work, number) for number in range(96, 200)))

    asyncio.run(main())
    check_roots(recording.spans, 200)


def test_b08_to_thread_carries_the_context(recording):
    """B8: `asyncio.to_thread` copies the context, so its calls are children, each of its own caller."""

    async def caller(number):
        with callspan.span("caller", input=number):
            await asyncio.sleep(random.random() / 100)
            return await asyncio.to_thread(work, number)

    async def main():
        return await asyncio.gather(*map(caller, range(times(200, 1000))))

    assert asyncio.run(main()) == [*range(times(200, 1000))]
    spans = recording.spans
    parent_of = parents(spans)
    for span in spans:
        if span.name == "work":
            assert parent_of[span.span_id].input == span.input["number"]


def check_children(spans: list[Any], count: int) -> None:
    """Check that every `work` is the child of the caller with its number, and every `inside` that of its `work`."""
    parent_of = parents(spans)
    works = [span for span in spans if span.name == "work"]
    assert len(works) == count
    for span in works:
        parent = parent_of[span.span_id]
        assert parent is not None
        assert (parent.name, parent.input) == ("caller", span.input["number"])
    for span in spans:
        if span.name == "inside":
            assert parent_of[span.span_id].input == {"number": span.input}


def test_b08_with_our_help_calls_in_pools_and_threads_are_children(recording):
    """B8: the same calls with `instrument("threads")`: each is the child of its own caller, from whatever thread."""
    count = times(200, 1000)

    async def main():
        async def caller(number):
            with callspan.span("caller", input=number):
                return await asyncio.get_running_loop().run_in_executor(None, work, number)

        return await asyncio.gather(*map(caller, range(2 * count, 3 * count)))

    def hand_over(numbers, pool):
        for number in numbers:
            with callspan.span("caller", input=number):
                if pool is None:
                    thread = threading.Thread(target=work, args=(number,))
                    thread.start()
                    handed.append(thread.join)
                else:
                    handed.append(pool.submit(work, number).result)

    handed: list[Any] = []
    handle = callspan.instrument("threads")
    try:
        with ThreadPoolExecutor(32) as pool:
            hand_over(range(count), pool)
            hand_over(range(count, 2 * count), None)
            for wait in handed:
                wait()
            work(-1)
            pool.submit(work, -2).result()
        assert asyncio.run(main()) == [*range(2 * count, 3 * count)]
    finally:
        handle.undo()
    spans = recording.spans
    parent_of = parents(spans)
    assert [parent_of[span.span_id] for span in spans if span.input in ({"number": -1}, {"number": -2})] == [None, None]
    helped = [span for span in spans if span.input not in ({"number": -1}, {"number": -2}, -1, -2)]
    check_children(helped, 3 * count)


# -- B9: event loops ---------------------------------------------------------------------------------------------------


def test_b09_two_loops_in_two_threads_do_not_mix(recording):
    """B9: the same coroutine functions in two loops at once; every trace is of one loop."""

    @callspan.observe
    async def step(loop, number, depth):
        await asyncio.sleep(random.random() / 500)
        if depth:
            await asyncio.gather(step(loop, number, depth - 1), step(loop, number, depth - 1))

    async def main(loop):
        await asyncio.gather(*(step(loop, number, 2) for number in range(times(20, 200))))

    threads = [threading.Thread(target=lambda name=name: asyncio.run(main(name))) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = recording.spans
    assert len(spans) == 2 * times(20, 200) * 7
    parent_of = parents(spans)
    for span in spans:
        parent = parent_of[span.span_id]
        expected = None if span.input["depth"] == 2 else {**span.input, "depth": span.input["depth"] + 1}
        assert (parent and parent.input) == expected
    assert set(Counter(span.trace_id for span in spans).values()) == {7}


def test_b09_a_loop_inside_a_call_inside_a_loop(recording):
    """B9: a second loop is run to its end in the middle of a task of the first, and is stepped by hand."""

    @callspan.observe
    async def leaf():
        await asyncio.sleep(0)

    @callspan.observe
    def nested():
        running = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        try:
            loop = asyncio.new_event_loop()
            try:
                loop.run_until_complete(loop.create_task(leaf()))
            finally:
                loop.close()
        finally:
            asyncio._set_running_loop(running)

    @callspan.observe
    async def task():
        await asyncio.sleep(0)
        nested()
        await leaf()

    async def main():
        await asyncio.gather(task(), task())

    asyncio.run(main())
    spans = recording.spans
    parent_of = parents(spans)
    told = Counter((span.name, getattr(parent_of[span.span_id], "name", None)) for span in spans)
    assert told == {("task", None): 2, ("nested", "task"): 2, ("leaf", "nested"): 2, ("leaf", "task"): 2}


def test_b09_uvloop(recording):
    """B9: the same on uvloop."""
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

    @callspan.observe
    async def step(depth):
        await asyncio.sleep(0.001)
        if depth:
            await asyncio.gather(step(depth - 1), asyncio.to_thread(work, depth))

    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.wait_for(step(5), 10))
    loop.close()
    assert len({span.trace_id for span in recording.spans}) == 1


# -- B10: many threads -------------------------------------------------------------------------------------------------


def test_b10_many_threads_lose_nothing_and_repeat_nothing(recording):
    """B10: 64 threads that only make spans; the counts are exact, every span and trace has its own ID."""
    each = times(150, 10_000)
    ended = threading.Semaphore(0)
    small = callspan.observe(lambda number: None)

    def make():
        for number in range(each):
            small(number)
            if number % 500 == 499:  # as fast as they are delivered, or the oldest would have to go
                while callspan.stats()["memory"]["buffered"] > 50_000:
                    time.sleep(0.01)
        ended.release()

    threads = [threading.Thread(target=make) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = recording.spans
    stats = callspan.stats()["memory"]
    assert stats["ended"] == stats["delivered"] == 64 * each
    assert len(spans) == len({span.trace_id for span in spans}) == 64 * each
    assert Counter(span.input["number"] for span in spans) == dict.fromkeys(range(each), 64)


# -- B12: contexts of the user's ---------------------------------------------------------------------------------------


def test_b12_parents_follow_the_context_that_was_copied(recording):
    """B12: calls run in copies of a context belong where the copy was made, also when that span has ended."""
    copies = []
    with callspan.span("first"):
        copies.append(contextvars.copy_context())
        with callspan.span("second"):
            copies.append(contextvars.copy_context())
    copies.append(contextvars.copy_context())
    with callspan.span("third"):
        for number in (0, 1, 2, 0):
            copies[number].run(work, number)
            assert callspan.current_span().name == "third"
        thread = threading.Thread(target=copies[1].run, args=(work, 1))
        thread.start()
        thread.join()
        # One that is entered in the copy and never left stays in the copy.
        copies[2].run(callspan.span("left open").__enter__)
        copies[2].run(work, 3)
        copies[0].run(copies[1].run, work, 1)
    spans = recording.spans
    by_id = {span.span_id: span for span in spans}
    found = [
        (span.input["number"], by_id[span.parent_id].name if span.parent_id in by_id else span.parent_id is not None)
        for span in spans
        if span.name == "work"
    ]
    assert found == [
        (0, "first"),
        (1, "second"),
        (2, False),
        (0, "first"),
        (1, "second"),
        (3, True),  # its parent is still open
        (1, "second"),
    ]


# -- B13: ended more than once -----------------------------------------------------------------------------------------


def test_b13_a_span_is_ended_once_whoever_ends_it(recording):
    """B13: sixteen threads end and change the same span at once; there is one record, and the rest is counted."""
    rounds = times(100, 5000)
    pool = ThreadPoolExecutor(16)
    barrier = threading.Barrier(16)

    def end(span, number):
        barrier.wait(30)
        span.set_attribute("by", number)
        span.end()
        span.set_attribute("by", "too late")
        span.update_name("too late")
        span.set_output("too late")

    with pool:
        for number in range(rounds):
            with callspan.span(str(number)) as span:
                for future in [pool.submit(end, span, thread) for thread in range(16)]:
                    future.result(60)
    spans = recording.spans
    assert [span.name for span in spans] == [*map(str, range(rounds))]
    assert {span.output for span in spans} == {None}
    assert all(type(span.attributes["by"]) is int for span in spans)
    # One of the sixteen was the first; that the block ends too is as it should be, and not counted.
    assert guard.counts == {"span ended twice": rounds * 15}


# -- B14: where another call is ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that interrupt on Windows")
def test_b14_a_storm_of_signals_and_finalisers(tmp_path):
    """B14: signal handlers, `__del__`, weak references and log handlers make spans inside our own code; none hangs."""
    program = """
        import gc, itertools, logging, signal, sys, threading, time, weakref
        from programs import Sink, report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl"), Sink("sink.txt")])
        made = itertools.count()

        @callspan.tool
        def work(what):
            if not threading.current_thread().name.startswith("callspan"):  # else not recorded
                next(made)
            return what

        class Dying:
            def __init__(self):
                # Up to Python 3.11 the collector runs inside ContextVar.set, which crashes if a finaliser sets one.
                self.ring = self if sys.version_info >= (3, 12) else None
            def __del__(self):
                work("finaliser")

        class Handler(logging.Handler):
            def emit(self, record):
                work("log")

        class Held:
            pass

        signals = 0

        def interrupt(*_):
            global signals
            signals += 1
            work("signal")
            with callspan.span("in a handler"):
                next(made)
            if signals % 50 == 0:
                callspan.flush(0)
                callspan.stats()
            signal.setitimer(signal.ITIMER_REAL, 0.0003 if running else 0)

        running = True
        with callspan.span("warm up"):  # what is imported late cannot be had in the middle of its import
            next(made)
        logging.getLogger().addHandler(Handler())
        logging.getLogger().setLevel(logging.DEBUG)
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0003)
        gc.set_threshold(20, 2, 2)
        until = time.monotonic() + float(sys.argv[1])
        others = [threading.Thread(target=lambda: [work([n, {"n": n}]) for n in range(2000)]) for _ in range(2)]
        for thread in others:
            thread.start()
        while time.monotonic() < until:
            Dying()
            held = Held()
            reference = weakref.ref(held, lambda _: work("weak reference"))
            del held
            work({"deep": [1, {"n": [2]}]})
            logging.getLogger("application").debug("said")
            try:
                callspan.observe(lambda: [][1])()
            except IndexError:
                next(made)
        running = False
        time.sleep(0.05)
        for thread in others:
            thread.join()
        gc.set_threshold(0)
        gc.collect()
        assert not callspan.current_span().is_recording()
        assert not callspan.flush(60).remaining
        report()
        print("MADE", next(made), signals)
    """
    ended = run(program, tmp_path, str(times(0.7, 30)), timeout_s=240)
    made, signals = map(int, ended.out.rsplit("MADE ", 1)[1].split())
    assert signals > 20
    for name in ("file", "sink"):
        stats = ended.stats[name]
        assert stats["ended"] == made
        assert stats["delivered"] + stats["dropped"].get("queue full", 0) == made


def test_b14_a_finaliser_inside_a_call_that_is_being_recorded(recording):
    """B14: freezing, ending and reading values drop the last references to objects whose finalisers call us."""
    count = itertools.count()

    class Dying:
        def __del__(self):
            next(count)
            work(0)

    @callspan.observe
    def give(value):
        return [Dying()]

    references = []
    for _ in range(200):
        value = Dying()
        references.append(weakref.ref(value))
        give({"a": value, "b": [Dying()]})
        del value
    gc.collect()
    assert [reference() for reference in references] == [None] * 200
    assert next(count) == 600
    assert len(recording.spans) == 200 + 2 * 600


def test_b14_a_logging_handler_below_our_own_logger(recording):
    """B14: our own warnings reach the application's handlers, which may call decorated functions."""
    calls = []

    class Handler(logging.Handler):
        def emit(self, record):
            calls.append(record.name)
            work(len(calls))

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        guard.forget()
        guard.strict = False
        for number in range(3):
            guard.note(f"a test {number}", ValueError())
        assert callspan.flush(30)
        deadline = time.monotonic() + 20
        while len(calls) < 3 and time.monotonic() < deadline:
            work(0)
            time.sleep(0.01)
    finally:
        logging.getLogger().removeHandler(handler)
        guard.forget()
    assert calls == ["callspan"] * 3
    assert len(recording.spans) % 2 == 0
    assert sys.exc_info() == (None, None, None)
