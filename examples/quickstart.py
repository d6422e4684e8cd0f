"""Ask callspan's own documentation two questions, and see every step of the answers as a tree.

    python examples/quickstart.py

With OPENAI_API_KEY set, the models are OpenAI's, or those of the server that OPENAI_BASE_URL names. Without a key the
small server in openai_server.py answers: it repeats the sentence of the documentation that fits best.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from openai import OpenAI

import callspan
from callspan.cli import main as callspan_command
from openai_server import serve

CHAT_MODEL = os.environ.get("CHAT_MODEL", "gpt-4o-mini")
EMBEDDING_MODEL = os.environ.get("EMBEDDING_MODEL", "text-embedding-3-small")

PROJECT = Path(__file__).resolve().parent.parent
FILES = [*PROJECT.glob("README.md"), *sorted(PROJECT.glob("docs/*.md"))]
PAGES = {file.name: file.read_text(encoding="utf-8") for file in FILES}
SECTIONS = [(page, section) for page, text in PAGES.items() for section in re.split(r"\n(?=## )", text)]

ASK_THE_DOCS = callspan.PromptTemplate(
    "Answer in one sentence, from these sections only.\n\n{sections}\n\nQuestion: {question}", name="ask-the-docs"
)
COUNT_WORDS = {
    "name": "count_words",
    "description": "Count the words of a page of the documentation.",
    "parameters": {"type": "object", "properties": {"page": {"enum": sorted(PAGES)}}, "required": ["page"]},
}


@callspan.tool
def count_words(page: str) -> str:
    """Count the words of a page of the documentation."""
    return f"{page} has {len(PAGES[page].split())} words."


class Assistant:
    """Answers from the documentation, and remembers what was said."""

    def __init__(self, client: OpenAI) -> None:
        """Embed the whole documentation, in one request."""
        self._client = client
        self._vectors = self._embed([section for _, section in SECTIONS])
        self._history: list[Any] = []

    @callspan.retriever
    def find(self, question: str, count: int = 3) -> list[dict[str, Any]]:
        """Return the sections that are closest to the question, the closest one first."""
        (wanted,) = self._embed([question])
        found = [
            {"id": page, "content": section, "score": cosine(wanted, vector)}
            for (page, section), vector in zip(SECTIONS, self._vectors, strict=True)
        ]
        return sorted(found, key=lambda document: -document["score"])[:count]

    @callspan.agent
    def answer(self, question: str) -> str:
        """Answer the question; the model may ask for a tool first."""
        messages, tools = self._messages(question), [{"type": "function", "function": COUNT_WORDS}]
        message = self._chat(messages, tools=tools).choices[0].message
        if message.tool_calls:
            messages.append(message)
            for call in message.tool_calls:
                result = count_words(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
            message = self._chat(messages).choices[0].message
        self._remember(question, message.content)
        return str(message.content)

    @callspan.agent
    def answer_in_pieces(self, question: str) -> Iterator[str]:
        """Answer the question while the model still writes."""
        pieces = []
        for chunk in self._chat(self._messages(question), stream=True, stream_options={"include_usage": True}):
            for choice in chunk.choices:
                pieces.append(choice.delta.content or "")
                yield pieces[-1]
        self._remember(question, "".join(pieces))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        response = self._client.embeddings.create(model=EMBEDDING_MODEL, input=texts, dimensions=256)
        return [item.embedding for item in response.data]

    def _chat(self, messages: list[Any], **options: Any) -> Any:
        return self._client.chat.completions.create(model=CHAT_MODEL, messages=messages, **options)

    def _messages(self, question: str) -> list[Any]:
        sections = "\n\n".join(document["content"] for document in self.find(question))
        prompt = ASK_THE_DOCS.format(sections=sections, question=question)
        return [*self._history, {"role": "user", "content": prompt}]

    def _remember(self, question: str, answer: str) -> None:
        self._history += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def main() -> None:
    callspan.configure(service_name="quickstart")
    callspan.instrument("openai")
    key = os.environ.get("OPENAI_API_KEY")
    with nullcontext() if key else serve() as base_url:
        assistant = Assistant(OpenAI(base_url=base_url, api_key=key or "none"))
        with callspan.conversation("demo-1", user_id="reader"):
            question = "How many words does the page privacy.md have?"
            print(f"> {question}\n{assistant.answer(question)}\n")

            question = "What is written instead of credentials?"
            print(f"> {question}")
            for piece in assistant.answer_in_pieces(question):
                print(piece, end="", flush=True)
            print("\n")
    callspan.flush()
    callspan_command(["view", ".callspan/spans.jsonl"])


if __name__ == "__main__":
    main()
