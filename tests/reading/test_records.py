"""From a span to a line of a file and back: nothing that matters may be lost on the way, in either dialect."""

from __future__ import annotations

import pytest

from callspan.model.facts import Facts
from callspan.model.kinds import KINDS
from callspan.model.record import SpanRecord
from callspan.model.retrieval import Document
from callspan.model.span import ErrorFacts, Event, Link
from callspan.reading.load import LoadReport, load
from span_files import RESOURCE, foreign, write, write_requests
from spans import END_NS, FIXED, PARENT_ID, START_NS, TRACE_ID, finished, text

GENAI = ("genai", "genai,openinference", "openinference,genai")
ALL = (*GENAI, "genai-1.41", "openinference")


def there_and_back(tmp_path, span, dialects):
    report = LoadReport()
    (record,) = load(write(tmp_path / "spans.jsonl", [span], dialects), report=report)
    assert (report.read, report.bad) == (1, {})
    return record


@pytest.mark.parametrize("dialects", GENAI)
@pytest.mark.parametrize("kind", KINDS)
def test_genai_keeps_everything(tmp_path, kind, dialects):
    record = there_and_back(tmp_path, FIXED[kind], dialects)
    # The operation follows from the kind where the span itself does not tell it.
    told = SpanRecord.from_span(FIXED[kind], RESOURCE).model_copy(update={"operation": record.operation})

    assert record.model_dump() == told.model_dump()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "llm"])
def test_the_released_genai_keeps_everything(tmp_path, kind):
    record = there_and_back(tmp_path, FIXED[kind], "genai-1.41")
    told = SpanRecord.from_span(FIXED[kind], RESOURCE).model_copy(update={"operation": record.operation})

    assert record.model_dump() == told.model_dump()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("llm", "embedding")])
def test_openinference_keeps_everything(tmp_path, kind):
    record = there_and_back(tmp_path, FIXED[kind], "openinference")

    assert record.model_dump() == SpanRecord.from_span(FIXED[kind], RESOURCE).model_dump()


@pytest.mark.parametrize("dialects", ALL)
def test_a_model_call_in_every_dialect(tmp_path, dialects):
    record = there_and_back(tmp_path, FIXED["llm"], dialects)

    assert (record.kind, record.provider, record.name) == ("llm", "openai", "chat gpt-4o")
    assert (record.request["model"], record.response["model"]) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert {name: record.request[name] for name in ("temperature", "max_tokens", "seed", "stream", "logit_bias")} == {
        "temperature": 0.2,
        "max_tokens": 256,
        "seed": 7,
        "stream": True,
        "logit_bias": {"50256": -100},
    }
    assert record.finish_reasons == ["tool_calls"]
    assert record.usage is not None
    assert record.usage.model_dump(exclude_none=True, exclude={"raw"}) == {
        "input_tokens": 40,
        "output_tokens": 12,
        "total_tokens": 52,
        "cache_read_tokens": 16,
        "cache_write_tokens": 4,
        "reasoning_tokens": 3,
        "source": "reported",
    }
    messages = [{"role": "system", "parts": record.system_instructions}] if record.system_instructions else []
    messages += record.input_messages or []
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[0]["parts"] == [{"type": "text", "content": "Be brief."}]
    assert messages[2]["parts"] == [
        {"type": "tool_call", "id": "call_0", "name": "where", "arguments": {"city": "Kyōto"}}
    ]
    assert messages[3]["parts"] == [{"type": "tool_call_response", "id": "call_0", "response": "35.0,135.8"}]
    assert record.output_messages is not None
    assert record.output_messages[0]["parts"][1]["arguments"] == {"at": [35.0, 135.8]}
    assert record.tool_definitions is not None
    assert record.tool_definitions[0]["name"] == "weather"
    assert (record.prompts[0].template, record.prompts[0].version) == ("What is the weather in {city}?", "v3")
    assert record.prompts[0].variables == {"city": "Kyōto"}
    assert (record.conversation_id, record.step, record.user_id) == ("c-42", 2, "u-7")
    assert (record.tags, record.metadata) == (["beta", "weather"], {"tier": "gold"})
    assert (record.time_to_first_chunk_s, record.chunk_count, record.retries) == (0.25, 9, 1)
    assert (record.truncated, record.redacted_count) == ({"input": 70_000}, 2)
    assert record.attributes == {"shop.basket": 3, "shop.items": [{"sku": "a"}, None]}


@pytest.mark.parametrize("dialects", ALL)
def test_how_a_span_ended(tmp_path, dialects):
    failed = finished(
        "tool",
        "pay",
        status=2,
        outcome="error",
        error=ErrorFacts("shop.PaymentError", "card: declined\nagain", [("/app/shop.py", 9, "pay")]),
        events=[Event("retry", START_NS + 1, {"attempt": 2})],
        links=[Link(TRACE_ID, PARENT_ID, {"why": "same order"})],
    )

    record = there_and_back(tmp_path, failed, dialects)

    assert record.model_dump(include={"status", "status_message", "outcome", "error", "events"}) == {
        "status": "error",
        "status_message": None,
        "outcome": "error",
        "error": {
            "type": "shop.PaymentError",
            "message": "card: declined\nagain",
            "frames": [{"file": "/app/shop.py", "line": 9, "function": "pay"}],
        },
        "events": [{"name": "retry", "time_unix_ns": START_NS + 1, "attributes": {"attempt": 2}}],
    }
    assert record.links[0].attributes == {"why": "same order"}


