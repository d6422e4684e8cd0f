"""What waits below open roots is given back whole, in order, and never grows without bounds."""

from __future__ import annotations

from callspan.exporters.pending import PendingTraces

TRACE, ROOT = 1, 10


def test_what_is_below_a_root_comes_back_when_it_ends_in_the_order_of_ending():
    pending = PendingTraces(100, 1_000)
    pending.add(TRACE, 12, 11, "grandchild", 1)
    pending.add(TRACE, 11, ROOT, "child", 1)
    pending.add(TRACE, 13, ROOT, "sibling", 1)

    assert pending.close(TRACE, ROOT) == ["grandchild", "child", "sibling"]
    assert len(pending) == 0
    assert pending.close(TRACE, ROOT) == []


def test_two_roots_of_one_trace_keep_their_own():
    pending = PendingTraces(100, 1_000)
    pending.add(TRACE, 11, ROOT, "mine", 1)
    pending.add(TRACE, 21, 20, "yours", 1)

    assert pending.close(TRACE, ROOT) == ["mine"]
    assert pending.close(TRACE, 20) == ["yours"]


def test_who_ends_after_its_root_is_late_and_so_is_who_is_below_it():
    pending = PendingTraces(100, 1_000)
    pending.add(TRACE, 11, ROOT, "child", 1)
    assert not pending.is_late(ROOT)
    assert not pending.is_late(None)

    pending.close(TRACE, ROOT)

    assert pending.is_late(ROOT)
    assert pending.is_late(11)
    assert not pending.is_late(99)


def test_too_many_spans_send_away_the_trace_that_waited_longest():
    pending = PendingTraces(3, 1_000)
    pending.add(1, 11, ROOT, "a", 1)
    pending.add(1, 12, ROOT, "b", 1)
    pending.add(2, 21, 20, "c", 1)
    assert pending.overflow() == []

    pending.add(2, 22, 20, "d", 1)

    assert pending.overflow() == [["a", "b"]]
    assert len(pending) == 2


def test_too_many_bytes_do_so_too():
    pending = PendingTraces(100, 10)
    pending.add(1, 11, ROOT, "small", 4)
    pending.add(2, 21, 20, "large", 7)

    assert pending.overflow() == [["small"]]
    assert pending.rest() == [["large"]]


def test_a_ring_of_parents_comes_back_with_the_rest():
    pending = PendingTraces(100, 1_000)
    pending.add(TRACE, 11, 12, "a", 1)
    pending.add(TRACE, 12, 11, "b", 1)

    assert pending.close(TRACE, ROOT) == []
    assert pending.rest() == [["a", "b"]]


def test_what_is_known_of_the_past_is_bounded():
    pending = PendingTraces(100, 1_000)
    for number in range(20_000):
        pending.close(number, number + 1)

    assert not pending.is_late(1)
    assert pending.is_late(20_000)
    assert len(pending._closed) == 10_000
