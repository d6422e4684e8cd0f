"""The requests that ask a model, as a table. A new one is a row here, and two functions that read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from callspan.integrations.openai import events, media, request, response, responses, stream
from callspan.model.facts import Facts
from callspan.model.kinds import Kind
from callspan.model.span import Span
from callspan.recording.sites import Site

Read = Callable[[Facts, request.Tree], None]
Collect = Callable[[int, "Span | None"], Any]


def _is_what_it_seems(_: Span, __: request.Tree) -> None:
    """Let a span end as the call did."""


class Endpoint(NamedTuple):
    """Requests of one kind: how they are recognised, and who reads them.

    `chunks` collects a streamed answer; `judge` lets the span end as the answer says; `takes_files` says that files
    are sent beside the body; `can_tell_usage` that a stream can be asked for its token counts.
    """

    method: str
    path: re.Pattern[str]
    site: Site
    operation: str | None
    read_request: Read
    read_answer: Read
    chunks: Collect | None = None
    judge: Callable[[Span, request.Tree], None] = _is_what_it_seems
    takes_files: bool = False
    can_tell_usage: bool = False


def _path(ending: str) -> re.Pattern[str]:
    """Match a path, alone or after a version or an Azure deployment, or a whole URL."""
    return re.compile(rf"(?:.*/)?{ending}/?(?:\?.*)?")


def _site(name: str, kind: Kind = "llm", component: str | None = None, **more: Any) -> Site:
    return Site(name, kind, component=component, open_objects=True, capture_output=False, **more)


def _embeddings(vectors: str) -> Endpoint:
    return Endpoint(
        "post",
        _path("embeddings"),
        _site("embeddings", "embedding", vectors=vectors),
        "embeddings",
        request.read_embeddings,
        lambda facts, answer: response.read_embeddings(facts, answer, vectors),
    )


def _media(path: str, component: str, read_request: Read, read_answer: Read, **more: Any) -> Endpoint:
    site = _site("generate_content", component=component)
    chunks = events.MediaEvents
    return Endpoint("post", _path(path), site, "generate_content", read_request, read_answer, chunks=chunks, **more)


ENDPOINTS: Final = (
    Endpoint(
        "post",
        _path("chat/completions"),
        _site("chat"),
        "chat",
        request.read_chat,
        response.read_chat,
        stream.ChatChunks,
        can_tell_usage=True,
    ),
    Endpoint(
        "post",
        _path("responses"),
        _site("chat"),
        "chat",
        responses.read_request,
        responses.read_answer,
        events.ResponseEvents,
        responses.judge,
    ),
    Endpoint(
        "post",
        re.compile(r"(?:|.*/v\d+|.*/deployments/[^/]+|https?://.*)/?completions/?(?:\?.*)?"),
        _site("text_completion"),
        "text_completion",
        request.read_completion,
        response.read_chat,
        stream.CompletionChunks,
        can_tell_usage=True,
    ),
    Endpoint(
        "get",
        _path(r"responses/[^/?]+"),
        _site("fetch_response", component="fetch", may_repeat=True),
        "fetch_response",
        responses.read_nothing,
        responses.read_fetched,
        events.ResponseEvents,
        responses.judge,
    ),
    Endpoint(
        "post",
        _path("responses/compact"),
        _site("chat", component="compaction"),
        "chat",
        responses.read_request,
        responses.read_answer,
    ),
    _media(r"images/generations", "image", media.read_image_request, media.read_images),
    _media(r"images/(?:edits|variations)", "image", media.read_image_request, media.read_images, takes_files=True),
    _media(r"audio/speech", "speech", media.read_speech_request, media.read_speech),
    _media(r"audio/transcriptions", "transcription", media.read_audio_request, media.read_transcript, takes_files=True),
    _media(r"audio/translations", "translation", media.read_audio_request, media.read_transcript, takes_files=True),
    _media(r"decisions", "decision", media.read_decision_request, media.read_plain),
    Endpoint(
        "post",
        _path("moderations"),
        _site("moderation", "guardrail", component="moderation"),
        None,
        media.read_moderation_request,
        media.read_moderation,
    ),
)
EMBEDDINGS: Final = {vectors: _embeddings(vectors) for vectors in ("full", "hash", "none")}

_ANYTHING: Final = re.compile(".*", re.DOTALL)
_IDENTITY: Final = re.compile(r"(?<=/)(?=[^/]*\d)(?!v\d+(?:/|$))[^/]+")


@lru_cache(maxsize=512)
def endpoint_of(method: str, url: str, vectors: str = "full", others: bool = False) -> Endpoint | None:  # noqa: FBT001, FBT002 - by position: a key of the cache
    """Return which endpoint a request goes to, None for one that asks no model, unless `others` are wanted too."""
    lowered = method.lower()
    for endpoint in (EMBEDDINGS[vectors], *ENDPOINTS):
        if endpoint.method == lowered and endpoint.path.fullmatch(url):
            return endpoint
    if not others:
        return None
    path = "/" + re.sub(r"^\w+://[^/]+", "", url).partition("?")[0].strip("/")
    return _other(f"{method.upper()} {_IDENTITY.sub('{id}', path)}")


@lru_cache(maxsize=256)
def _other(name: str) -> Endpoint:
    """Return the endpoint of a request that asks no model: a plain span, named by its path without identities."""
    site = _site(name, "chain", component="request")
    return Endpoint("", _ANYTHING, site, None, media.read_other_request, media.read_plain)
