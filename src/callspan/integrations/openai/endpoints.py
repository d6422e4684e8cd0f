"""The requests that ask a model, as a table. A new one is a row here, and a function that reads it in either file."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from callspan.integrations.openai import request, response, stream
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.recording.sites import Site

_VECTORS: Final = "full"  # or "hash", or "none"


class Endpoint(NamedTuple):
    """Requests that ask a model: how they are recognised, and who reads them. `chunks` collects a streamed answer."""

    method: str
    path: re.Pattern[str]
    site: Site
    read_request: Callable[[Facts, request.Tree], None]
    read_answer: Callable[[Facts, request.Tree], None]
    chunks: Callable[[int, Span | None], Any] | None = None


def _path(ending: str) -> re.Pattern[str]:
    """Match a path, alone or after a version or an Azure deployment, or a whole URL."""
    return re.compile(rf"(?:.*/)?{ending}/?(?:\?.*)?")


ENDPOINTS: Final = (
    Endpoint(
        "post",
        _path("chat/completions"),
        Site("chat", "llm", open_objects=True),
        request.read_chat,
        response.read_chat,
        stream.ChatChunks,
    ),
    Endpoint(
        "post",
        _path("embeddings"),
        Site("embeddings", "embedding", open_objects=True, vectors=_VECTORS),
        request.read_embeddings,
        lambda facts, answer: response.read_embeddings(facts, answer, _VECTORS),
    ),
)


@lru_cache(maxsize=512)
def endpoint_of(method: str, url: str) -> Endpoint | None:
    """Return which endpoint a request goes to, None for one that asks no model."""
    lowered = method.lower()
    for endpoint in ENDPOINTS:
        if endpoint.method == lowered and endpoint.path.fullmatch(url):
            return endpoint
    return None
