"""Freezing on the caller's thread, thawing in the worker: the same tree, whatever becomes of the original."""

from __future__ import annotations

import copy
import math
import random
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callspan.recording.opening import thaw_again
from callspan.recording.plain import plain
from callspan.recording.snapshot import Chunk, Texts, freeze, freeze_own
from callspan.recording.thawing import thaw

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters(), max_size=8)
)
# The numbers that make a list a vector, and lists that only look like one.
VECTORS = st.one_of(
    st.sampled_from([31, 33, 100]).map(lambda count: [0.5] * count),
    st.sampled_from([31, 33, 100]).map(lambda count: [1, 2.5, None, "no number"] * (count // 4) + [3]),
)
TREES = st.recursive(
    st.one_of(SCALARS, VECTORS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=4), inner, max_size=5),
        st.dictionaries(st.one_of(st.integers(), st.booleans(), st.none(), st.floats()), inner, max_size=4),
    ),
    max_leaves=30,
)


def wreck(tree: Any) -> None:
    """Change everything that can be changed in a tree."""
    children = list(tree.values()) if isinstance(tree, dict) else list(tree) if isinstance(tree, list | tuple) else []
    for child in children:
        wreck(child)
    if isinstance(tree, dict):
        tree.clear()
        tree["wrecked"] = [1]
    elif isinstance(tree, list):
        tree[:] = ["wrecked", {}]


@settings(max_examples=500, deadline=None)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_every_plain_tree_comes_back_equal_after_the_original_was_wrecked(values):
    expected = [plain(value) for value in copy.deepcopy(values)]  # `plain` has tests of its own
    snapshot = freeze([*values])
    for value in values:
        wreck(value)
    assert thaw(snapshot) == expected
    assert snapshot[4] == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(TREES, min_size=1, max_size=3), st.data())
def test_a_foreign_root_does_not_disturb_the_others(values, data):
    foreign = data.draw(st.integers(0, len(values)))
    given_values = [*values[:foreign], frozenset([1]), *values[foreign:]]
    expected = [*map(plain, values[:foreign]), [1], *map(plain, values[foreign:])]
    thawed = thaw(freeze(given_values))
    assert thawed == expected or any("more>" in str(tree) or "#2" in str(tree) for tree in thawed)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=4), TREES, max_size=4))
def test_a_shared_snapshot_opens_again_and_again(tree):
    expected = plain(tree)
    snapshot = freeze([tree])
    for _ in range(3):
        assert thaw_again(snapshot) == expected


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_plain_spells_every_tree_in_the_terms_of_json(tree):
    (spelled,) = thaw(freeze([tree]))
    seen = [spelled]
    for one in seen:
        assert type(one) in (dict, list, str, int, float, bool, type(None))
        if type(one) is dict:
            assert {*map(type, one)} <= {str}
            seen += one.values()
        elif type(one) is list:
            seen += one
        elif type(one) is int:
            assert -(2**63) <= one < 2**63
        elif type(one) is float:
            assert math.isfinite(one)


def test_messages_and_parameters():
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
    ]
    expected = copy.deepcopy(messages)
    snapshot = freeze([messages, {"temperature": 0.5}], ("params",))
    wreck(messages)
    assert snapshot[1] == ("params",)
    assert thaw(snapshot) == [expected, {"temperature": 0.5}]


def test_scalars_are_kept_by_reference_and_cost_no_copy():
    text = "x" * 100
    roots, names, copies, size, cut, prompts = freeze([1, 2.5, None, True, text])
    assert roots[4] is text
    assert (names, copies, cut, prompts) == (None, None, 0, None)
    assert 100 < size < 200  # the text and its head


def test_nan_infinity_and_zero_come_through():
    (tree,) = thaw(freeze([[math.nan, math.inf, -math.inf, -0.0, 10**5000]]))
    assert tree[:3] == ["nan", "inf", "-inf"]
    assert math.copysign(1, tree[3]) == -1
    assert int(tree[4].removesuffix("…"), 16) == 10**5000 >> 16_610 - 126 * 4 + 2


def test_shared_structures_stay_small():
    tower: Any = [1]
    for _ in range(100):
        tower = [tower, tower]
    started = time.thread_time()
    (tree,) = thaw(freeze([tower]))
    plain(tree)
    assert time.thread_time() - started < 5  # not for ever; a collection of garbage may fall into it


