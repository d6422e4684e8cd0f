"""The five calls that everything is measured on. The data is the same in every run; the bodies cost next to nothing.

`SHAPES` holds them in the order they are reported. The generator is `stream`: one run yields `CHUNK_COUNT` chunks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

CHUNK_COUNT = 100

_random = random.Random(20_251)
_PLAIN = (
    "the of and to a in is it for was on with as at by from that this which were not have when than then been their "
    "more also after first would where these about could other between because during through however without against "
    "invoice shipment refund customer warehouse contract deadline estimate supplier delivery quarterly measurement "
    "temperature 3.14 2,500 42% (see section 7) retrieval ranking passage citation summary hypothesis"
)
_ACCENTED = "café Straße naïve Żółw señor 東京 данные “quoted” — résumé"
_WORDS = _PLAIN.split()
_MORE_WORDS = _WORDS + _ACCENTED.split()


def _text(length: int, words: list[str] = _WORDS) -> str:
    text = ""
    while len(text) < length:
        text += _random.choice(words) + " "
    return text[:length]


# As in real text, most strings are plain ASCII and some are not: marshal, json and UTF-8 all treat the two differently.
MESSAGES = [
    {"role": ("system", "user", "assistant")[i % 3], "content": _text(400, _MORE_WORDS if i % 3 == 1 else _WORDS)}
    for i in range(6)
]
PARAMETERS = {"model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 512, "top_p": 0.95, "seed": 7}
ANSWER = {
    "role": "assistant",
    "content": _text(400),
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 655, "completion_tokens": 104, "total_tokens": 759},
}
QUESTION = _text(100)
DOCUMENTS = [
    {
        "id": f"handbook-{i:03d}",
        "text": _text(1_000, _MORE_WORDS if i % 4 == 0 else _WORDS),
        "score": round(0.97 - i * 0.013, 4),
        "metadata": {"source": f"handbook/chapter-{i}.md", "page": i + 1, "language": "en"},
    }
    for i in range(20)
]
VECTOR = [_random.uniform(-1, 1) for _ in range(1_536)]
CHUNKS = [_text(5) for _ in range(CHUNK_COUNT)]


def add(a: int, b: int) -> int:
    return a + b


def chat(messages: list[dict[str, str]], parameters: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - recorded
    return ANSWER


def retrieve(query: str, top_k: int) -> list[dict[str, Any]]:  # noqa: ARG001 - recorded
    return DOCUMENTS


def embed(text: str) -> list[float]:  # noqa: ARG001 - recorded
    return VECTOR


def stream(messages: list[dict[str, str]], parameters: dict[str, Any]) -> Iterator[str]:  # noqa: ARG001 - recorded
    yield from CHUNKS


@dataclass(frozen=True)
class Shape:
    """A function, its arguments, and the kind of span it stands for."""

    name: str
    kind: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    generator: bool = False


SHAPES = (
    Shape("two ints", "tool", add, (1, 2)),
    Shape("chat", "llm", chat, (MESSAGES, PARAMETERS)),
    Shape("documents", "retriever", retrieve, (QUESTION, 20)),
    Shape("floats", "embedding", embed, (QUESTION,)),
    Shape("stream", "llm", stream, (MESSAGES, PARAMETERS), generator=True),
)
