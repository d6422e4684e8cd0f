"""Arize Phoenix: what was sent is read back through its API, as people see it there."""

from __future__ import annotations

import httpx
import pytest

import callspan
from callspan.exporters import OTLPExporter
from programs import check_conserved
from stories import eventually, run_quickstart, tell_story


def spans_of(url, project, count):
    def find():
        answer = httpx.get(f"{url}/v1/projects/{project}/spans", params={"limit": 500}, timeout=30, trust_env=False)
        found = answer.json()["data"] if answer.is_success else []
        return found if len(found) >= count else None

    return eventually(find)


def read(url, path):
    answer = httpx.get(f"{url}{path}", timeout=30, trust_env=False)
    answer.raise_for_status()
    return answer.json()["data"]


@pytest.fixture(scope="module")
def quickstart(phoenix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart")
    run_quickstart(folder, phoenix, OTEL_RESOURCE_ATTRIBUTES="openinference.project.name=quickstart")
    return spans_of(phoenix, "quickstart", 11)


def named(spans, name):
    return [span for span in spans if span["name"] == name]


def tree(spans):
    names = {span["context"]["span_id"]: span["name"] for span in spans}
    return sorted((names.get(span["parent_id"], "-"), span["name"], span["span_kind"]) for span in spans)


def test_the_tree_of_the_quickstart(quickstart):
    embedding = ("embeddings text-embedding-3-small", "EMBEDDING")
    chat = ("chat gpt-4o-mini", "LLM")
    assert tree(quickstart) == sorted(
        [
            ("-", *embedding),
            ("-", "Assistant.answer", "AGENT"),
            ("-", "Assistant.answer_in_pieces", "AGENT"),
            ("Assistant.answer", "Assistant.find", "RETRIEVER"),
            ("Assistant.answer", "count_words", "TOOL"),
            ("Assistant.answer", *chat),
            ("Assistant.answer", *chat),
            ("Assistant.answer_in_pieces", "Assistant.find", "RETRIEVER"),
            ("Assistant.answer_in_pieces", *chat),
            ("Assistant.find", *embedding),
            ("Assistant.find", *embedding),
        ]
    )


def test_tokens_add_up_by_trace_and_by_session(quickstart, phoenix):
    chats = named(quickstart, "chat gpt-4o-mini")
    used = [
        tuple(chat["attributes"][f"llm.token_count.{part}"] for part in ("prompt", "completion", "total"))
        for chat in chats
    ]
    assert len(used) == 3
    assert all(one > 0 and other > 0 and one + other == total for one, other, total in used)
    sums = tuple(map(sum, zip(*used, strict=True)))
    (session,) = read(phoenix, "/v1/projects/quickstart/sessions")
    assert session["session_id"] == "demo-1"
    keys = ("token_count_prompt", "token_count_completion", "token_count_total")
    assert tuple(session[key] for key in keys) == sums
    traces = {trace["trace_id"]: trace for trace in read(phoenix, "/v1/projects/quickstart/traces?limit=10")}
    assert {trace["trace_id"] for trace in session["traces"]} == {chat["context"]["trace_id"] for chat in chats}
    for trace_id, trace in traces.items():
        own = [chat for chat in chats if chat["context"]["trace_id"] == trace_id]
        assert trace["token_count_total"] == sum(chat["attributes"]["llm.token_count.total"] for chat in own)


def test_prompts_documents_messages_and_people(quickstart):
    (streamed,) = [
        chat
        for chat in named(quickstart, "chat gpt-4o-mini")
        if "llm.input_messages.2.message.content" in chat["attributes"]
        and chat["attributes"]["llm.input_messages.2.message.role"] == "user"
    ]
    told = streamed["attributes"]
    assert told["llm.prompt_template.template"].startswith("Answer in one sentence, from these sections only.")
    asked = "What is written instead of credentials?"
    assert told["llm.prompt_template.variables.question"] == asked
    assert told["llm.prompt_template.version"]
    assert told["llm.model_name"] == "gpt-4o-mini"
    assert told["llm.output_messages.0.message.content"]
    assert (told["session.id"], told["user.id"]) == ("demo-1", "reader")
    for find in named(quickstart, "Assistant.find"):
        documents = [find["attributes"][f"retrieval.documents.{place}.document.content"] for place in range(3)]
        assert all(documents)
        scores = [find["attributes"][f"retrieval.documents.{place}.document.score"] for place in range(3)]
        assert scores == sorted(scores, reverse=True)
    (tool,) = named(quickstart, "count_words")
    assert "privacy.md" in str(tool["attributes"])


KINDS = {
    "turn": "AGENT",
    "search": "RETRIEVER",
    "rank": "RERANKER",
    "embed": "EMBEDDING",
    "guard": "GUARDRAIL",
    "judge": "EVALUATOR",
    "plan": "CHAIN",
    "lookup": "TOOL",
    "ask": "LLM",
}


@pytest.mark.parametrize(
    "dialects", [["genai"], ["genai-1.41"], ["openinference"], ["genai", "openinference"]], ids="+".join
)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_every_kind_in_every_dialect(phoenix, dialects, compression):
    project = f"story-{'-'.join(dialects)}-{compression}"
    exporter = OTLPExporter(phoenix, dialects=dialects, compression=compression)
    made = tell_story(exporter, project, f"c-{project}")
    spans = {span["name"]: span for span in spans_of(phoenix, project, 9)}
    assert {name: span["span_kind"] for name, span in spans.items()} == KINDS
    for name, (trace_id, span_id) in made.items():
        assert spans[name]["context"] == {"trace_id": trace_id, "span_id": span_id}
        assert spans[name]["parent_id"] == (None if name == "turn" else made["turn"][1])
        assert spans[name]["attributes"]["session.id"] == f"c-{project}"
    assert spans["lookup"]["status_code"] == "ERROR"
    (failure,) = [event for event in spans["lookup"]["events"] if event["name"] == "exception"]
    assert failure["attributes"]["exception.type"] == "ValueError"
    assert failure["attributes"]["exception.message"] == "no such company"
    assert [event["name"] for event in spans["turn"]["events"]] == ["given up"]
    told = spans["ask"]["attributes"]
    assert told["llm.prompt_template.template"] == "Name a company that makes {product}."
    assert told["llm.prompt_template.variables.product"] == "socks"
    found = spans["search"]["attributes"]
    assert found["retrieval.documents.0.document.content"] == "Sockrates"
    assert found["retrieval.documents.1.document.score"] == 0.5
    assert spans["rank"]["attributes"]["reranker.output_documents.0.document.content"] == "Sockrates"


def test_json_is_refused_and_said(phoenix):
    """Phoenix takes protobuf only: the exporter says so instead of losing spans in silence."""
    callspan.configure(exporters=[OTLPExporter(phoenix, protocol="http/json")])
    with callspan.span("one"):
        pass
    result = callspan.flush(timeout_s=30)
    assert result.errors == ["otlp: HTTP 415"]
    stats = callspan.stats()
    check_conserved(stats)
    assert stats["otlp"]["rejected"] == 1
