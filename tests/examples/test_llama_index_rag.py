"""The example with LlamaIndex, run in a new folder with no key: three traces, each request of a model counted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import callspan
import openai_server

for module in ("llama_index.core", "llama_index.llms.openai", "llama_index.embeddings.openai"):
    pytest.importorskip(module)

SCRIPT = Path(openai_server.__file__).with_name("llama_index_rag.py")
SRC = Path(callspan.__file__).parents[1]


def test_the_example(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CALLSPAN_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT)],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(SRC), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spans = []
    for line in (tmp_path / ".callspan" / "spans.jsonl").read_text(encoding="utf-8").splitlines():
        (resource,) = json.loads(line)["resourceSpans"]
        spans.append(resource["scopeSpans"][0]["spans"][0])
    roots = [span["name"] for span in spans if not span.get("parentSpanId")]
    assert sorted(roots) == [
        "ContextChatEngine.stream_chat",
        "RetrieverQueryEngine.query",
        "VectorStoreIndex.from_documents",
    ]
    assert {"OpenAI.predict", "OpenAIEmbedding.get_query_embedding", "VectorIndexRetriever.retrieve"} <= {
        span["name"] for span in spans
    }
    batches = {span["spanId"] for span in spans if span["name"] == "OpenAIEmbedding.get_text_embedding_batch"}
    requests = [span for span in spans if span["name"].startswith(("chat ", "embeddings "))]
    assert len(requests) != 1  # one alone is told of in LlamaIndex' own span
    assert {span["parentSpanId"] for span in requests} <= batches
    assert "ContextChatEngine.stream_chat" in done.stdout
