"""Finished spans for tests, made without a recorder: fixed IDs, fixed times, facts as given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from callspan.model.facts import Facts, PromptUse, ToolFacts
from callspan.model.kinds import KINDS, Kind
from callspan.model.span import Span
from callspan.model.usage import Usage

TRACE_ID: Final = 0x5B8AA5A2D2C872E8321CF37308D69DF2
SPAN_ID: Final = 0x051581BF3CB55C13
PARENT_ID: Final = 0x5FB397BE34D26B51
START_NS: Final = 1_700_000_000_000_000_000
END_NS: Final = START_NS + 1_500_000_000

_FACTS: Final = frozenset(field.name for field in fields(Facts))
_SLOTS: Final = frozenset(Span.__slots__)


def finished(kind: Kind = "llm", name: str = "chat", **given: Any) -> Span:
    """Make a sealed span. A name that `Facts` has goes there, any other must be a slot of `Span`.

    >>> finished("tool", "add", input={"a": 1}, outcome="ok").facts.input
    {'a': 1}
    """
    span = Span()
    for slot in ("component", "error", "events", "input", "links", "output", "parent_id", "prompts", "reader", "scope"):
        setattr(span, slot, None)
    for slot in ("site", "attributes", "provider_call", "status_message", "stream", "trace_state", "truncated"):
        setattr(span, slot, None)
    span.kind, span.name = kind, name
    span.trace_id, span.span_id = TRACE_ID, SPAN_ID
    span.start_ns, span.end_ns = START_NS, END_NS
    span.status, span.outcome, span.usage_below, span.is_entry, span.size = 0, "ok", False, False, 0
    span.facts = Facts(**{key: value for key, value in given.items() if key in _FACTS})
    for key, value in given.items():
        if key in _FACTS:
            continue
        if key not in _SLOTS:
            message = f"neither Facts nor Span has {key!r}"
            raise TypeError(message)
        setattr(span, key, value)
    return span


def text(role: str, content: str, **more: Any) -> Any:
    """Make a message of one text part."""
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


def _llm() -> Span:
    return finished(
        "llm",
        "chat gpt-4o",
        parent_id=PARENT_ID,
        provider="openai",
        request={
            "model": "gpt-4o",
            "temperature": 0.2,
            "top_p": 1,
            "max_tokens": 256,
            "stop_sequences": ["END"],
            "seed": 7,
            "stream": True,
            "service_tier": "flex",
        },
        extra={"logit_bias": {"50256": -100}},
        response={
            "id": "chatcmpl-1",
            "model": "gpt-4o-2024-08-06",
            "finish_reasons": ["tool_calls"],
            "service_tier": "default",
            "system_fingerprint": "fp_1",
            "request_id": "req_1",
        },
        system_instructions=[{"type": "text", "content": "Be brief."}],
        input_messages=[
            text("user", "What is the weather in Kyōto?"),
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "call_0", "name": "where", "arguments": {"city": "Kyōto"}}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_0", "response": "35.0,135.8"}]},
        ],
        output_messages=[
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": "Let me look."},
                    {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"at": [35.0, 135.8]}},
                ],
                "finish_reason": "tool_calls",
            }
        ],
        tool_definitions=[
            {
                "type": "function",
                "name": "weather",
                "description": "Tell the weather.",
                "parameters": {"type": "object", "properties": {"at": {"type": "array"}}, "required": ["at"]},
            }
        ],
        usage=Usage(
            input_tokens=40,
            output_tokens=12,
            total_tokens=52,
            cache_read_tokens=16,
            cache_write_tokens=4,
            reasoning_tokens=3,
            raw={"prompt_tokens": 40, "completion_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 3}},
        ),
        server_address="api.openai.com",
        server_port=443,
        retries=1,
        time_to_first_chunk_s=0.25,
        chunk_count=9,
        prompts=[PromptUse("What is the weather in {city}?", {"city": "Kyōto"}, "weather", "v3")],
        conversation_id="c-42",
        step=2,
        user_id="u-7",
        tags=["beta", "weather"],
        metadata={"tier": "gold"},
        attributes={"shop.basket": 3, "shop.items": [{"sku": "a"}, None]},
        truncated={"input": 70_000},
        redacted_count=2,
    )


def _chain() -> Span:
    return finished("chain", "plan", component="workflow", input={"question": "Why?"}, output="Because.")


def _agent() -> Span:
    return finished("agent", "helper", agent_name="helper", input="Book a table.", output={"booked": True}, step=1)


def _tool() -> Span:
    return finished(
        "tool",
        "weather",
        tool=ToolFacts("weather", "Tell the weather.", {"type": "object", "properties": {}}, "call_1"),
        input={"at": [35.0, 135.8]},
        output="sunny",
    )


def _retriever() -> Span:
    return finished(
        "retriever",
        "search",
        query="capital of France",
        top_k=2,
        documents=[
            {"id": "d1", "content": "Paris is in France.", "score": 0.9, "metadata": {"page": 1}},
            {"content": "Rome is in Italy.", "score": 0.25},
        ],
    )


def _embedding() -> Span:
    return finished(
        "embedding",
        "embed",
        provider="openai",
        request={"model": "text-embedding-3-small", "encoding_formats": ["float"]},
        response={"model": "text-embedding-3-small"},
        embeddings=[{"text": "socks", "vector": [0.5, -0.25]}, {"text": "shoes", "vector": [0.125, 1.0]}],
        dimensions=2,
        usage=Usage(input_tokens=2, total_tokens=2),
    )


def _reranker() -> Span:
    return finished(
        "reranker",
        "rerank",
        provider="cohere",
        request={"model": "rerank-v3.5"},
        query="capital of France",
        top_k=1,
        input_documents=[{"content": "Rome is in Italy."}, {"id": "d1", "content": "Paris is in France."}],
        documents=[{"id": "d1", "content": "Paris is in France.", "score": 0.98}],
    )


def _guardrail() -> Span:
    return finished("guardrail", "no_secrets", component="moderation", input="my key is …", output={"allowed": False})


def _evaluator() -> Span:
    return finished("evaluator", "relevance", input={"answer": "Paris"}, output=1.0)


def answered(number: int, question: str, *answers: str, **given: Any) -> Span:
    """Return a call of a chat model that is the root of a trace of its own; they start one after the other."""
    return finished(
        "llm",
        "chat",
        span_id=number,
        trace_id=number,
        start_ns=START_NS + number,
        input_messages=[text("user", question)],
        output_messages=[text("assistant", answer) for answer in answers],
        **given,
    )


_MAKERS: Final[dict[Kind, Callable[[], Span]]] = {
    "llm": _llm,
    "chain": _chain,
    "agent": _agent,
    "tool": _tool,
    "retriever": _retriever,
    "embedding": _embedding,
    "reranker": _reranker,
    "guardrail": _guardrail,
    "evaluator": _evaluator,
}


class _Fixed(Mapping[Kind, Span]):
    def __getitem__(self, kind: Kind) -> Span:
        return _MAKERS[kind]()

    def __iter__(self) -> Iterator[Kind]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


FIXED: Final[Mapping[Kind, Span]] = _Fixed()
"""A rich example of each kind: `FIXED["llm"]`. Every look-up makes a new span, so a test may change its own."""
