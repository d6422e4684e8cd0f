"""Answer a question from callspan's own documentation with LangChain, and see every step as a tree.

    pip install "callspan[demo]" langchain-core langchain-openai
    python examples/langchain_rag.py

With OPENAI_API_KEY set, the models are OpenAI's, or those of the server that OPENAI_BASE_URL names. Without a key the
small server in openai_server.py answers.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import callspan
from callspan.cli import main as callspan_command
from openai_server import serve

PROJECT = Path(__file__).resolve().parent.parent
SECTIONS = [
    Document(section, id=f"{page.name}#{number}", metadata={"page": page.name})
    for page in sorted(PROJECT.glob("docs/*.md"))
    for number, section in enumerate(page.read_text(encoding="utf-8").split("\n## "))
]
PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer in one sentence, from these sections only.\n\n{sections}"),
        ("human", "{question}"),
    ]
)


def make_chain(base_url: str | None, key: str) -> Runnable[str, str]:
    """Embed the documentation, and make the chain that answers from it."""
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small", dimensions=256, base_url=base_url, api_key=key, check_embedding_ctx_length=False
    )
    store = InMemoryVectorStore(embeddings)
    store.add_documents(SECTIONS)
    retriever = store.as_retriever(search_kwargs={"k": 3})
    model = ChatOpenAI(model="gpt-4o-mini", base_url=base_url, api_key=key, stream_usage=True)
    given = {"sections": retriever | join, "question": RunnablePassthrough()}
    return given | PROMPT | model | StrOutputParser()


def join(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


def main() -> None:
    callspan.configure(service_name="langchain-rag")
    callspan.instrument("langchain", "openai")
    key = os.environ.get("OPENAI_API_KEY")
    with nullcontext(os.environ.get("OPENAI_BASE_URL")) if key else serve() as base_url:
        chain = make_chain(base_url, key or "none")
        question = "What is written instead of credentials?"
        print(f"> {question}")
        for piece in chain.stream(question, config={"run_name": "answer", "metadata": {"session_id": "demo-1"}}):
            print(piece, end="", flush=True)
        print("\n")
    callspan.flush()
    callspan_command(["view", ".callspan/spans.jsonl"])


if __name__ == "__main__":
    main()
