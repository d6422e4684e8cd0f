import pytest

np = pytest.importorskip("numpy")

from callspan.analysis.vectors import VectorError, Vectors, key_of, mean_of, openai_embedder  # noqa: E402


class Embedder:
    """Gives each text the direction of its length; keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.append(texts)
        return [[len(text), 1.0] for text in texts]


def test_vectors_are_computed_once_and_have_length_one(tmp_path):
    embed = Embedder()
    first = Vectors(tmp_path / "v", "m").of(["a", "bb", "a"], embed)
    assert embed.asked == [["a", "bb"]]
    assert first.dtype == np.float32
    assert first == pytest.approx(np.array([[2**-0.5, 2**-0.5], [0.8944, 0.4472], [2**-0.5, 2**-0.5]]), abs=1e-3)
    again = Vectors(tmp_path / "v", "m")
    assert (len(again), again.dimensions) == (2, 2)
    assert again.of(["bb", "ccc"], embed).tolist()[0] == first.tolist()[1]
    assert embed.asked == [["a", "bb"], ["ccc"]]
    assert again.of([], embed).shape == (0, 2)


def test_in_batches_with_progress(tmp_path):
    embed, told = Embedder(), []
    Vectors(tmp_path / "v", "m").of(list("abcde"), embed, batch=2, on_progress=lambda *args: told.append(args))
    assert [len(texts) for texts in embed.asked] == [2, 2, 1]
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_what_was_embedded_before_a_failure_is_kept(tmp_path):
    def fails(texts):
        if "c" in texts:
            raise ConnectionError("gone")
        return [[1.0, 0.0] for _ in texts]

    with pytest.raises(VectorError, match="the embedder failed: ConnectionError: gone; what it made before is kept"):
        Vectors(tmp_path / "v", "m").of(["a", "b", "c"], fails, batch=2)
    assert len(Vectors(tmp_path / "v", "m")) == 2


def test_half_written_vectors_are_written_again(tmp_path):
    kept = Vectors(tmp_path / "v", "m")
    kept.of(["a"], Embedder())
    with (tmp_path / "v" / "vectors").open("ab") as file:
        file.write(b"xyz")  # killed after the vectors, before the keys
    with (tmp_path / "v" / "keys").open("ab") as file:
        file.write(b"12345")  # or in the middle of a key
    again = Vectors(tmp_path / "v", "m")
    assert len(again) == 1
    again.of(["bb"], Embedder())
    assert (tmp_path / "v" / "vectors").stat().st_size == 2 * 2 * 2  # texts, dimensions, bytes
    assert (tmp_path / "v" / "keys").read_bytes() == key_of("a") + key_of("bb")


def test_recorded_vectors_are_taken_over(tmp_path):
    kept = Vectors(tmp_path / "v", "m")
    kept.add({"a": [3.0, 4.0], "zero": [0.0, 0.0]})
    kept.add({"a": [9.0, 9.0]})
    assert kept.of(["a", "zero"], Embedder()) == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]), abs=1e-3)


def test_another_embedder_is_refused(tmp_path):
    Vectors(tmp_path / "v", "m").of(["a"], Embedder())
    with pytest.raises(VectorError, match="holds vectors of 'm', not of 'other'; name another folder"):
        Vectors(tmp_path / "v", "other")
    with pytest.raises(VectorError, match=r"returned 3 dimensions; .* has 2"):
        Vectors(tmp_path / "v", "m").of(["b"], lambda texts: [[1, 2, 3] for _ in texts])


def test_two_at_once_lose_nothing(tmp_path):
    first, second = Vectors(tmp_path / "v", "m"), Vectors(tmp_path / "v", "m")
    first.of(["a", "bb"], Embedder())
    second.of(["ccc", "a"], Embedder())
    first.of(["dddd"], Embedder())
    again = Vectors(tmp_path / "v", "m")
    assert len(again) == 4
    embed = Embedder()
    rows = again.of(["a", "bb", "ccc", "dddd"], embed)
    assert embed.asked == []
    assert [round(float(row[0] / row[1])) for row in rows] == [1, 2, 3, 4]


def test_a_folder_that_nobody_can_read(tmp_path):
    (tmp_path / "embedder.json").write_text("{")
    with pytest.raises(VectorError, match=r"embedder.json cannot be read; remove .* to embed everything again"):
        Vectors(tmp_path, "m")


def test_numbers_that_are_not_finite(tmp_path):
    with pytest.raises(VectorError, match="not finite"):
        Vectors(tmp_path / "v", "m").of(["a"], lambda texts: [[float("nan"), 1.0]])
    assert len(Vectors(tmp_path / "v", "m")) == 0


def test_shortened_vectors_of_the_same_model_are_left_out(tmp_path):
    kept = Vectors(tmp_path / "v", "m")
    kept.add({"a": [1.0, 0.0, 0.0], "b": [1.0, 0.0]})
    assert (len(kept), kept.dimensions) == (1, 3)


@pytest.mark.parametrize("answer", [[], [[1.0]], [1.0, 2.0]])
def test_an_embedder_owes_one_vector_a_text(tmp_path, answer):
    with pytest.raises(VectorError, match="vectors for 2 texts; it owes one a text"):
        Vectors(tmp_path / "v", "m").of(["a", "b"], lambda texts: answer)


def test_only_the_owner_can_read(tmp_path):
    Vectors(tmp_path / "v", "m").of(["a"], Embedder())
    assert (tmp_path / "v").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "v" / "vectors").stat().st_mode & 0o777 == 0o600


def test_the_mean_of_directions():
    first, second = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    assert mean_of([first, second]) == pytest.approx(np.array([[2**-0.5, 2**-0.5]]))


def test_an_openai_embedder():
    from types import SimpleNamespace as Made

    asked = {}

    def create(**request):
        asked.update(request)
        return Made(data=[Made(index=1, embedding=[2.0]), Made(index=0, embedding=[1.0])])

    client = Made(embeddings=Made(create=create))
    assert openai_embedder(client, "small")(["a", ""]) == [[1.0], [2.0]]
    assert asked == {"model": "small", "input": ["a", " "]}
