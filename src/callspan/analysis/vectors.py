"""Vectors of texts, computed once: kept beside the spans in a folder of 16-bit floats that is mapped into memory."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callspan.errors import CallspanError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

Embed = Callable[[list[str]], Sequence[Sequence[float]]]
"""Takes a list of texts and returns one vector each."""

_KEY_BYTES: Final = 32
_ABOUT: Final = "embedder.json"


class VectorError(CallspanError):
    """An embedder or a folder of vectors is not what was expected; the message says what to do."""


class Vectors:
    """A folder of vectors by the hash of their text. Safe to kill: what is half written is written again.

    `keys` holds 32 bytes a text, `vectors` the 16-bit floats in the same order, `embedder.json` who made them. Vectors
    of another embedder are not comparable, so such a folder is refused. Several processes may use one folder.
    """

    def __init__(self, folder: str | os.PathLike[str], embedder: str) -> None:
        """Open the folder, which is made with the first vectors, for its owner only. `embedder` names the model."""
        self._folder = Path(folder)
        self._embedder = embedder
        self.dimensions: int | None = None
        self._places: dict[bytes, int] = {}
        self._count = 0  # vectors in the folder
        self._catch_up()

    def __len__(self) -> int:
        return len(self._places)

    def of(
        self,
        texts: Sequence[str],
        embed: Embed,
        *,
        batch: int = 256,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Matrix:
        """Return one vector a text, of length 1; what is not known yet is embedded, `batch` texts at a time.

        `on_progress(done, all)` is called after each batch. Raises `VectorError` when `embed` fails, or does not return
        one vector of finite numbers a text; what was embedded until then is kept.
        """
        missing = {key_of(text): text for text in texts if key_of(text) not in self._places}
        pairs = [*missing.items()]
        for start in range(0, len(pairs), batch):
            chosen = pairs[start : start + batch]
            self._append([key for key, _ in chosen], _embedded([text for _, text in chosen], embed))
            if on_progress is not None:
                on_progress(min(start + batch, len(pairs)), len(pairs))
        return self._rows([self._places[key_of(text)] for text in texts])

    def add(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors that are known already, by text: those of recorded embedding calls.

        Vectors of another length than the others (shortened ones of the same model) are left out.
        """
        length = self.dimensions or max(map(len, vectors.values()), default=0)
        new = {
            key: vector
            for text, vector in vectors.items()
            if len(vector) == length and (key := key_of(text)) not in self._places
        }
        if new:
            self._append([*new], _unit([*new.values()]))

    def _rows(self, places: list[int]) -> Matrix:
        import numpy as np  # noqa: PLC0415 - an extra

        if not places:
            return np.zeros((0, self.dimensions or 0), np.float32)
        shape = self._count, self.dimensions or 0
        kept = np.memmap(self._folder / "vectors", np.float16, "r", shape=shape)
        rows: Matrix = kept[places].astype(np.float32)
        return rows

    def _append(self, keys: Sequence[bytes], rows: Matrix) -> None:
        import numpy as np  # noqa: PLC0415

        with _alone_in(self._folder):
            self._catch_up()
            if self.dimensions is None:
                self.dimensions = int(rows.shape[1])
                self._say_who()
            if rows.shape[1] != self.dimensions:
                raise VectorError(
                    f"the embedder returned {rows.shape[1]} dimensions; {self._folder} has {self.dimensions}"
                )
            _write_at(self._folder / "vectors", self._count * self.dimensions * 2, rows.astype(np.float16).tobytes())
            _write_at(self._folder / "keys", self._count * _KEY_BYTES, b"".join(keys))
            self._take(keys)

    def _catch_up(self) -> None:
        """Learn what is in the folder, also what other processes have written meanwhile."""
        about = self._folder / _ABOUT
        if self.dimensions is None and about.exists():
            try:
                told = json.loads(about.read_text("utf-8"))
                made_by, self.dimensions = told["embedder"], int(told["dimensions"])
            except (ValueError, TypeError, KeyError):
                raise VectorError(f"{about} cannot be read; remove {self._folder} to embed everything again") from None
            if made_by != self._embedder:
                raise VectorError(
                    f"{self._folder} holds vectors of {made_by!r}, not of {self._embedder!r}; name another folder"
                )
        if (keys := self._folder / "keys").exists():
            with keys.open("rb") as file:
                file.seek(self._count * _KEY_BYTES)
                self._take(_keys_in(file.read()))

    def _take(self, keys: Iterable[bytes]) -> None:
        """Note the places of the next keys. One that two processes have embedded stands twice, and either will do."""
        for place, key in enumerate(keys, self._count):
            self._places[key] = place
            self._count = place + 1

    def _say_who(self) -> None:
        about = self._folder / _ABOUT
        part = about.with_suffix(".part")
        part.write_text(json.dumps({"embedder": self._embedder, "dimensions": self.dimensions}), "utf-8")
        part.replace(about)


def _keys_in(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data) - _KEY_BYTES + 1, _KEY_BYTES):
        yield data[start : start + _KEY_BYTES]


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into the folder meanwhile, where the system has locks for that."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def key_of(text: str) -> bytes:
    """Return what a text's vector is kept under."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def openai_embedder(client: Any, model: str) -> Embed:
    """Return an embedder over any OpenAI-compatible client.

    >>> openai_embedder(OpenAI(), "text-embedding-3-small")  # doctest: +SKIP
    """

    def embed(texts: list[str]) -> Sequence[Sequence[float]]:
        answer = client.embeddings.create(model=model, input=[text or " " for text in texts])
        return [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]

    return embed


def mean_of(several: Iterable[Matrix]) -> Matrix:
    """Return the direction between vectors of the same things, row by row: of prompts and of their answers."""
    import numpy as np  # noqa: PLC0415

    return _unit(np.sum([*several], axis=0))


def _embedded(texts: list[str], embed: Embed) -> Matrix:
    import numpy as np  # noqa: PLC0415

    try:
        rows = np.asarray(embed(texts), np.float32)
    except VectorError:
        raise
    except Exception as error:  # code of the user's, or a server
        raise VectorError(
            f"the embedder failed: {type(error).__name__}: {error}; what it made before is kept"
        ) from error
    if rows.ndim != 2 or len(rows) != len(texts):
        raise VectorError(f"the embedder returned {len(rows)} vectors for {len(texts)} texts; it owes one a text")
    if not np.isfinite(rows).all():
        raise VectorError("the embedder returned a vector with numbers that are not finite")
    return _unit(rows)


def _unit(vectors: Any) -> Matrix:
    """Return the vectors with length 1, so that a product is a cosine; those of length 0 stay."""
    import numpy as np  # noqa: PLC0415

    rows = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Matrix = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Write over whatever a killed run left beyond what is known to be whole."""
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(number, "r+b") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
