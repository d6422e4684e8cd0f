from __future__ import annotations

import sys
from array import array

import pytest

from callspan.model.span import Span
from callspan.pipeline.sharing import held_bytes, look, sample, share, shared_bytes
from callspan.recording.snapshot import freeze
from spans import finished

EMPTY = sys.getsizeof("")  # 49 bytes, and 41 from Python 3.12 on
ALONE = 400 + EMPTY  # what a text of 400 ASCII characters takes


def sealed(*roots: object, size: int = 1000) -> Span:
    span = finished(size=size)
    span.input, span.output = freeze(list(roots)), None
    return span


def text(number: int) -> str:
    return f"{number:03d}" * 133 + "x"


def test_texts_that_nobody_else_holds_are_not_shared():
    span = sealed([{"content": "x".join("y" * 200)}], "a".join("b" * 200))
    assert shared_bytes(span) == 0
    assert shared_bytes(finished(size=1000)) == 0


def test_what_would_stay_if_the_span_went_is_shared():
    kept = text(1)
    for made in (
        lambda: kept,
        lambda: [{"content": kept}],
        lambda: {"content": kept},
    ):
        span = sealed(made())
        assert shared_bytes(span) == ALONE // 2


def test_short_texts_count_where_long_ones_are_shared():
    long, short = text(1), text(2)[:4]
    alone, beside = sealed({"role": short}), sealed({"role": short, "content": long})
    assert shared_bytes(alone) == 0
    assert shared_bytes(beside) == int(ALONE / 2 + (4 + EMPTY) * 2 / 3)  # three hold the short one


def test_what_four_hold_is_shared_by_three_quarters():
    kept = [text(1)]
    spans = [sealed(kept[0]) for _ in range(3)]
    assert shared_bytes(spans[0]) == ALONE * 3 // 4


def test_the_part_that_spans_hold_alone():
    spans = [finished(size=1000), finished(size=3000)]
    assert share(spans, 1000) == 0.75
    assert share(spans, 0) == 1.0
    assert share(spans, 3900) == 0.3  # never less: what is shared now may not be shared with those that come next
    assert share(spans[:1], 500) is None
    assert share([], 0) is None


def held_alone(span: Span) -> float:
    return held_bytes(span) - (span.size - span.input[3])


def test_containers_count_as_large_as_they_are():
    key = "role"
    rows = [{key: 1.5}, {key: None}, {key: True}]
    expected = sys.getsizeof([0]) + sys.getsizeof([0, 0, 0]) + 3 * sys.getsizeof({key: 0}) + sys.getsizeof(1.5) / 2
    assert held_alone(sealed(rows)) == pytest.approx(expected, abs=48)  # a list may have more places than it uses
    assert held_bytes(finished(size=1000)) == 1000


def test_of_a_text_that_several_hold_only_a_part_counts():
    kept = text(5)
    alone = held_alone(sealed(["x".join("y" * 200)]))
    beside = held_alone(sealed([kept]))
    assert beside == pytest.approx(alone - (399 + EMPTY) + ALONE / 2, abs=1)


def test_what_is_of_unknown_size_counts_as_it_was_counted():
    span = sealed({"vector": array("d", range(100)), "content": "z".join("y" * 200)}, size=5000)
    assert held_bytes(span) == 5000


def test_a_few_stand_for_all():
    kept = text(2)
    spans = [sealed(kept) if number % 64 in (0, 43) else sealed(text(number)) for number in range(300)]
    assert sample(spans) == spans[::64]
    assert look(spans) < 0.8 < look([sealed(text(number)) for number in range(300)])
    assert look(spans[:10]) is None


def test_of_the_oldest_and_the_newest_those_count_that_share_less():
    kept = text(3)
    shared, own = [sealed(kept) for _ in range(300)], [sealed(text(number)) for number in range(300)]
    assert look(shared) < look(own)
    assert look(shared + own) == look(own + shared) == look(own)
