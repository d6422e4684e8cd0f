"""An index over callspan's own documentation with LlamaIndex: a query and a streamed chat, and each step of them.

    pip install llama-index-core llama-index-llms-openai llama-index-embeddings-openai
    python examples/llama_index_rag.py

With OPENAI_API_KEY set, the models are OpenAI's, or those of the server that OPENAI_BASE_URL names. Without a key the
small server in openai_server.py answers.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI

import callspan
from callspan.cli import main as callspan_command
from openai_server import serve

PROJECT = Path(__file__).resolve().parent.parent


def documents() -> list[Document]:
    """Read the documentation, a document a page."""
    files = [*PROJECT.glob("README.md"), *sorted(PROJECT.glob("docs/*.md"))]
    return [Document(text=file.read_text(encoding="utf-8"), metadata={"page": file.name}) for file in files]


def main() -> None:
    callspan.configure(service_name="llama-index-rag")
    callspan.instrument("llama-index", "openai")
    key = os.environ.get("OPENAI_API_KEY")
    with nullcontext(os.environ.get("OPENAI_BASE_URL")) if key else serve() as base_url:
        server = {"api_key": key or "none", **({"api_base": base_url} if base_url else {})}
        index = VectorStoreIndex.from_documents(
            documents(),
            embed_model=OpenAIEmbedding(model="text-embedding-3-small", dimensions=256, **server),
            transformations=[TokenTextSplitter(chunk_size=400, chunk_overlap=0)],
        )
        llm = OpenAI(model="gpt-4o-mini", **server)
        question = "What is written instead of credentials?"
        answer = index.as_query_engine(llm=llm, similarity_top_k=2).query(question)
        print(f"> {question}\n{answer}\n")

        chat = index.as_chat_engine(chat_mode="context", llm=llm, similarity_top_k=2)
        with callspan.conversation("demo-1", user_id="reader"):
            question = "Who else can read the file?"
            print(f"> {question}")
            for piece in chat.stream_chat(question).response_gen:
                print(piece, end="", flush=True)
            print("\n")
    callspan.flush()
    callspan_command(["view", ".callspan/spans.jsonl"])


if __name__ == "__main__":
    main()
