"""Streamed chat completions: put together again, in every way in which they can end."""

from __future__ import annotations

import asyncio
import gc

import openai
import pytest
from openai._models import construct_type
from openai.types.chat import ChatCompletionChunk

import callspan
from callspan.capture.switch import STREAM_BYTES
from callspan.integrations.openai.stream import ChatChunks
from callspan.model.span import Span
from callspan.reading import load
from openai_mock import HELLO, USAGE, Lines, async_client, chunk, client, http, text_chunks
from programs import run

HI_THERE = [{"role": "assistant", "parts": [{"type": "text", "content": "Hi there"}], "finish_reason": "stop"}]


def chat(client, **options):
    return client.chat.completions.create(**{"model": "gpt-4o-mini", "messages": HELLO, "stream": True, **options})


def read(chunks, **options):
    """Stream these chunks and read them all."""
    return list(chat(client(Lines(chunks)), **options))


# -- what is put together ----------------------------------------------------------------------------------------------


def test_text(spans):
    stream = chat(client(Lines(text_chunks("Hi", " ", "there"))))
    assert type(stream) is openai.Stream
    assert stream.response.status_code == 200
    chunks = list(stream)
    assert [one.choices[0].delta.content for one in chunks] == ["", "Hi", " ", "there", None]
    (span,) = spans
    assert span.outcome == "ok"
    assert span.output_messages == HI_THERE
    assert span.request["stream"] is True
    assert span.response == {
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_1",
        "finish_reasons": ["stop"],
        "request_id": "req_1",
    }
    assert span.chunk_count == 5
    assert 0 < span.time_to_first_chunk_s <= (span.end_time_unix_ns - span.start_time_unix_ns) / 1e9
    assert span.usage is None
    assert span.output is None


async def test_text_async(spans):
    stream = await chat(async_client(Lines(text_chunks("Hi", " there"))))
    assert type(stream) is openai.AsyncStream
    assert [one.choices[0].delta.content async for one in stream] == ["", "Hi", " there", None]
    assert spans[0].output_messages == HI_THERE
    assert spans[0].outcome == "ok"
    assert spans[0].chunk_count == 4


def test_usage_in_the_last_chunk(spans):
    read([*text_chunks("Hi"), chunk(choices=[], usage=USAGE)], stream_options={"include_usage": True})
    assert (spans[0].usage.input_tokens, spans[0].usage.output_tokens) == (9, 3)
    assert spans[0].request["stream_options"] == {"include_usage": True}


def test_usage_beside_the_finish_reason(spans):
    read([chunk({"content": "Hi"}), chunk({"content": " there"}, finish="stop", usage=USAGE)])
    assert spans[0].usage.total_tokens == 12
    assert spans[0].output_messages == HI_THERE


def test_tool_calls_by_their_index(spans):
    def call(index, **fields):
        return chunk({"tool_calls": [{"index": index, **fields}]})

    read(
        [
            chunk({"role": "assistant", "content": None}),
            call(0, id="call_a", type="function", function={"name": "weather", "arguments": ""}),
            call(0, function={"arguments": '{"city": '}),
            call(1, id="call_b", type="function", function={"name": "clock", "arguments": ""}),
            call(0, function={"arguments": '"Rome"}'}),
            call(1, function={"arguments": "{}"}),
            chunk(finish="tool_calls"),
        ]
    )
    assert spans[0].output_messages == [
        {
            "role": "assistant",
            "parts": [
                {"type": "tool_call", "id": "call_a", "name": "weather", "arguments": {"city": "Rome"}},
                {"type": "tool_call", "id": "call_b", "name": "clock", "arguments": {}},
            ],
            "finish_reason": "tool_calls",
        }
    ]