def test_a_cancelled_call(tmp_path):
    span = finished("llm", outcome="cancelled", error=ErrorFacts("asyncio.CancelledError", "", []))

    record = there_and_back(tmp_path, span, "genai")

    assert (record.status, record.outcome) == ("unset", "cancelled")
    assert record.error is not None
    assert record.error.type == "asyncio.CancelledError"
    assert (record.events, record.attributes) == ([], {})


def test_a_status_set_by_hand(tmp_path):
    span = finished("chain", status=2, outcome="error", status_message="stock is empty")

    record = there_and_back(tmp_path, span, "genai")

    assert (record.status, record.status_message, record.outcome, record.error) == (
        "error",
        "stock is empty",
        "error",
        None,
    )


@pytest.mark.parametrize("dialects", ALL)
def test_a_retriever_that_found_nothing_or_untitled_documents(tmp_path, dialects):
    documents: list[Document] = [{"content": "Paris"}, {"content": "Rome", "metadata": {"page": 2}}]
    record = there_and_back(tmp_path, finished("retriever", query="capital", documents=documents), dialects)

    assert (record.query, record.input, record.documents) == ("capital", None, documents)


def test_media_in_messages(tmp_path):
    parts = [
        {"type": "text", "content": "What is this?"},
        {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAE="},
        {"type": "file", "modality": "document", "file_id": "file-1"},
    ]
    span = finished(
        "llm", input_messages=[{"role": "user", "parts": parts}], output_messages=[text("assistant", "A dot.")]
    )

    for dialects in ALL:
        record = there_and_back(tmp_path, span, dialects)
        assert record.input_messages == [{"role": "user", "parts": parts}]
        assert record.output_messages is not None
        assert record.output_messages[0]["parts"] == [{"type": "text", "content": "A dot."}]


def test_strange_values_survive(tmp_path):
    tree = {"nan": float("nan"), "half": "\ud83d", "deep": [[[[1]]]], "nothing": None, "big": 2**70}
    record = there_and_back(tmp_path, finished("chain", input=tree, output=None), "genai")

    assert record.input == {"nan": "NaN", "half": "\ufffd", "deep": [[[[1]]]], "nothing": None, "big": str(2**70)}
    assert record.output is None


def test_spans_of_other_tools_are_read_too(tmp_path):
    http = foreign({"http.request.method": "GET", "http.response.status_code": 200}, name="GET /")
    chat = foreign(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}],
            "gen_ai.usage.input_tokens": 3,
        }
    )
    openinference = foreign(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "capital of France",
            "retrieval.documents.0.document.content": "Paris",
            "retrieval.documents.0.document.score": 0.5,
        }
    )
    failed = foreign({"error.type": "timeout"}, status={"code": "STATUS_CODE_ERROR", "message": "too slow"})

    records = list(load(write_requests(tmp_path / "foreign.jsonl", http, chat, openinference, failed)))

    assert (records[0].kind, records[0].name, records[0].outcome) == ("chain", "GET /", "ok")
    assert records[0].attributes == {"http.request.method": "GET", "http.response.status_code": 200}
    assert (records[1].kind, records[1].model, records[1].operation) == ("llm", "gpt-4o", "chat")
    assert records[1].input_messages == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert (records[2].query, records[2].documents) == (
        "capital of France",
        [{"content": "Paris", "score": 0.5}],
    )
    assert records[3].error is not None
    assert (records[3].error.type, records[3].error.message, records[3].status_message) == ("timeout", "too slow", None)


def test_a_retriever_with_another_input_than_its_query(tmp_path):
    both = foreign({"openinference.span.kind": "RETRIEVER", "gen_ai.retrieval.query.text": "q", "input.value": "other"})
    released = foreign({"gen_ai.operation.name": "retrieval", "gen_ai.request.top_k": 4.0})

    first, second = load(write_requests(tmp_path / "foreign.jsonl", both, released))

    assert (first.query, first.input) == ("q", "other")
    assert (second.top_k, second.request) == (4, {})


def test_links_that_point_nowhere_are_left_out(tmp_path):
    tree = foreign(
        links=["text", {"traceId": "0" * 32, "spanId": "1" * 16}, {"trace_id": "1" * 32, "span_id": "2" * 16}]
    )

    (record,) = load(write_requests(tmp_path / "foreign.jsonl", tree))

    assert [link.span_id for link in record.links] == ["2" * 16]


def test_the_name_of_a_workflow_is_told_once(tmp_path):
    assert there_and_back(tmp_path, finished("chain", "plan", component="workflow"), "genai").attributes == {}
    other = foreign({"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "booking"})

    (record,) = load(write_requests(tmp_path / "foreign.jsonl", other))

    assert (record.component, record.attributes) == ("workflow", {"gen_ai.workflow.name": "booking"})


def test_an_empty_span(tmp_path):
    record = there_and_back(tmp_path, finished("evaluator", "check", facts=Facts()), "genai")

    assert (record.start_time_unix_ns, record.end_time_unix_ns) == (START_NS, END_NS)
    assert (record.input, record.usage, record.tool, record.prompts, record.attributes) == (None, None, None, [], {})
