"""What watching the openai client costs the caller's thread, beside OpenTelemetry's SDK with `json.dumps` by hand.

The client is the real one, over a transport that answers without a network. The chunks of a stream are ready objects:
parsing them takes the client a hundred times as long as passing them on, and would hide what that costs.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import callspan
from benchmarks.bursts import Contestant, interleave
from benchmarks.caller import flush, record_all
from benchmarks.otel_json import Reference
from benchmarks.report import Row
from benchmarks.yardstick import scaled, yardstick

CHUNKS = 10_000
CHUNK_US = 0.5
MESSAGES = [{"role": ("user", "assistant")[number % 2], "content": f"{number} " * 200} for number in range(6)]
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "word " * 160},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 500, "completion_tokens": 160, "total_tokens": 660},
}
VECTOR = base64.b64encode(struct.pack("<1536f", *(number / 1536 for number in range(1536)))).decode()
EMBEDDINGS = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": index, "embedding": VECTOR} for index in range(16)],
    "usage": {"prompt_tokens": 64, "total_tokens": 64},
}
TEXTS = [f"text {number}" for number in range(16)]


def client(answer: Any) -> Any:
    """Return a client that always gets this answer."""
    import openai

    http: Any = sys.modules.get("httpx2") or sys.modules["httpx"]  # what the client has loaded
    content = json.dumps(answer).encode()

    def handle(_: Any) -> Any:
        return http.Response(200, headers={"content-type": "application/json"}, content=content)

    return openai.OpenAI(api_key="none", http_client=http.Client(transport=http.MockTransport(handle)))


def chat(asking: Any) -> Any:
    return asking.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)


def embed(asking: Any) -> Any:
    return asking.embeddings.create(model="text-embedding-3-small", input=TEXTS)


def by_hand(reference: Reference, ask: Callable[[Any], Any], given: Any) -> Callable[[Any], Any]:
    """Record a call as one would with OpenTelemetry: a span, and what went in and came out as JSON."""

    def recorded(asking: Any) -> Any:
        def call(given: Any) -> Any:  # noqa: ARG001 - recorded
            return ask(asking).model_dump()

        return reference.observed(call, "llm")(given)

    return recorded


def repeated(ask: Callable[[Any], Any], asking: Any) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            ask(asking)

    return run


def watching(**options: Any) -> Callable[[], None]:
    def before() -> None:
        callspan.uninstrument("openai")
        callspan.instrument("openai", **options)

    return before


def leave() -> None:
    callspan.uninstrument("openai")


def measure_call(
    name: str,
    ask: Callable[[Any], Any],
    answer: Any,
    given: Any,
    at_most: float,
    *,
    bursts: int,
    calls: int,
    **options: Any,
) -> Row:
    """Measure one kind of call: unwatched, by hand, callspan."""
    reference = Reference()
    asking = client(answer)
    record_all()
    try:
        contestants = [
            Contestant("bare", repeated(ask, asking), before=leave, calls=calls),
            Contestant(
                "otel+json",
                repeated(by_hand(reference, ask, given), asking),
                before=leave,
                after=reference.flush,
                calls=calls,
            ),
            Contestant("callspan", repeated(ask, asking), before=watching(**options), after=flush, calls=calls),
        ]
        interleave(contestants, bursts)
    finally:
        leave()
        reference.close()
    row = Row.above(name, contestants)
    row.demand("otel+json", at_most)
    return row


def measure_stream(*, bursts: int) -> Row:
    """Measure what passing a chunk on costs: bare, through a generator that keeps the chunks, callspan."""
    from openai._models import construct_type
    from openai.types.chat import ChatCompletionChunk

    from callspan.capture.providers import open_provider_call
    from callspan.capture.streams import StreamWatch, tee
    from callspan.integrations.openai.endpoints import endpoint_of
    from callspan.integrations.openai.stream import ChatChunks

    tree = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}
    chunks = [construct_type(type_=ChatCompletionChunk, value={**tree, "choices": [choice]}) for _ in range(CHUNKS)]
    site = endpoint_of("post", "/chat/completions").site

    def keep(source: Iterator[Any]) -> Iterator[Any]:
        kept = []
        for chunk in source:
            kept.append(chunk)
            yield chunk

    def watched(source: Iterator[Any]) -> Any:
        return tee(source, StreamWatch(open_provider_call(site, None), ChatChunks(1, None)))

    def reading(wrap: Callable[[Iterator[Any]], Iterator[Any]]) -> Callable[[int], None]:
        def run(count: int) -> None:
            for _ in range(count):
                for _chunk in wrap(iter(chunks)):
                    pass

        return run

    record_all()
    reference = Reference()
    beside = yardstick(reference, calls=5)
    contestants = [
        Contestant("bare", reading(iter), calls=1),
        Contestant("kept", reading(keep), calls=1),
        Contestant("callspan", reading(watched), after=flush, calls=1),
    ]
    try:
        interleave([*contestants, *beside], bursts)
    finally:
        reference.close()
    row = Row.above("openai stream", contestants, per=CHUNKS)
    row.demands.append(scaled("us in the best burst", row.minima["callspan"], CHUNK_US, beside))
    return row


def measure(*, bursts: int = 30, calls: int = 50) -> list[Row]:
    """Measure everything; nothing where openai is not installed."""
    if find_spec("openai") is None:
        return []
    few = max(calls // 5, 2)
    return [
        measure_call("openai chat", chat, CHAT, MESSAGES, 1.0, bursts=bursts, calls=calls),
        measure_call("openai embeddings", embed, EMBEDDINGS, TEXTS, 1 / 8, bursts=bursts, calls=few),
        measure_call(
            "openai embeddings, vectors off", embed, EMBEDDINGS, TEXTS, 1 / 8, bursts=bursts, calls=few, vectors="none"
        ),
        measure_stream(bursts=bursts),
    ]