def test_several_choices_that_alternate(spans):
    read(
        [
            chunk({"role": "assistant", "content": "a"}),
            chunk({"role": "assistant", "content": "x"}, index=1),
            chunk({"content": "b"}),
            chunk({"content": "y"}, index=1),
            chunk(choices=[{"index": 0, "delta": {"content": "c"}}, {"index": 1, "delta": {"content": "z"}}]),
            chunk(finish="length", index=1),
            chunk(finish="stop"),
        ],
        n=2,
    )
    assert [(message["parts"][0]["content"], message["finish_reason"]) for message in spans[0].output_messages] == [
        ("abc", "stop"),
        ("xyz", "length"),
    ]
    assert spans[0].response["finish_reasons"] == ["stop", "length"]


def test_reasoning_refusal_and_the_old_function_call(spans):
    read([chunk({"reasoning_content": "let me "}), chunk({"reasoning_content": "see"}), *text_chunks("Hi")])
    read([chunk({"refusal": "I can"}), chunk({"refusal": "not"}, finish="stop")])
    read([chunk({"function_call": {"name": "f", "arguments": "{"}}), chunk({"function_call": {"arguments": "}"}})])
    assert [span.output_messages[0]["parts"] for span in spans] == [
        [{"type": "reasoning", "content": "let me see"}, {"type": "text", "content": "Hi"}],
        [{"type": "refusal", "content": "I cannot"}],
        [{"type": "tool_call", "name": "f", "arguments": {}}],
    ]


def test_annotations_without_an_index(spans):
    collected = ChatChunks(1, None)
    for url in ("a", "b"):
        collected.add(
            model(chunk({"annotations": [{"type": "url_citation", "url": url}, 5], "words": ["x"], "rate": 0.5}))
        )
    collected.close(blank())
    message = collected.read()["choices"][0]["message"]
    assert message["annotations"] == [{"type": "url_citation", "url": "a"}, {"type": "url_citation", "url": "b"}]
    assert message["rate"] == 0.5


# -- every ending ------------------------------------------------------------------------------------------------------


def test_break_and_close(spans):
    stream = chat(client(Lines(text_chunks("Hi", " there"))))
    for one in stream:
        if one.choices[0].delta.content == "Hi":
            break
    assert spans == []
    stream.close()
    assert stream.response.is_closed
    (span,) = spans
    assert (span.outcome, span.status, span.chunk_count) == ("abandoned", "unset", 2)
    assert span.output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]


def test_a_with_block(spans):
    with chat(client(Lines(text_chunks("Hi", " there")))) as stream:
        next(stream)
    assert spans[0].outcome == "abandoned"
    assert stream.response.is_closed


async def test_a_with_block_async(spans):
    async with await chat(async_client(Lines(text_chunks("Hi", " there")))) as stream:
        async for _ in stream:
            break
        assert spans == []
    assert spans[0].outcome == "abandoned"
    assert stream.response.is_closed


@pytest.mark.skipif(not hasattr(openai.AsyncStream, "aclose"), reason="openai is too old for aclose")
async def test_aclose(spans):
    stream = await chat(async_client(Lines(text_chunks("Hi"))))
    await stream.aclose()
    assert spans[0].outcome == "abandoned"


def test_dropped(spans):
    stream = chat(client(Lines(text_chunks("Hi", " there"))))
    next(stream)
    del stream
    gc.collect()
    assert (spans[0].outcome, spans[0].chunk_count) == ("abandoned", 1)


def test_never_iterated(spans):
    lines = Lines(text_chunks("Hi"))
    stream = chat(client(lines))
    assert lines.asked == 0
    del stream
    gc.collect()
    assert (spans[0].outcome, spans[0].chunk_count, spans[0].output_messages) == ("abandoned", 0, None)
    assert lines.asked == 0


async def test_dropped_and_never_iterated_async(spans):
    asking = async_client(lambda _: Lines(text_chunks("Hi", " there")))
    await chat(asking)
    stream = await chat(asking)
    async for _ in stream:
        break
    del stream
    await asyncio.sleep(0.01)
    gc.collect()
    assert [(span.outcome, span.chunk_count) for span in spans] == [("abandoned", 0), ("abandoned", 1)]


def test_the_consumer_raises(spans):
    with pytest.raises(KeyError), chat(client(Lines(text_chunks("Hi", " there")))) as stream:
        for _ in stream:
            raise KeyError("mine")
    assert (spans[0].outcome, spans[0].error) == ("abandoned", None)


