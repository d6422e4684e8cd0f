import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")

from callspan.analysis.clustering import cluster, layout, reduce, smooth  # noqa: E402


def blobs(sizes, dimensions=64, spread=0.25, seed=0):
    """Make groups of directions around random middles, far apart."""
    chance = np.random.default_rng(seed)
    middles = chance.normal(size=(len(sizes), dimensions))
    rows = [
        middle + spread * chance.normal(size=(size, dimensions)) for middle, size in zip(middles, sizes, strict=True)
    ]
    vectors = np.concatenate(rows).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_groups_are_found_and_numbered_by_size():
    vectors = blobs([40, 120, 80])
    labels = cluster(vectors)
    assert [set(part.tolist()) for part in (labels[:40], labels[40:160], labels[160:])] == [{2}, {0}, {1}]


def test_the_same_input_gives_the_same_clusters():
    vectors = blobs([50, 50, 50])
    assert cluster(vectors).tolist() == cluster(vectors).tolist()


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_to_group(count):
    vectors = np.ones((count, 8), np.float32)
    assert cluster(vectors).tolist() == [-1] * count
    assert layout(vectors).shape == (count, 2)


def test_all_the_same():
    labels = cluster(np.ones((30, 8), np.float32))
    assert set(labels.tolist()) <= {0, -1}


def test_reduction_keeps_what_is_narrow_enough():
    vectors = blobs([20], dimensions=6)
    assert reduce(vectors, 12) is vectors
    assert reduce(blobs([20, 20]), 12).shape == (40, 12)


def test_smoothing_brings_neighbours_together():
    vectors = blobs([60, 60])
    assert smooth(vectors)[:60].std() < reduce(vectors, 50)[:60].std()


def test_the_map_keeps_groups_apart():
    places = layout(blobs([60, 60]))
    assert np.abs(places).max() == pytest.approx(1)
    first, second = places[:60].mean(axis=0), places[60:].mean(axis=0)
    assert np.linalg.norm(first - second) > 2 * places[:60].std()
