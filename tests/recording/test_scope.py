"""Scopes are immutable and add up; the counter of turns is bounded."""

from __future__ import annotations

import threading

from callspan.recording.scope import EMPTY_SCOPE, Scope, StepCounter


def told(scope):
    return (scope.conversation_id, scope.step, scope.user_id, scope.tags, scope.metadata, scope.prompts)


def test_each_change_makes_a_new_scope_and_keeps_the_rest():
    scope = EMPTY_SCOPE.converse("c", None, "u").add(None, ("a", "b"), ("m",)).use_prompt("p")
    assert told(scope) == ("c", None, "u", ("a", "b"), ("m",), ("p",))
    inner = scope.add("v", ("b", "c"), ("n",)).use_prompt("q")
    assert told(inner) == ("c", None, "v", ("a", "b", "c"), ("m", "n"), ("p", "q"))
    assert told(EMPTY_SCOPE) == (None, None, None, (), (), ())


def test_a_turn_goes_on_only_in_its_own_conversation():
    turn = Scope("c", 4, "u")
    assert told(turn.converse("c", None, None))[:3] == ("c", 4, "u")
    assert told(turn.converse("d", None, None))[:3] == ("d", None, "u")
    assert told(turn.converse("c", 9, "w"))[:3] == ("c", 9, "w")


def test_counting_forgets_the_conversations_silent_longest():
    steps = StepCounter(limit=2)
    assert [steps.next(name) for name in "aabaca"] == [1, 2, 1, 3, 1, 4]
    assert steps.next("b") == 1  # it was forgotten for c
    assert steps.next("a") == 5
    steps.forget()
    assert steps.next("a") == 1


def test_counting_in_many_threads_skips_and_repeats_nothing():
    steps = StepCounter()
    seen: list[int] = []

    def count():
        for _ in range(500):
            seen.append(steps.next("c"))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [*range(1, 4001)]


def test_counting_while_others_evict():
    steps = StepCounter(limit=3)

    def count(number):
        for step in range(300):
            assert steps.next(f"{number} {step % 5}") >= 1

    threads = [threading.Thread(target=count, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps._counts) <= 3 + 8
