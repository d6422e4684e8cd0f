"""Groups of texts that mean alike: reduced, smoothed over neighbours, and grouped by density (HDBSCAN)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]
    Labels = NDArray[np.int64]

_WIDE: Final = 50  # dimensions in which neighbours are looked for
_NARROW: Final = 12  # dimensions in which density means something
_NEIGHBOURS: Final = 15
_FEWEST: Final = 10  # points below which there is nothing to group


def cluster(vectors: Matrix, *, min_size: int | None = None, seed: int = 0) -> Labels:
    """Return the number of each row's cluster, from 0, and -1 for rows that belong to none.

    min_size: how many rows make a cluster; by default the square root of their number, at least 5.

    Vectors are reduced to their 50 main directions, each is moved to the middle of its 15 nearest neighbours, which
    takes away what is accidental in the wording, and the result is reduced to 12 directions, in which HDBSCAN finds
    dense groups. Rows that it calls noise go to the cluster of their neighbours when most of these agree.
    """
    import numpy as np  # noqa: PLC0415 - an extra
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415

    count = len(vectors)
    if count < _FEWEST:
        return np.full(count, -1, np.int64)
    size = min_size or max(5, round(count**0.5))
    points = smooth(vectors, seed)
    narrow = reduce(points, _NARROW, seed)
    found = HDBSCAN(min_cluster_size=max(size, 2), min_samples=min(5, size), n_jobs=-1, copy=False).fit_predict(narrow)
    return _by_size(_adopt_noise(narrow, np.asarray(found, np.int64)))


def reduce(vectors: Matrix, dimensions: int, seed: int = 0) -> Matrix:
    """Return the vectors in their main directions."""
    import numpy as np  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415

    most = min(dimensions, *vectors.shape)
    if most >= vectors.shape[1]:
        return vectors
    reduced: Matrix = PCA(most, random_state=seed).fit_transform(vectors).astype(np.float32)
    return reduced


def smooth(vectors: Matrix, seed: int = 0) -> Matrix:
    """Move every vector to the middle of its nearest neighbours."""
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

    wide = reduce(vectors, _WIDE, seed)
    count = min(_NEIGHBOURS, len(wide))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute", n_jobs=-1).fit(wide)
    near = search.kneighbors(wide, return_distance=False)
    moved: Matrix = wide[near].mean(axis=1)
    return moved


def layout(vectors: Matrix, seed: int = 0) -> Matrix:
    """Return a place on a map for each vector, between -1 and 1, where what is alike is close.

    Takes about ten seconds of one processor for 1,000 vectors. Its threads wait for one another by spinning: on a busy
    machine of two processors, two of them took four times as long as one.
    """
    import numpy as np  # noqa: PLC0415
    from sklearn.manifold import TSNE  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn needs it, too

    if len(vectors) < _FEWEST:
        return np.zeros((len(vectors), 2), np.float32)
    points = reduce(vectors, _WIDE, seed)
    perplexity = min(30.0, (len(points) - 1) / 3)
    start = "pca" if points.shape[1] > 1 else "random"
    with threadpool_limits(1, "openmp"):
        places = TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(points)
    reach = float(np.abs(places).max()) or 1.0
    scaled: Matrix = (places / reach).astype(np.float32)
    return scaled


def _adopt_noise(points: Matrix, labels: Labels) -> Labels:
    """Give rows of no cluster to the one that more than half of their clustered neighbours belong to."""
    import numpy as np  # noqa: PLC0415
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415

    lone = labels < 0
    clustered = ~lone
    if not lone.any() or clustered.sum() < _NEIGHBOURS:
        return labels
    vote: Any = KNeighborsClassifier(_NEIGHBOURS, n_jobs=-1).fit(points[clustered], labels[clustered])
    shares = vote.predict_proba(points[lone])
    winners = vote.classes_[shares.argmax(axis=1)]
    adopted = labels.copy()
    adopted[lone] = np.where(shares.max(axis=1) > 0.5, winners, -1)
    return adopted


def _by_size(labels: Labels) -> Labels:
    """Return the labels numbered by the size of the clusters, the largest first."""
    import numpy as np  # noqa: PLC0415

    numbers, sizes = np.unique(labels[labels >= 0], return_counts=True)
    ranks = {int(number): rank for rank, number in enumerate(numbers[np.argsort(-sizes, kind="stable")])}
    return np.array([ranks.get(int(label), -1) for label in labels], np.int64)