def test_cycles_end():
    ring: Any = {"name": "ring", "list": []}
    ring["list"].append(ring)
    line: list[Any] = [1]
    line.append(line)
    # The outermost container was copied before the ring was found, so it is gone round once.
    assert thaw(freeze([ring])) == [{"name": "ring", "list": [{"name": "ring", "list": "<cycle>"}]}]
    assert thaw(freeze([line])) == [[1, [1, "<cycle>"]]]


def test_deep_nesting_is_cut_and_said():
    nested: Any = "bottom"
    for _ in range(100_000):
        nested = [nested]
    snapshot = freeze([nested])
    (tree,) = thaw(snapshot)
    assert snapshot[4] > 0
    depth = 0
    while isinstance(tree, list):
        tree, depth = tree[0], depth + 1
    assert (depth, tree) == (48, "<list of 1>")
    while isinstance(nested, list):  # or its own deallocation would recurse
        nested = nested[0]


def test_a_chunk_opens_with_its_stream():
    chunks = ["a", Chunk(freeze([{"delta": {"text": "b"}}])), Chunk(freeze([[1.0] * 40]))]
    assert thaw(([chunks], None, None, 0, 0, None)) == [["a", {"delta": {"text": "b"}}, [1.0] * 40]]


def test_texts_that_are_ours_are_taken_as_they_are_beside_other_roots():
    rows, foreign = [{"type": "human", "content": "Hello."}], object()
    snapshot = freeze([Texts(rows, 6), {"deep": [1]}, foreign])
    assert snapshot[0][0] is rows
    assert snapshot[3] >= 6
    assert thaw(snapshot) == [[{"type": "human", "content": "Hello."}], {"deep": [1]}, "<object>"]


def test_texts_that_are_ours_are_taken_as_they_are_alone():
    rows = [{"type": "human", "content": "Hello."}]
    snapshot = freeze_own(Texts(rows, 6))
    assert snapshot[0][0] is rows
    assert (snapshot[1], snapshot[3:]) == (None, (6, 0, None))
    assert thaw(snapshot) == [[{"type": "human", "content": "Hello."}]]


@pytest.mark.parametrize(
    ("tree", "opened"),
    [
        ({}, {}),
        ({"a": "text", "b": 1, "c": 0.5, "d": True, "e": None}, {"a": "text", "b": 1, "c": 0.5, "d": True, "e": None}),
        ({"a": math.nan, 2: 1 << 70}, {"a": "nan", "2": "1180591620717411303424"}),
        ({"a": ["b", {"c": [1]}]}, {"a": ["b", {"c": [1]}]}),
        ({"a": object()}, {"a": "<object>"}),
        ({"a": "x" * 20_000}, {"a": "x" * 20_000}),
    ],
    ids=["empty", "scalars", "odd", "deep", "foreign", "large"],
)
def test_a_dictionary_of_our_own(tree, opened):
    snapshot = freeze_own({**tree})
    assert (len(snapshot), snapshot[3] >= 144, snapshot[4]) == (6, True, 0)
    assert thaw(snapshot) == [opened]


def test_a_dictionary_of_our_own_has_the_same_bounds():
    snapshot = freeze_own({"a": "x" * 5_000_000})
    assert snapshot[3] < 1_200_000
    assert snapshot[4] > 3_900_000


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [0] * 10**7,
        ["a"] * 10**7,
        dict.fromkeys(range(10**6)),
        {"a": {"b": {"c": [0] * 10**7}}},
        {"a": {"b": dict.fromkeys(range(10**6))}},
        [dict.fromkeys(range(10**6))],
        [[0.5] * 10**7],
        [1, *["a"] * 10**6],
        {"a": [["a"] * 1000] * 1000},
        [dict.fromkeys(map(str, range(1000)))] * 1000,
    ],
    ids=["ints", "texts", "dict", "deep list", "deep dict", "row", "vector", "mixed", "square", "rows"],
)
def test_huge_values_take_milliseconds_at_most_and_say_that_they_were_cut(value):
    best = math.inf
    for _ in range(3):
        started = time.thread_time()
        snapshot = freeze([value])
        best = min(best, time.thread_time() - started)
    assert best < 0.3  # some 5 ms; more under coverage, on a busy machine
    assert snapshot[3] < 5_000_000
    assert snapshot[4] > 500_000


