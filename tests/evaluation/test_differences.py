import math

import pytest

pytest.importorskip("numpy")

from callspan.evaluation.differences import difference


def test_a_clear_difference():
    found = difference([0.0] * 30, [1.0] * 20 + [0.0] * 10)
    assert (found.count, found.first, found.second) == (30, 0.0, pytest.approx(2 / 3))
    assert (found.better, found.worse) == (20, 0)
    assert found.mean == pytest.approx(2 / 3)
    assert 0.45 < found.low < 0.55  # 0.667 - 1.96 * sqrt(0.667 * 0.333 / 30) = 0.498
    assert 0.78 < found.high < 0.88
    assert found.is_significant


def test_no_difference_and_few_pairs():
    same = difference([1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    assert (same.mean, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    three = difference([0.0] * 3, [1.0] * 3)  # by chance in one of four: all signs alike
    assert three.p_value == pytest.approx(0.25, abs=0.04)
    assert not three.is_significant


def test_one_pair_and_none():
    one = difference([0.0], [1.0])
    assert (one.mean, one.p_value, math.isnan(one.low)) == (1.0, 1.0, True)
    assert difference([], []).count == 0
    assert not difference([], []).is_significant


def test_the_same_scores_give_the_same_figures():
    first, second = [0.1, 0.9, 0.4, 0.3], [0.2, 0.7, 0.9, 0.8]
    assert difference(first, second) == difference(first, second)
