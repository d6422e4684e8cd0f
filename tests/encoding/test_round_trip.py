"""What is written to a file comes back from it."""

from __future__ import annotations

import pytest

from callspan.dialects.registry import resolve
from callspan.encoding.otlp_json import envelope, line
from callspan.model.facts import MISSING
from callspan.model.resource import describe
from callspan.reading.load import load
from spans import FIXED

SAME = (
    "output",
    "input_messages",
    "output_messages",
    "system_instructions",
    "tool_definitions",
    "query",
    "top_k",
    "documents",
    "input_documents",
    "embeddings",
    "dimensions",
    "agent_name",
    "provider",
    "response",
    "conversation_id",
    "step",
    "user_id",
    "tags",
    "metadata",
    "chunk_count",
    "retries",
    "time_to_first_chunk_s",
    "truncated",
    "redacted_count",
)


@pytest.mark.parametrize("kind", FIXED)
def test_the_facts_of_every_kind_come_back(kind, tmp_path):
    dialects = resolve("genai")
    path = tmp_path / "spans.jsonl"
    path.write_bytes(line(FIXED[kind], envelope(describe("shop-bot"), dialects), dialects))

    (record,) = load(path)

    facts = FIXED[kind].facts
    expected = {name: None if getattr(facts, name) is MISSING else getattr(facts, name) for name in SAME}
    assert {name: getattr(record, name) for name in SAME} == expected
    assert record.kind == kind


@pytest.mark.parametrize("names", ["genai", "openinference"])
def test_the_usage_comes_back_with_the_providers_own_words(names, tmp_path):
    dialects = resolve(names)
    path = tmp_path / "spans.jsonl"
    path.write_bytes(line(FIXED["llm"], envelope(describe("shop-bot"), dialects), dialects))

    (record,) = load(path)

    assert (record.usage.input_tokens, record.usage.reasoning_tokens) == (40, 3)
    assert record.usage.raw == {
        "prompt_tokens": 40,
        "completion_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert "callspan.usage.raw" not in record.attributes
