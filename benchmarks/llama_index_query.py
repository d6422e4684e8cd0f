"""What watching LlamaIndex adds to a small query with models that answer at once, beside the query itself.

    python -m benchmarks.llama_index_query

The index holds 20 documents of 600 characters; a query embeds, retrieves 4 nodes, renders a prompt and "asks" the
model. Spans go to an exporter that does nothing, so the worker's part is in the figures, wherever it runs beside the
query. The shares are what peers cost for the same query: it took 1,473 us, OpenInference added 3,816 and Opik 516.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import callspan
from benchmarks.bursts import Contestant, interleave
from benchmarks.caller import record_all
from benchmarks.report import Row, table

QUERY_US = 1473
AT_MOST_US = {"usual": 516, "full": 3816 / 3}  # Opik's, and a third of OpenInference's


def measure(bursts: int = 30, calls: int = 5) -> list[Row]:
    """Return a row per level of detail; none where LlamaIndex is not installed."""
    if find_spec("llama_index") is None:
        return []
    engine = _engine()
    record_all()

    def run(count: int) -> None:
        for _ in range(count):
            engine.query("What is a span?")

    def contestant(name: str, detail: str = "") -> Contestant:
        def before() -> None:
            if detail:
                callspan.instrument("llama-index", detail=detail)

        def after() -> None:
            callspan.uninstrument("llama-index")
            callspan.flush(timeout_s=60)

        return Contestant(name, run, before, after, calls)

    bare, *watched = contestant("query"), contestant("usual", "usual"), contestant("full", "full")
    interleave([bare, *watched], bursts)
    callspan.shutdown(timeout_s=60)
    return [_row(bare, one) for one in watched]


def _row(bare: Contestant, watched: Contestant) -> Row:
    name = f"LlamaIndex query, detail={watched.name}"
    medians = {"callspan": watched.median - bare.median, "the query itself": bare.median}
    minima = {"callspan": watched.minimum - bare.minimum, "the query itself": bare.minimum}
    row = Row(name, "us", medians, minima)
    row.demand("the query itself", AT_MOST_US[watched.name] / QUERY_US)
    return row


def _engine():  # noqa: ANN202 - the library is not there for every checker
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.llms import MockLLM

    text = "A span is a step of an application, with its inputs and outputs. " * 10
    documents = [Document(text=text[:600]) for _ in range(20)]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=256))
    return index.as_query_engine(llm=MockLLM(max_tokens=64), similarity_top_k=4)


def main() -> int:
    rows = measure()
    print(table(rows) if rows else "LlamaIndex is not installed")
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