def test_a_break_after_the_finish_reason_is_no_abandonment(spans):
    with chat(client(Lines([*text_chunks("Hi", " there"), chunk(choices=[], usage=USAGE)]))) as stream:
        for one in stream:
            if one.choices[0].finish_reason:
                break
    assert (spans[0].outcome, spans[0].output_messages) == ("ok", HI_THERE)


def test_a_break_after_the_first_of_two_choices_is_one(spans):
    with chat(client(Lines(text_chunks("Hi"))), n=2) as stream:
        for one in stream:
            if one.choices[0].finish_reason:
                break
    assert spans[0].outcome == "abandoned"


def test_the_connection_breaks_half_way(spans):
    lines = Lines(text_chunks("Hi", " there")[:2], error=http.ReadError("gone"), done=False)
    stream = chat(client(lines))
    with pytest.raises((openai.APIConnectionError, http.ReadError)) as caught:
        list(stream)
    (span,) = spans
    assert span.outcome == "error"
    assert span.error.type.rpartition(".")[2] == type(caught.value).__name__
    assert span.output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]


def test_the_server_reports_an_error_half_way(spans):
    stream = chat(client(Lines([*text_chunks("Hi")[:2], {"error": {"message": "overloaded"}}])))
    with pytest.raises(openai.APIError, match="overloaded"):
        list(stream)
    assert (spans[0].outcome, spans[0].error.type, spans[0].chunk_count) == ("error", "openai.APIError", 2)


async def test_the_task_is_cancelled(spans):
    stream = await chat(async_client(Lines(text_chunks(*["x"] * 1000))))

    async def consume():
        async for _ in stream:
            pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (spans[0].outcome, spans[0].status) == ("cancelled", "unset")


def helper(client):
    return getattr(client.chat.completions, "stream", None) or client.beta.chat.completions.stream


def test_the_helper_that_puts_streams_together_itself(spans):
    with helper(client(Lines(text_chunks("Hi", " there"))))(model="gpt-4o-mini", messages=HELLO) as stream:
        assert stream.get_final_completion().choices[0].message.content == "Hi there"
    (span,) = spans
    assert (span.outcome, span.output_messages) == ("ok", HI_THERE)


def test_a_helper_that_is_left_half_way_ends_with_its_block(spans):
    with helper(client(Lines(text_chunks(*["Hi"] * 100))))(model="gpt-4o-mini", messages=HELLO) as stream:
        for event in stream:
            if event.type == "content.delta" and event.delta:
                break
    (span,) = spans
    assert (span.outcome, span.output_messages[0]["parts"]) == ("abandoned", [{"type": "text", "content": "Hi"}])


async def test_an_async_helper_that_is_left_half_way_ends_with_its_block(spans):
    async with helper(async_client(Lines(text_chunks(*["Hi"] * 100))))(model="gpt-4o-mini", messages=HELLO) as stream:
        async for event in stream:
            if event.type == "content.delta" and event.delta:
                break
    (span,) = spans
    assert (span.outcome, span.output_messages[0]["parts"]) == ("abandoned", [{"type": "text", "content": "Hi"}])


def test_a_stream_that_is_open_when_the_process_ends(tmp_path):
    run(
        """
        import atexit, os

        atexit.register(os._exit, 0)  # runs last: to take open streams of the client apart crashes Python 3.13.0

        import callspan
        from callspan.exporters import FileExporter
        from openai_mock import HELLO, Lines, client, text_chunks

        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        callspan.instrument("openai")
        streams = [
            client(Lines(text_chunks("Hi", " there"))).chat.completions.create(model=name, messages=HELLO, stream=True)
            for name in ("half", "whole")
        ]
        for stream, count in zip(streams, (2, 4)):
            for _ in range(count):
                next(stream)
        """,
        tmp_path,
    )
    half, whole = sorted(load(tmp_path / "spans.jsonl"), key=lambda span: span.name)
    assert (half.name, half.outcome, half.chunk_count) == ("chat half", "incomplete", 2)
    assert half.output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]}]
    assert (whole.name, whole.outcome, whole.output_messages) == ("chat whole", "ok", HI_THERE)


