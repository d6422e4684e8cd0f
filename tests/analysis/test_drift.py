import math

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("scipy")

from callspan.analysis.drift import drift_of, holm, share_changes  # noqa: E402
from callspan.analysis.terms import distinguishing_terms  # noqa: E402


def test_what_changed_and_what_did_not():
    new, grown, same, shrunk, gone, few = share_changes([60, 120, 300, 40, 1, 4], [0, 40, 320, 140, 50, 1])
    assert [change.change for change in (new, grown, same, shrunk, gone, few)] == [
        "new",
        "grown",
        "same",
        "shrunk",
        "gone",
        "same",
    ]
    assert (new.now, new.before, new.ratio) == (60, 0, math.inf)
    assert grown.ratio == pytest.approx(120 / 525 / (40 / 551))
    assert new.p_value < 1e-6
    assert few.p_value > 0.05


def test_a_sure_but_small_change_is_none():
    (change, _) = share_changes([60_000, 40_000], [50_000, 50_000])
    assert (change.change, change.p_value < 1e-6) == ("same", True)


def test_an_empty_baseline():
    assert [change.change for change in share_changes([5, 5], [0, 0])] == ["same", "same"]
    assert share_changes([], []) == []


def test_holm_keeps_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_drift():
    chance = np.random.default_rng(0)
    before = chance.normal(size=(300, 8)).astype(np.float32)
    same = chance.normal(size=(1_200, 8)).astype(np.float32)
    moved = same + np.float32(0.4)
    assert not drift_of(same, before).is_significant
    assert drift_of(moved, before).is_significant
    assert drift_of(moved, before).distance > drift_of(same, before).distance
    assert math.isnan(drift_of(moved, before[:0]).distance)
    assert not drift_of(moved[:0], before).is_significant


def test_terms():
    texts = ["where is my parcel", "my parcel is late", "is the refund late", "where is my refund"]
    assert distinguishing_terms(texts, [0, 0, 1, 1], 1) == {0: ["parcel"], 1: ["refund"]}
    assert distinguishing_terms(["same words", "same words"], [0, 1]) == {0: [], 1: []}
    assert distinguishing_terms([], []) == {}
    assert distinguishing_terms(["żółw i żaba", "kot"], [0, 1], 1)[0] == ["żaba"]