def test_thousands_of_items_are_whole():
    keys = {f"key {number}": "x" * 100 for number in range(2000)}
    rows = [{"id": number, "text": "y" * 20} for number in range(4000)]
    for value in (keys, rows, ["a"] * 8000):
        expected = copy.deepcopy(value)
        snapshot = freeze([value])
        assert snapshot[4] == 0
        assert thaw(snapshot) == [expected]


def test_a_huge_text_is_cut_without_being_copied_whole():
    text = "x " * 25_000_000
    started = time.thread_time()
    snapshots = [freeze([text]) for _ in range(100)]
    assert time.thread_time() - started < 0.5
    assert [snapshot[4] for snapshot in snapshots] == [50_000_008] * 100
    assert len(thaw(snapshots[0])[0]) == 262_144 + 4096


def test_many_texts_share_one_budget():
    snapshot = freeze([["x" * 200_000] * 20])
    (tree,) = thaw(snapshot)
    assert sum(map(len, tree)) < 1_200_000
    assert snapshot[4] >= 4_000_000


@pytest.mark.parametrize(("count", "length"), [(3, 2_000_000), (100_000, 1)], ids=["long", "many"])
@pytest.mark.parametrize("take", [lambda texts: freeze([texts]), freeze_own], ids=["freeze", "own"])
def test_texts_that_are_ours_have_the_same_bounds(take, count, length):
    snapshot = take(Texts([{"content": "x" * length} for _ in range(count)], count * length))
    assert snapshot[3] < 1_200_000
    assert snapshot[4] > 500_000
    (tree,) = thaw(snapshot)
    assert len(tree) <= 1025
    assert sum(len(row["content"]) for row in tree if type(row) is dict) < 1_200_000


def test_vectors_are_whole():
    vectors = [[float(i + n) for n in range(1536)] for i in range(20)]
    expected = copy.deepcopy(vectors)
    snapshot = freeze([vectors])
    wreck(vectors)
    assert thaw(snapshot) == [expected]
    assert snapshot[3] >= 20 * 1536 * 32


def test_too_many_vectors_are_cut():
    snapshot = freeze([[[0.5] * 1536] * 200])
    assert snapshot[4] > 0
    assert thaw(snapshot)[0][0] == [0.5] * 1536


def test_what_is_no_number_in_a_vector_is_named_and_not_reached():
    inner = {"secret": 1}
    (tree,) = thaw(freeze([[0.5] * 5 + [inner, "text"] + [0.5] * 40]))
    assert tree == [0.5] * 5 + ["<dict>", "text"] + [0.5] * 40


# -- other threads -----------------------------------------------------------------------------------------------------


def test_a_vector_is_ours_even_if_its_first_number_goes_before_the_worker_comes():
    numbers: list[Any] = [0.5] * 100
    snapshot = freeze([numbers, {"deep": [1, [2]]}])
    numbers[0] = "not a number"
    numbers.append([3])
    assert thaw(snapshot) == [[0.5] * 100, {"deep": [1, [2]]}]
    assert numbers[-1] == [3]


def test_values_that_other_threads_change_all_the_time():
    shared: dict[Any, Any] = {"rows": [{"n": 1, "inner": {"a": [1, 2]}}], "numbers": [0.5] * 50, "set": {1, 2}}
    shared["self"] = shared
    done = threading.Event()

    def change() -> None:
        pick = random.Random(1)
        while not done.is_set():
            number = pick.randrange(1000)
            shared[f"key {number % 50}"] = [number] * (number % 7)
            shared.pop(f"key {pick.randrange(50)}", None)
            shared["rows"].append({"n": number, "inner": {str(number): {"deep": [number]}}})
            shared["numbers"][:] = [number] * pick.randrange(60)
            shared["set"].add(number)
            if number % 10 == 0:
                shared["rows"].clear()
                shared["set"].clear()

    threads = [threading.Thread(target=change) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            for tree in thaw(freeze([shared, shared["rows"], shared["numbers"], shared["set"]])):
                plain(tree)
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_text_alone_is_weighed_like_one_among_others():
    alone, beside = freeze(["ż" * 1000])[3], freeze(["ż" * 1000, None])[3]
    assert 2000 <= alone == beside
    assert freeze(["ż" * 20_000])[3] == freeze(["ż" * 20_000, None])[3] > 40_000
