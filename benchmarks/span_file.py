"""Writes a large file of spans, as the file exporter does: `python -m benchmarks.span_file OUT --spans 1000000`.

Every fifth span is a root with a retriever, an embedding and two model calls below it; about 3 KB a span. Every
hundredth trace gets feedback, every fiftieth call fails. The same numbers give the same file.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callspan.dialects.registry import resolve
from callspan.encoding.otlp_json import envelope, line
from callspan.model.facts import Facts, PromptUse
from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.kinds import Kind
from callspan.model.resource import describe
from callspan.model.span import STATUS_ERROR, ErrorFacts, Span
from callspan.model.usage import Usage

START_NS = 1_790_000_000_000_000_000
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "mistral-large")
WORDS: list[str] = """
    where is my order and why has it not been delivered to the address that I gave when I paid for the blue socks in the
    size that was on the label of the box which arrived "open" at the neighbour's door in Köln last Monday
""".split()  # noqa: SIM905 - words of a sentence
TEMPLATE = "Answer the customer politely.\nContext: {context}\nQuestion: {question}"


class Writer:
    """Makes traces from a generator of random numbers of its own."""

    def __init__(self, seed: int = 7) -> None:
        """Start at a fixed time."""
        self.random = random.Random(seed)
        self.now_ns = START_NS

    def words(self, count: int) -> str:
        """Say something."""
        return " ".join(self.random.choices(WORDS, k=count))

    def span(self, kind: Kind, name: str, trace_id: int, parent: Span | None, ms: float, **facts: Any) -> Span:
        """Make a finished span."""
        span = Span()
        for slot in (
            "attributes",
            "component",
            "error",
            "events",
            "input",
            "links",
            "output",
            "prompts",
            "provider_call",
        ):
            setattr(span, slot, None)
        for slot in ("reader", "scope", "site", "status_message", "stream", "trace_state", "truncated"):
            setattr(span, slot, None)
        span.kind, span.name, span.trace_id, span.span_id = kind, name, trace_id, self.random.getrandbits(64) or 1
        span.parent_id = None if parent is None else parent.span_id
        span.start_ns = self.now_ns + self.random.randrange(1_000_000)
        span.end_ns = span.start_ns + int(ms * 1e6)
        span.status, span.outcome, span.usage_below, span.size = 0, "ok", False, 0
        span.facts = Facts(**facts)
        return span

    def model_call(self, trace_id: int, root: Span, question: str, place: dict[str, Any]) -> Span:
        """Make the span of a model call, with its prompt."""
        model = self.random.choices(MODELS, (4, 8, 2, 1))[0]
        version = f"v{1 + self.random.randrange(3)}"
        context, ms = self.words(100), self.random.lognormvariate(6.5, 0.6)
        span = self.span(
            "llm",
            f"chat {model}",
            trace_id,
            root,
            ms,
            provider="openai",
            request={"model": model, "temperature": 0.2, "max_tokens": 512},
            response={"id": f"chatcmpl-{self.random.getrandbits(40)}", "model": model, "finish_reasons": ["stop"]},
            system_instructions=[{"type": "text", "content": self.words(40)}],
            input_messages=[{"role": "user", "parts": [{"type": "text", "content": f"{context}\n{question}"}]}],
            output_messages=[{"role": "assistant", "parts": [{"type": "text", "content": self.words(90)}]}],
            usage=Usage(
                input_tokens=int(self.random.lognormvariate(6, 0.5)), output_tokens=self.random.randrange(20, 400)
            ),
            prompts=[PromptUse(TEMPLATE, {"context": context, "question": question}, "support", version)],
            time_to_first_chunk_s=ms / 4000,
            **place,
        )
        if self.random.randrange(50) == 0:
            span.status, span.outcome = STATUS_ERROR, "error"
            span.error = ErrorFacts("openai.RateLimitError", "Rate limit reached", [("app.py", 12, "ask")])
        return span

    def trace(self) -> Iterator[Span]:
        """Make the spans of one trace, children first."""
        self.now_ns += 250_000_000
        trace_id = self.random.getrandbits(128) or 1
        turn = self.random.randrange(1, 6)
        place = {
            "conversation_id": f"c-{self.random.randrange(50_000)}",
            "step": turn,
            "user_id": f"u-{self.random.randrange(500)}",
        }
        question = self.words(25)
        root = self.span(
            "chain", "answer", trace_id, None, 2500, input={"question": question}, output=self.words(90), **place
        )
        documents: Any = [
            {
                "id": f"d-{self.random.randrange(1000)}",
                "content": self.words(80),
                "score": round(self.random.random(), 4),
            }
            for _ in range(5)
        ]
        yield self.span(
            "retriever", "search", trace_id, root, 40, query=question, top_k=5, documents=documents, **place
        )
        yield self.span(
            "tool", "order_status", trace_id, root, 12, input={"order": self.words(3)}, output=self.words(140), **place
        )
        for _ in range(2):
            yield self.model_call(trace_id, root, question, place)
        yield root
        if self.random.randrange(20) == 0:
            yield self.feedback(root)

    def feedback(self, root: Span) -> Span:
        """Make feedback on a root."""
        label = self.random.choice(("up", "up", "down"))
        given = Feedback("helpful", "span", float(label == "up"), label, self.words(6))
        span = self.span("evaluator", "feedback helpful", root.trace_id, root, 0, feedback=given)
        span.component = COMPONENT
        return span


def write(path: Path, spans: int) -> None:
    """Write so many spans, or a few more to end the last trace."""
    chosen = resolve("genai")
    around = envelope(describe("shop-bot"), chosen)
    writer, written = Writer(), 0
    with path.open("wb") as file:
        while written < spans:
            for span in writer.trace():
                file.write(line(span, around, chosen))
                written += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--spans", type=int, default=100_000)
    options = parser.parse_args()
    write(options.out, options.spans)


if __name__ == "__main__":
    main()
