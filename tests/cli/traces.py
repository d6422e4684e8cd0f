"""Traces for the tests of the command line."""

from __future__ import annotations

from typing import Any

from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.span import ErrorFacts, Span
from callspan.model.usage import Usage
from spans import START_NS, finished, text

MS = 1_000_000
RATE_LIMIT = ErrorFacts("openai.RateLimitError", "429: too many requests, try again in 300 ms", [("app.py", 3, "ask")])


def span(kind: Any, name: str, span_id: int, parent_id: int | None, start_ms: int, ms: int, **more: Any) -> Span:
    """Make a span at a time in milliseconds after START_NS."""
    start_ns = START_NS + start_ms * MS
    given = {"start_ns": start_ns, "end_ns": start_ns + ms * MS, "parent_id": parent_id, **more}
    return finished(kind, name, span_id=span_id, **given)


def answered(trace_id: int = 0xA1 << 120, start_ms: int = 0, **more: Any) -> list[Span]:
    """Make a trace in which all is well: a chain over a retriever with its embedding, a model call and a tool."""
    more = {"trace_id": trace_id, "conversation_id": "c-42", "step": 1, **more}
    return [
        span("chain", "answer", 1, None, start_ms, 1840, input={"question": "Why?"}, output="Because.", **more),
        span(
            "retriever",
            "search",
            2,
            1,
            start_ms + 2,
            120,
            query="Why?",
            top_k=2,
            documents=[{"id": "d1", "content": "Paris is in France.", "score": 0.91, "metadata": {"page": 1}}],
            **more,
        ),
        span(
            "embedding",
            "embed",
            3,
            2,
            start_ms + 3,
            80,
            request={"model": "embed-3"},
            embeddings=[{"text": "Why?", "vector": [0.5, -0.25, 0.125, 1.0, 2.0]}],
            usage=Usage(input_tokens=9),
            **more,
        ),
        span(
            "llm",
            "chat gpt-4o",
            4,
            1,
            start_ms + 130,
            1600,
            request={"model": "gpt-4o", "temperature": 0.2},
            response={"model": "gpt-4o-mini", "finish_reasons": ["stop"]},
            input_messages=[text("system", "Be brief."), text("user", "Why?")],
            output_messages=[
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "text", "content": "Because."},
                        {"type": "tool_call", "id": "call_1", "name": "look", "arguments": {"at": "sky"}},
                    ],
                }
            ],
            usage=Usage(412, 96),
            prompts=[PromptUse("Answer {question}", {"question": "Why?"}, "rag", "v3")],
            **more,
        ),
        span(
            "tool",
            "look",
            5,
            1,
            start_ms + 1735,
            35,
            tool=ToolFacts("look"),
            input={"at": "sky"},
            output="blue",
            **more,
        ),
    ]


def failed(trace_id: int = 0xB2 << 120, start_ms: int = 5_000) -> list[Span]:
    """Make a trace in which a model call fails, a tool is cancelled and an answer is cut short."""
    broken = {"status": 2, "outcome": "error", "error": RATE_LIMIT}
    guessed = Usage(None, 7, source="estimated")
    short = {"outcome": "incomplete", "response": {"finish_reasons": ["length"]}, "usage": guessed}
    return [
        span("agent", "helper", 1, None, start_ms, 900, trace_id=trace_id, **broken),
        span("llm", "chat", 2, 1, start_ms + 1, 300, trace_id=trace_id, **broken),
        span("tool", "slow", 3, 1, start_ms + 310, 200, trace_id=trace_id, outcome="cancelled"),
        span("llm", "draft", 4, 1, start_ms + 520, 300, trace_id=trace_id, **short),
    ]
