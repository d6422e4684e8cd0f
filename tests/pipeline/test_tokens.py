from __future__ import annotations

import socket
from typing import Any

import pytest

import callspan
from callspan.errors import CallspanError
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from callspan.model.messages import read_messages
from callspan.model.usage import Usage
from callspan.pipeline import tokens
from callspan.pipeline.tokens import TokenCounter
from published_usage import counts
from spans import finished, text

tiktoken = pytest.importorskip("tiktoken")


def _has_tables() -> bool:
    try:
        return all(tokens._describe(name)["mergeable_ranks"] for name in ("o200k_base", "cl100k_base"))
    except tokens.NotOnDiskError:
        return False


HAS_TABLES = _has_tables()
needs_tables = pytest.mark.skipif(not HAS_TABLES, reason="no tables of tiktoken on this disk")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def estimated(model: str, **given: Any) -> Usage | None:
    span = finished(request={"model": model}, **given)
    TokenCounter().estimate(span)
    assert span.facts is not None
    return span.facts.usage


@needs_tables
def test_published_usage_is_met_within_two_percent():
    def estimate(model: str, messages: Any, answer: str | None) -> Any:
        said = [text("assistant", answer)] if answer else None
        return estimated(model, input_messages=read_messages(messages), output_messages=said)

    rows = counts(estimate)
    off = [row for row in rows if row[1] != row[2]]
    error = sum(abs(published - (found or 0)) for _, published, found in rows) / sum(row[1] for row in rows)
    print(f"n = {len(rows)}, error {error:.2%}, not exact: {off}")
    assert len(rows) == 11
    assert error <= 0.02
    assert [name for name, *_ in off] == ["reference gpt-3.5-turbo completion"]


@needs_tables
def test_what_is_estimated_says_so_and_what_is_reported_stays():
    usage = estimated("gpt-4o", input_messages=[text("user", "Hello!")], output_messages=[text("assistant", "Hi")])
    assert usage == Usage(input_tokens=9, output_tokens=1, source="estimated", tokenizer="o200k_base")
    reported = Usage(input_tokens=0)
    assert estimated("gpt-4o", input_messages=[text("user", "Hello!")], usage=reported) is reported


@needs_tables
def test_tools_and_their_calls_are_counted_too():
    messages = [text("user", "What is the weather?")]
    plain = estimated("gpt-4o", input_messages=messages)
    schema = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}}}
    tools = [{"type": "function", "name": "weather", "description": "Tell the weather.", "parameters": schema}]
    with_tools = estimated("gpt-4o", input_messages=messages, tool_definitions=tools)
    assert 25 < with_tools.input_tokens - plain.input_tokens < 60
    call = {"type": "tool_call", "name": "weather", "arguments": {"city": "Oslo"}}
    answered = estimated("gpt-4o", input_messages=messages, output_messages=[{"role": "assistant", "parts": [call]}])
    assert 5 < answered.output_tokens < 15


@needs_tables
def test_embeddings_are_counted_by_their_texts():
    span = finished("embedding", request={"model": "text-embedding-3-small"}, embeddings=[{"text": "Hello"}] * 3)
    TokenCounter().estimate(span)
    assert span.facts.usage == Usage(input_tokens=3, source="estimated", tokenizer="cl100k_base")


@needs_tables
def test_special_words_are_plain_text():
    assert estimated("gpt-4o", input_messages=[text("user", "<|endoftext|>")]).input_tokens > 10


@pytest.mark.parametrize("model", ["llama-3.3-70b", "", "gpt2x"])
def test_an_unknown_model_is_not_guessed(model):
    assert estimated(model, input_messages=[text("user", "Hello!")]) is None


def test_very_long_texts_are_left_alone():
    assert estimated("gpt-4o", size=10_000_000, input_messages=[text("user", "x")]) is None


def test_without_a_table_nothing_is_estimated_and_it_is_said_once(monkeypatch, tmp_path):
    monkeypatch.setattr(tokens, "_folders", lambda: iter([tmp_path]))
    assert estimated("gpt-4o", input_messages=[text("user", "Hello!")]) is None
    assert estimated("gpt2", input_messages=[text("user", "Hello!")]) is None


def test_a_table_with_other_contents_is_not_believed(monkeypatch, tmp_path):
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(b"IQ== 0\n")
    monkeypatch.setattr(tokens, "_folders", lambda: iter([tmp_path]))
    assert estimated("gpt-4o", input_messages=[text("user", "Hello!")]) is None


def test_tables_are_looked_for_where_tiktoken_keeps_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "a"))
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(tmp_path / "b"))
    first, second, third, *_ = tokens._folders()
    assert (first, second) == (tmp_path / "a", tmp_path / "b")
    assert third.name == "data-gym-cache"


def test_another_tiktoken_is_no_reason_to_fail(monkeypatch):
    guard.strict = False
    monkeypatch.setattr(tokens, "_describe", lambda name: {"name": name})
    assert estimated("gpt-4o", input_messages=[text("user", "Hello!")]) is None
    assert guard.counts["loading a tokenizer"] == 1


@needs_tables
@pytest.mark.parametrize("on", [True, False])
def test_only_who_asks_gets_estimates_and_they_do_not_need_content(on):
    memory = MemoryExporter()
    callspan.configure(exporters=[memory], estimate_tokens=on, capture_content=False)

    @callspan.llm
    def chat(messages: list[Any], model: str) -> Any:
        yield "Hel"
        yield "lo!"

    stream = chat([{"role": "user", "content": "Hello!"}], "gpt-4o")
    next(stream)
    stream.close()
    callspan.shutdown()
    (record,) = memory.spans
    assert record.outcome == "abandoned"
    if on:
        assert (record.usage.input_tokens, record.usage.output_tokens) == (9, 1)
        assert (record.usage.source, record.usage.tokenizer) == ("estimated", "o200k_base")
    else:
        assert record.usage is None


def test_preloading_goes_through_tiktoken(monkeypatch):
    asked = []
    monkeypatch.setattr(tiktoken, "get_encoding", asked.append)
    callspan.preload_tokenizer("gpt-4o")
    callspan.preload_tokenizer("gpt-4")
    assert asked == ["o200k_base", "cl100k_base"]
    with pytest.raises(callspan.ConfigurationError, match="model"):
        callspan.preload_tokenizer("llama")

    def fail(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(tiktoken, "get_encoding", fail)
    with pytest.raises(CallspanError, match="o200k_base could not be fetched: OSError"):
        callspan.preload_tokenizer()
