"""Which embedder a command line names, and the vectors that a clustering needs."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from callspan.analysis.points import UNKNOWN_MODEL, On, Point
from callspan.analysis.vectors import Embed, VectorError, Vectors, mean_of, openai_embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_OPENAI: Final = "openai:"
_HOW: Final = (
    "name an embedder: --embedder openai:text-embedding-3-small (any server that OPENAI_BASE_URL says), or "
    "--embedder package.module:function, a function from a list of texts to a list of vectors"
)


def embedder_named(name: str) -> Embed:
    """Return the embedder that a name stands for: `openai:MODEL` or `module:function`.

    Raises `VectorError` that says what a name looks like, when there is none behind it.
    """
    place, _, what = name.partition(":")
    if not what:
        raise VectorError(f"{name!r} is no embedder; {_HOW}")
    if name.startswith(_OPENAI):
        try:
            openai: Any = importlib.import_module("openai")
            return openai_embedder(openai.OpenAI(), what)
        except ImportError:
            raise VectorError("the package openai is not installed: pip install openai") from None
        except openai.OpenAIError as error:  # no API key
            raise VectorError(f"{name}: {error}") from None
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `python -m` does, for functions of the user's project
    try:
        found: Embed = getattr(importlib.import_module(place), what)
    except (ImportError, AttributeError) as error:
        raise VectorError(f"{name!r}: {error}; {_HOW}") from None
    finally:
        del sys.path[0]
    return found


def model_of(embedder: str | None, recorded: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return the model that makes the vectors: the one that is named, else the one that most of the recorded are of."""
    if embedder is not None:
        return embedder.removeprefix(_OPENAI)
    return max(recorded, key=lambda model: len(recorded[model]), default=UNKNOWN_MODEL)


def no_embedder(texts: list[str]) -> Sequence[Sequence[float]]:
    """Raise: the recorded embedding calls do not have all vectors, and nobody was named who could make them."""
    raise VectorError(
        f"{len(texts):,} texts have no recorded vector; {_HOW}. Where only prompts were embedded, --on prompt is enough"
    )


def vectors_of(
    points: Sequence[Point],
    kept: Vectors,
    embed: Embed = no_embedder,
    on: On = "both",
    on_progress: Callable[[int, int], None] | None = None,
) -> Matrix:
    """Return one vector a point: of its prompt, its response, or the direction between both."""
    sides: list[On] = ["prompt", "response"] if on == "both" else [on]
    flat = kept.of([point.text(side) for side in sides for point in points], embed, on_progress=on_progress)
    count = len(points)
    return mean_of(flat[start : start + count] for start in range(0, len(flat), count)) if count else flat
