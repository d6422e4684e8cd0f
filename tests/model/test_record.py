from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from callspan.model.facts import PromptUse
from callspan.model.record import SpanRecord
from callspan.model.resource import describe
from callspan.model.span import ErrorFacts, Event, Link
from spans import END_NS, FIXED, PARENT_ID, SPAN_ID, START_NS, TRACE_ID, finished

TRACE = "5b8aa5a2d2c872e8321cf37308d69df2"
SPAN = "051581bf3cb55c13"


def test_a_model_call_keeps_every_fact():
    record = SpanRecord.from_span(FIXED["llm"], describe("shop-bot"))

    assert (record.trace_id, record.span_id, record.parent_id) == (TRACE, SPAN, "5fb397be34d26b51")
    assert (record.name, record.kind, record.component) == ("chat gpt-4o", "llm", None)
    assert record.start_time_unix_ns == 1_700_000_000_000_000_000
    assert record.duration_ms == 1500.0
    assert (record.status, record.outcome, record.error) == ("unset", "ok", None)
    assert record.provider == "openai"
    assert record.request["temperature"] == 0.2
    assert record.request["logit_bias"] == {"50256": -100}
    assert record.model == "gpt-4o-2024-08-06"
    assert record.finish_reasons == ["tool_calls"]
    assert record.usage is not None
    assert (record.usage.input_tokens, record.usage.cache_read_tokens, record.usage.source) == (40, 16, "reported")
    assert record.input_messages is not None
    assert record.input_messages[0] == {
        "role": "user",
        "parts": [{"type": "text", "content": "What is the weather in Kyōto?"}],
    }
    assert (record.conversation_id, record.step, record.user_id) == ("c-42", 2, "u-7")
    assert record.prompts[0].template == "What is the weather in {city}?"
    assert record.prompts[0].variables == {"city": "Kyōto"}
    assert (record.time_to_first_chunk_s, record.chunk_count, record.retries) == (0.25, 9, 1)
    assert record.attributes == {"shop.basket": 3, "shop.items": [{"sku": "a"}, None]}
    assert (record.truncated, record.redacted_count) == ({"input": 70_000}, 2)
    assert record.resource["service.name"] == "shop-bot"
    assert (record.input, record.output) == (None, None)


def test_a_tool_keeps_its_arguments_as_input_and_its_result_as_output():
    record = SpanRecord.from_span(FIXED["tool"])

    assert record.tool is not None
    assert (record.tool.name, record.tool.call_id, record.tool.type) == ("weather", "call_1", "function")
    assert record.input == {"at": [35.0, 135.8]}
    assert record.output == "sunny"
    assert record.resource == {}


def test_documents_and_vectors_stay_as_they_are():
    retriever, embedding = SpanRecord.from_span(FIXED["retriever"]), SpanRecord.from_span(FIXED["embedding"])

    assert (retriever.query, retriever.top_k) == ("capital of France", 2)
    assert retriever.documents is not None
    assert retriever.documents[1] == {"content": "Rome is in Italy.", "score": 0.25}
    assert embedding.embeddings == [
        {"text": "socks", "vector": [0.5, -0.25]},
        {"text": "shoes", "vector": [0.125, 1.0]},
    ]
    assert embedding.dimensions == 2


def test_errors_events_and_links():
    span = finished(
        "tool",
        status=2,
        outcome="error",
        error=ErrorFacts("builtins.KeyError", "'sku'", [("app.py", 3, "main"), ("shop.py", 9, "find")]),
        events=[Event("picked", START_NS + 5, {"n": 1}), Event("unopened", START_NS + 6, (["raw"], None))],
        links=[Link(TRACE_ID, PARENT_ID, None)],
        usage_below=True,
    )

    record = SpanRecord.from_span(span)

    assert record.error is not None
    assert (record.status, record.error.type, record.error.message) == ("error", "builtins.KeyError", "'sku'")
    assert [(frame.file, frame.line, frame.function) for frame in record.error.frames] == [
        ("app.py", 3, "main"),
        ("shop.py", 9, "find"),
    ]
    assert [(event.name, event.attributes) for event in record.events] == [("picked", {"n": 1}), ("unopened", {})]
    assert (record.links[0].trace_id, record.links[0].span_id) == (TRACE, "5fb397be34d26b51")
    assert record.usage_below


def test_a_span_without_facts_is_still_a_record():
    record = SpanRecord.from_span(finished("chain", "plan", facts=None), {"service.name": "x"})

    assert (record.name, record.input, record.usage, record.model, record.finish_reasons) == (
        "plan",
        None,
        None,
        None,
        [],
    )
    assert record.resource == {"service.name": "x"}


def test_the_model_asked_for_stands_in_where_none_answered():
    assert SpanRecord.from_span(finished(request={"model": "gpt-4o"})).model == "gpt-4o"


def test_no_representation_shows_contents():
    record = SpanRecord.from_span(
        finished("llm", "ask", input="secret-in", output="secret-out", prompts=[PromptUse("secret-t", {"a": "secret"})])
    )

    assert repr(record) == "SpanRecord(kind='llm', name='ask', duration_ms=1500.0, outcome='ok')"
    for shown in (
        str(record),
        f"{record}",
        "".join(map(str, record.__rich_repr__())),
        "".join(map(str, record.__pretty__(str))),
    ):
        assert "secret" not in shown


def test_json_comes_back_as_the_same_record():
    record = SpanRecord.from_span(FIXED["llm"], describe("shop-bot"))

    assert SpanRecord.model_validate_json(record.to_json()) == record
    assert json.loads(record.to_json())["schema_version"] == 1


def test_json_is_strict_whatever_the_trees_hold():
    def refuse(constant):
        raise AssertionError(constant)

    deep: object = "bottom"
    for _ in range(2_000):
        deep = [deep]
    odd = {"nan": float("nan"), "half": "\ud83d", "big": 10**30, "deep": deep, "list": [1.5, float("inf")]}
    record = SpanRecord.from_span(finished("chain", input=odd))

    told = json.loads(record.to_json(), parse_constant=refuse)["input"]

    assert (told["nan"], told["half"], told["big"], told["list"]) == (None, "\ud83d", 10**30, [1.5, None])
    assert "…" in json.dumps(told["deep"], ensure_ascii=False)
    assert json.loads(SpanRecord.from_span(finished(input=[float("-inf")])).to_json())["input"] == [None]


def test_a_record_from_outside_is_checked():
    good = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "name": "x",
        "start_time_unix_ns": START_NS,
        "end_time_unix_ns": END_NS,
        "field_of_tomorrow": 1,
    }

    assert SpanRecord.model_validate(good).kind == "chain"
    for field, wrong in (("trace_id", "5B8A"), ("span_id", ""), ("kind", "banana"), ("outcome", "fine")):
        with pytest.raises(ValidationError):
            SpanRecord.model_validate({**good, field: wrong})
    with pytest.raises(ValidationError):
        SpanRecord.model_validate(good).name = "y"


def test_ids_are_padded():
    record = SpanRecord.from_span(finished(trace_id=1, span_id=SPAN_ID & 0xFF, parent_id=2))

    assert (record.trace_id, record.span_id, record.parent_id) == ("0" * 31 + "1", "0" * 14 + "13", "0" * 15 + "2")


def test_the_rest_of_the_model_does_not_need_pydantic():
    code = (
        "import sys, callspan.model.span, callspan.model.facts, callspan.reading.rows; print('pydantic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
