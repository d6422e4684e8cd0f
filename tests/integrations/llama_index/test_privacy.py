"""No secret leaves through what is recorded of LlamaIndex: indexes, queries, models, tools, chats, agents."""

from __future__ import annotations

import contextlib

import pytest
from llama_index.core import Document, PromptTemplate, VectorStoreIndex
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import ChatMessage
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.tools import FunctionTool

import callspan
from leaks import Secrets, leaking
from llama_models import Told, call

PLANTED = 200


def documents(secrets):
    """Make documents with secrets in their texts and metadata."""
    return [
        Document(text=secrets.text(), id_=f"doc-{number}", metadata={"note": secrets.text(), "n": number})
        for number in range(3)
    ]


def built(secrets):
    """Build an index over them."""
    return VectorStoreIndex.from_documents(
        documents(secrets),
        embed_model=MockEmbedding(embed_dim=8),
        transformations=[TokenTextSplitter(chunk_size=4096, chunk_overlap=0)],
    )


def query(secrets):
    """Ask an index, plain and streamed, with a template that holds a secret."""
    text = secrets.text().replace("{", "{{").replace("}", "}}")
    template = PromptTemplate(text + " {context_str} {query_str}")
    index = built(secrets)
    index.as_query_engine(llm=Told(secrets.text()), text_qa_template=template).query(secrets.text())
    streamed = index.as_query_engine(llm=Told(secrets.text()), streaming=True).query(secrets.text())
    list(streamed.response_gen)


def ask(secrets):
    """Ask a model: messages, parameters, a call of a tool in the answer, a stream, a completion."""
    given = [
        ChatMessage(role="system", content=secrets.text()),
        ChatMessage(role="user", content=secrets.text(), additional_kwargs={"login": secrets.plain()}),
        ChatMessage(role="tool", content=secrets.text(), additional_kwargs={"tool_call_id": "c"}),
    ]
    Told(call("pay", note=secrets.text(), login=secrets.plain())).chat(
        given, api_key=secrets.text(), note=secrets.text()
    )
    list(Told(secrets.text()).stream_chat(given))
    Told(secrets.text()).complete(secrets.text())


def fail(secrets):
    """Fail in a model, with a secret in the message."""
    with contextlib.suppress(ValueError):
        Told(ValueError(secrets.text())).chat([ChatMessage(role="user", content=secrets.text())])


def work(secrets):
    """Run a tool."""

    def pay(note: str, login: dict) -> str:
        """Pay."""
        return secrets.text()

    FunctionTool.from_defaults(pay)(note=secrets.text(), login=secrets.plain())


def chat(secrets):
    """Talk about documents."""
    engine = ContextChatEngine.from_defaults(
        retriever=built(secrets).as_retriever(), llm=Told(secrets.text(), secrets.text()), system_prompt=secrets.text()
    )
    engine.chat(secrets.text())
    engine.chat(secrets.text())


WAYS = (query, ask, fail, work, chat)


def test_no_planted_secret_is_in_any_byte_that_is_produced(tmp_path, caplog, capfd):
    caplog.set_level("DEBUG", logger="callspan")
    secrets = Secrets()
    with leaking(tmp_path) as leaked:
        leaked.configure()
        while secrets.count < PLANTED:
            for way in WAYS:
                way(secrets)
        callspan.shutdown(timeout_s=5)
        out, err = capfd.readouterr()
        leaked.check_that_all_have_something()
        kinds = {record.kind for record in leaked.memory.spans}
        assert kinds >= {"chain", "llm", "tool", "retriever", "embedding"}
        assert leaked.found(("logs", caplog.text.encode()), ("output", (out + err).encode())) == []


@pytest.mark.parametrize("content", [False, "metadata"])
def test_content_off_is_off_for_all_of_it(tmp_path, content):
    """Every text that is planted is content: with it switched off, and no rule to find it, none leaves."""
    secrets = Secrets()
    secrets.text = lambda: "PRIVATE-TEXT"
    secrets.plain = lambda: {"deep": ["PRIVATE-TEXT"]}
    with leaking(tmp_path) as leaked:
        leaked.configure(capture_content=content, redact=False)
        for way in WAYS:
            way(secrets)
        callspan.shutdown(timeout_s=5)
        leaked.check_that_all_have_something()
        assert [name for name, body in leaked.bodies() if b"PRIVATE" in body] == []
