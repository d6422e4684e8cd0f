"""Clocks that never go backwards, and IDs that never repeat."""

from __future__ import annotations

import os
import random
import sys

import pytest

import callspan
from callspan.recording.clock import Clock
from callspan.recording.ids import IdSource, ids
from callspan.recording.recorder import Recorder
from callspan.testing import capture


class Clocks:
    """A monotonic clock and a wall clock that tests set."""

    def __init__(self):
        self.ticks_ns = 1_000
        self.wall_ns = 1_700_000_000_000_000_000

    def ticks(self):
        return self.ticks_ns

    def wall(self):
        return self.wall_ns


def test_now_is_the_wall_clock_of_the_anchor_plus_monotonic_time():
    clocks = Clocks()
    clock = Clock(clocks.ticks, clocks.wall)
    assert clock.now_ns() == 1_700_000_000_000_000_000
    clocks.ticks_ns += 7
    clocks.wall_ns -= 3_600_000_000_000
    assert clock.now_ns() == 1_700_000_000_000_000_007


@pytest.mark.parametrize(("drift_ns", "follows"), [(4_999_999, False), (5_000_001, True), (-(10**12), True)])
def test_a_wall_clock_that_was_set_is_followed_when_the_worker_looks(drift_ns, follows):
    clocks = Clocks()
    clock = Clock(clocks.ticks, clocks.wall)
    before = clock.offset_ns
    clocks.wall_ns += drift_ns
    clock.anchor()
    assert clock.offset_ns == before + (drift_ns if follows else 0)


def test_a_wall_clock_set_back_in_the_middle_makes_no_negative_duration():
    from callspan.capture.openers import turn_on

    clocks, kept = Clocks(), []
    clock = Clock(clocks.ticks, clocks.wall)
    turn_on(Recorder(kept.append, clock=clock))
    with callspan.span("x"):
        clocks.wall_ns -= 3_600_000_000_000
        clocks.ticks_ns += 250
        clock.anchor()
    assert kept[0].end_ns - kept[0].start_ns == 250


def test_the_real_clock_is_near_the_wall():
    import time

    assert abs(Clock().now_ns() - time.time_ns()) < 1_000_000_000


def test_ids_have_their_width_and_are_never_zero():
    source = IdSource(seed=1)
    assert 0 < source.trace_id() < 1 << 128
    assert 0 < source.span_id() < 1 << 64
    source.random_bits = lambda count: 0
    assert (source.trace_id(), source.span_id()) == (1, 1)


def test_random_seed_of_the_application_changes_nothing():
    seen = set()
    for _ in range(3):
        random.seed(0)
        with capture() as spans, callspan.span("x"):
            pass
        seen.add((spans[0].trace_id, spans[0].span_id))
    assert len(seen) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_ids_of_its_own():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, f"{ids.trace_id()}".encode())
        os._exit(0)
    ours = ids.trace_id()
    os.waitpid(child, 0)
    assert int(os.read(reading, 100)) != ours
    os.close(reading)
    os.close(writing)


def test_reseeding_starts_afresh():
    source = IdSource(seed=3)
    expected = IdSource(seed=3).trace_id()
    source.reseed()
    assert source.trace_id() != expected


def test_deterministic_capture_repeats_ids_and_times():
    def run():
        with capture(deterministic=True) as spans, callspan.conversation("c"), callspan.span("a"), callspan.span("b"):
            pass
        return [span.model_dump() for span in spans]

    assert run() == run()


def test_ids_are_many():
    assert len({ids.span_id() for _ in range(200_000)}) == 200_000
    assert sys.getsizeof(ids) < 100