def test_other_requests_while_a_stream_is_open(spans):
    with callspan.span("turn"):
        stream = chat(client(Lines(text_chunks("Hi", " there"))))
        for _ in stream:
            with callspan.span("render"):
                pass
    assert spans.tree().splitlines() == ["chain turn", "  llm chat gpt-4o-mini", *["  chain render"] * 4]


# -- odd chunks --------------------------------------------------------------------------------------------------------


def model(tree):
    return construct_type(type_=ChatCompletionChunk, value=tree)


def blank():
    span = Span()
    span.size, span.end_ns, span.truncated = 0, 0, None
    return span


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [None]},
        {"choices": [{"delta": None, "index": None}]},
        {"choices": [{"delta": {"content": ["not", "text"]}, "index": 0, "finish_reason": None}]},
        {"choices": [{"delta": {"content": 7, "role": "assistant"}, "index": "x", "finish_reason": 5}]},
        {"choices": [{"delta": {"tool_calls": [None, {"index": None}, {"index": 1, "function": None}]}, "index": 0}]},
        {"choices": [{"delta": {"tool_calls": {"a": 1}}, "index": 0}]},
        {"usage": 5, "id": None, "model": 7},
    ],
)
def test_odd_chunks_never_hurt(spans, odd):
    chunks = read([*text_chunks("Hi")[:2], odd, *text_chunks(" there")[1:]])
    assert len(chunks) == 5
    (span,) = spans
    assert span.outcome == "ok"
    assert {"type": "text", "content": "Hi there"} in span.output_messages[0]["parts"]


def test_chunks_that_are_no_models(spans):
    stream = client(Lines(text_chunks("Hi", " there"))).post(
        "/chat/completions", cast_to=object, body={"model": "m"}, stream=True, stream_cls=openai.Stream[object]
    )
    assert [type(one) for one in stream] == [dict] * 4
    assert spans[0].output_messages == HI_THERE


def test_a_stream_of_the_users_own_class(spans):
    class Mine(openai.Stream[object]):
        def __init__(self, **options):
            super().__init__(**options)
            del self._iterator

    stream = client(Lines(text_chunks("Hi"))).post(
        "/chat/completions", cast_to=object, body={"model": "m"}, stream=True, stream_cls=Mine
    )
    assert type(stream) is Mine
    assert (spans[0].outcome, spans[0].output) == ("ok", None)


def test_a_field_that_changes_its_type_half_way():
    collected = ChatChunks(1, None)
    for value in ("text", {"now": "a tree"}, ["now", {"a": "list"}], "text again"):
        collected.add(model(chunk({"odd": value})))
    for value in (7, {"now": "a tree"}):
        collected.add(model(chunk({"other": value})))
    collected.close(blank())
    assert collected.read()["choices"][0]["message"] == {"role": "assistant", "odd": "texttext again", "other": 7}


def test_a_very_long_text_is_cut_and_says_so():
    collected, span = ChatChunks(1, None), blank()
    collected.add(model(chunk({"content": ""})))
    piece = model(chunk({"content": "x" * 100}))
    for number in range(8 * 1024):
        collected.add(piece)
        if number % 8 == 0:
            collected.compact()
    assert sum(map(len, collected._texts)) <= STREAM_BYTES + 100 * 1032
    collected.close(span)
    assert len(collected.read()["choices"][0]["message"]["content"]) == STREAM_BYTES
    assert span.truncated == {"output": 8 * 1024 * 100}
    assert span.size == STREAM_BYTES


def test_very_long_arguments_are_cut_and_say_so():
    collected, span = ChatChunks(1, None), blank()
    for _ in range(4):
        collected.add(model(chunk({"tool_calls": [{"index": 0, "function": {"arguments": "x" * 100_000}}]})))
    collected.close(span)
    (call,) = collected.read()["choices"][0]["message"]["tool_calls"]
    assert len(call["function"]["arguments"]) == 300_000
    assert span.truncated == {"output": 400_000}
