"""No secret leaves through what is recorded of LangChain: chains, prompts, models, tools, retrievers, embeddings."""

from __future__ import annotations

import contextlib

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore

import callspan
from langchain_chains import model
from leaks import Secrets, leaking

PLANTED = 200
TEMPLATE = "Pay {what} with {card}."


def chain(secrets):
    """Ask through a prompt with variables, a model and a parser, with tags and metadata."""
    text = secrets.text().replace("{", "{{").replace("}", "}}")
    prompt = ChatPromptTemplate.from_messages([("system", text), ("human", TEMPLATE)])
    made = prompt | model(secrets.text()) | StrOutputParser()
    config = {"tags": [secrets.text()], "metadata": {"login": secrets.plain(), "note": secrets.text()}}
    made.invoke({"what": secrets.text(), "card": secrets.text()}, config)


def messages(secrets):
    """Ask a model with calls of tools, and counts that hold more than counts."""
    called = {"name": "pay", "args": {"login": secrets.plain(), "note": secrets.text()}, "id": "c", "type": "tool_call"}
    answer = AIMessage(
        secrets.text(),
        tool_calls=[called],
        response_metadata={"token_usage": {"prompt_tokens": 3, "note": secrets.text()}, "headers": secrets.plain()},
        additional_kwargs={"raw": secrets.text()},
    )
    given = [
        SystemMessage(secrets.text()),
        HumanMessage([{"type": "text", "text": secrets.text()}]),
        AIMessage("", tool_calls=[called]),
        ToolMessage(secrets.text(), tool_call_id="c", artifact=secrets.plain()),
    ]
    model(answer).bind(stop=[secrets.text()], api_key=secrets.text(), extra_body=secrets.plain()).invoke(given)


def stream(secrets):
    """Read an answer piece by piece."""
    list(model(secrets.text()).stream(secrets.text()))


def work(secrets):
    """Run a tool, and one that fails with a secret in its message; the chain around fails with it."""

    @tool
    def pay(login: dict, note: str) -> str:
        """Pay."""
        return secrets.text()

    @tool
    def fail(note: str) -> str:
        """Fail."""
        raise ValueError(secrets.text(), note)

    pay.invoke({"login": secrets.plain(), "note": secrets.text()})
    with contextlib.suppress(ValueError):
        (RunnableLambda(lambda given: given) | fail).invoke({"note": secrets.text()})


class Shelf(BaseRetriever):
    """Finds what it holds."""

    found: list

    def _get_relevant_documents(self, query, *, run_manager):
        return self.found


def search(secrets):
    """Find documents with secrets in text and metadata, and store and look for others."""
    document = Document(secrets.text(), id="d", metadata={"login": secrets.plain(), "source": secrets.text()})
    Shelf(found=[document], tags=[secrets.text()], metadata={"note": secrets.text()}).invoke(secrets.text())
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_texts([secrets.text()], metadatas=[{"note": secrets.text()}])
    store.as_retriever().invoke(secrets.text())


def parse(secrets):
    """Fail to read an answer: the parser's message quotes it."""
    with contextlib.suppress(Exception):
        (model("no JSON: " + secrets.text()) | JsonOutputParser()).invoke("x")


def run_graph(secrets):
    """Run a graph whose state holds secrets."""
    graphs = pytest.importorskip("langgraph.graph")
    made = graphs.StateGraph(dict)
    made.add_node("work", lambda state: {"note": secrets.text(), "login": secrets.plain()})
    made.add_edge(graphs.START, "work")
    made.compile().invoke({"note": secrets.text(), "login": secrets.plain()})


WAYS = (chain, messages, stream, work, search, parse, run_graph)


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
        assert kinds == {"chain", "llm", "tool", "retriever", "embedding"}
        assert leaked.found(("logs", caplog.text.encode()), ("output", (out + err).encode())) == []


@pytest.mark.parametrize("content", [False, "metadata"])
def test_content_off_is_off_for_all_of_it(tmp_path, content):
    """Every text that is planted is content: with it switched off, and no rule to find it, none leaves."""
    secrets = Secrets()
    secrets.text = lambda: "PRIVATE-TEXT"
    secrets.plain = lambda: {"deep": ["PRIVATE-TEXT"]}
    with leaking(tmp_path) as leaked:
        leaked.configure(capture_content=content, redact=False)
        for way in (stream, parse):
            way(secrets)
        made = ChatPromptTemplate.from_template(TEMPLATE) | model(secrets.text()) | StrOutputParser()
        made.invoke({"what": secrets.text(), "card": secrets.text()})
        found = [Document(secrets.text(), id="d", metadata=secrets.plain())]
        Shelf(found=found).invoke(secrets.text())
        callspan.shutdown(timeout_s=5)
        leaked.check_that_all_have_something()
        assert [name for name, body in leaked.bodies() if b"PRIVATE" in body] == []
