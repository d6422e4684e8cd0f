"""Every endpoint in every way of asking and of ending: one span with the same facts, and the user gets the same."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import io
from functools import cache

import openai
import pytest

import callspan
from openai_cases import CASES
from openai_mock import Answer, Lines, async_client, client, http

NAMES = [case.name for case in CASES]
STREAMED = [case for case in CASES if case.events]


pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@cache
def parameters_of(name):
    """Return what a method of this version of the client takes; nothing where it has no such method."""
    case = next(case for case in CASES if case.name == name)
    try:
        return frozenset(inspect.signature(getattr(case.resource(client({})), case.method)).parameters)
    except AttributeError:
        return frozenset()


@pytest.fixture(autouse=True)
def is_there(request):
    case = request.node.callspec.params["case"]
    if not parameters_of(case.name).issuperset(case.asked):
        pytest.skip("this version of openai does not have it")


def asked(case, **more):
    arguments = {**case.asked, **more}
    if not parameters_of(case.name).issuperset(arguments):
        pytest.skip("this version of openai does not have it")
    return {name: fresh(value) for name, value in arguments.items()}


def fresh(value):
    """Return a copy whose files have not been read yet."""
    if isinstance(value, tuple):
        return tuple(map(fresh, value))
    return io.BytesIO(value.getvalue()) if isinstance(value, io.BytesIO) else copy.deepcopy(value)


def answer(case):
    content = case.answer
    return Answer(content, headers={"content-type": case.content_type})


def plain(result):
    """Return all that a result says."""
    if hasattr(result, "model_dump"):
        return type(result).__name__, result.model_dump(), getattr(result, "_request_id", None)
    if hasattr(result, "content") and isinstance(result.content, bytes):
        return type(result).__name__, result.content
    return result


def assert_facts(span, expected, **changes):
    for name, value in {**expected, **changes}.items():
        told = getattr(span, name)
        if name == "usage" and told is not None:
            told = {key: count for key, count in told.model_dump().items() if count is not None}
            assert told.pop("raw")  # the provider's own words; tests/model/test_usage.py looks at them
            assert (told.pop("source"), told) == ("reported", value)
        elif name == "request":
            streamed = {"stream", "stream_options", "partial_images"}
            assert {key: one for key, one in told.items() if key not in streamed} == value
        else:
            assert told == value, name
    assert (span.provider, span.server_address, span.server_port) == ("openai", "api.openai.com", 443)
    assert span.outcome == "ok"


# -- ways of asking ----------------------------------------------------------------------------------------------------


def _create(case, client):
    return getattr(case.resource(client), case.method)(**asked(case))


def _raw(case, client):
    return getattr(case.resource(client).with_raw_response, case.method)(**asked(case)).parse()


def _http(case, client):
    return getattr(case.resource(client).with_raw_response, case.method)(**asked(case)).http_response


def _with_options(case, client):
    return _create(case, client.with_options(timeout=5))


def _unread_parsed(case, client):
    with getattr(case.resource(client).with_streaming_response, case.method)(**asked(case)) as response:
        return response.parse() if case.name != "speech" else response.read()


def _unread_bytes(case, client):
    with getattr(case.resource(client).with_streaming_response, case.method)(**asked(case)) as response:
        return b"".join(response.iter_bytes())


def _unread_lines(case, client):
    with getattr(case.resource(client).with_streaming_response, case.method)(**asked(case)) as response:
        return list(response.iter_lines())


WAYS = {
    "create": _create,
    "with_raw_response": _raw,
    "http_response": _http,
    "with_options": _with_options,
    "with_streaming_response": _unread_parsed,
    "iter_bytes": _unread_bytes,
    "iter_lines": _unread_lines,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_asking(spans, watched, case, way):
    with_us = plain(WAYS[way](case, client(answer(case))))
    (span,) = spans
    assert_facts(span, case.facts)
    assert span.name.endswith(case.asked["model"])
    assert span.retries == 0
    assert span.chunk_count is None
    watched.undo()
    assert plain(WAYS[way](case, client(answer(case)))) == with_us
    assert len(spans) == 1


async def _create_async(case, client):
    return await getattr(case.resource(client), case.method)(**asked(case))


async def _raw_async(case, client):
    raw = await getattr(case.resource(client).with_raw_response, case.method)(**asked(case))
    return raw.parse()


async def _unread_parsed_async(case, client):
    unread = getattr(case.resource(client).with_streaming_response, case.method)(**asked(case))
    async with unread as response:
        return await response.parse() if case.name != "speech" else await response.read()


async def _unread_bytes_async(case, client):
    unread = getattr(case.resource(client).with_streaming_response, case.method)(**asked(case))
    async with unread as response:
        return b"".join([piece async for piece in response.iter_bytes()])


ASYNC_WAYS = {
    "create": _create_async,
    "with_raw_response": _raw_async,
    "with_streaming_response": _unread_parsed_async,
    "iter_bytes": _unread_bytes_async,
}


@pytest.mark.parametrize("way", ASYNC_WAYS)
@pytest.mark.parametrize("case", CASES, ids=NAMES)
async def test_asking_async(spans, watched, case, way):
    with_us = plain(await ASYNC_WAYS[way](case, async_client(answer(case))))
    assert_facts(spans[0], case.facts)
    watched.undo()
    assert plain(await ASYNC_WAYS[way](case, async_client(answer(case)))) == with_us
    assert len(spans) == 1


@pytest.mark.parametrize("case", [case for case in CASES if "file" not in case.asked and "image" not in case.asked])
def test_asking_by_post(spans, case):
    body = {name: value for name, value in case.asked.items() if name != "extra_body"}
    body.update(case.asked.get("extra_body", {}))
    if "speech" not in case.name:
        client(answer(case)).post(case.path, cast_to=object, body=body)
        expected = {**case.facts, "request": {**case.facts["request"]}}
        if case.name == "embeddings":
            del expected["request"]["encoding_formats"]  # which the resource would have chosen
        assert_facts(spans[0], expected)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_what_was_taken_before_we_came(spans, watched, case):
    watched.undo()
    asking = client(answer(case))
    arguments = asked(case)
    method = getattr(case.resource(asking).with_raw_response, case.method)
    callspan.instrument("openai")
    method(**arguments).parse()
    callspan.uninstrument("openai")
    assert_facts(spans[0], case.facts)


# -- streams -----------------------------------------------------------------------------------------------------------


def stream(case, client, **options):
    return getattr(case.resource(client), case.method)(**asked(case, **case.streamed, **options))


def lines(case, **options):
    return Lines(case.events, **options)


def expected_of_stream(case):
    facts = dict(case.facts)
    if case.name == "images":
        blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": case.events[-1]["b64_json"]}
        facts["output_messages"] = [{"role": "assistant", "parts": [blob]}]
        facts["usage"] = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    if case.name == "transcriptions":
        facts["usage"] = {"input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    return facts


@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
def test_a_stream_that_runs_out(spans, watched, case):
    chunks = [plain(one) for one in stream(case, client(lines(case)))]
    (span,) = spans
    assert_facts(span, expected_of_stream(case))
    assert span.chunk_count == len(case.events)
    assert 0 < span.time_to_first_chunk_s <= span.duration_ms / 1000
    watched.undo()
    assert [plain(one) for one in stream(case, client(lines(case)))] == chunks


@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
async def test_a_stream_that_runs_out_async(spans, watched, case):
    chunks = [plain(one) async for one in await stream(case, async_client(lines(case)))]
    assert_facts(spans[0], expected_of_stream(case))
    watched.undo()
    assert [plain(one) async for one in await stream(case, async_client(lines(case)))] == chunks


def _raw_stream(case, asking):
    method = getattr(case.resource(asking).with_raw_response, case.method)
    return list(method(**asked(case, **case.streamed)).parse())


def _unread_stream(case, asking):
    method = getattr(case.resource(asking).with_streaming_response, case.method)
    with method(**asked(case, **case.streamed)) as response:
        return list(response.parse())


def _lines_of_stream(case, asking):
    method = getattr(case.resource(asking).with_streaming_response, case.method)
    with method(**asked(case, **case.streamed)) as response:
        return list(response.iter_lines())


@pytest.mark.parametrize("way", [_raw_stream, _unread_stream, _lines_of_stream])
@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
def test_a_stream_in_other_ways(spans, watched, case, way):
    chunks = [plain(one) for one in way(case, client(lines(case)))]
    assert_facts(spans[0], expected_of_stream(case))
    assert spans[0].chunk_count == len(case.events)
    assert spans[0].time_to_first_chunk_s > 0
    watched.undo()
    assert [plain(one) for one in way(case, client(lines(case)))] == chunks
    assert len(spans) == 1


def half_of(case):
    """Return how many events `case.partly` tells of."""
    return {"responses": 9, "chat": 4}.get(case.name, len(case.events) // 2)


def take(chunks, count):
    for _ in range(count):
        next(chunks)


class Mine(Exception):
    """An exception of the consumer's."""


def _close(provided, count):
    take(provided, count)
    provided.close()


def _with(provided, count):
    with provided as chunks:
        take(chunks, count)


def _break_and_drop(provided, count):
    for number, _ in enumerate(provided, 1):
        if number == count:
            break
    del provided  # and the test collects garbage: up to Python 3.10, the call itself still holds it here


def _raise(provided, count):
    with pytest.raises(Mine), provided as chunks:
        for number, _ in enumerate(chunks, 1):
            if number == count:
                raise Mine


@pytest.mark.parametrize("leave", [_close, _with, _break_and_drop, _raise])
@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
def test_a_stream_that_is_left_half_way(spans, watched, case, leave):
    half, body = half_of(case), lines(case)
    provided = [stream(case, client(body))]
    response = provided[0].response
    leave(provided.pop(), half)
    gc.collect()
    (span,) = spans
    assert (span.outcome, span.status, span.error) == ("abandoned", "unset", None)
    assert span.chunk_count == half
    for name, value in case.partly.items():
        assert getattr(span, name) == value
    assert body.asked <= half + 1
    watched.undo()
    provided.append(stream(case, client(lines(case))))
    without_us = provided[0].response
    leave(provided.pop(), half)
    gc.collect()
    assert response.is_closed is without_us.is_closed
    assert response.is_closed or leave is _break_and_drop  # old clients leave it to the collector of the connection


@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
def test_a_stream_that_nobody_reads(spans, case):
    body = lines(case)
    provided = [stream(case, client(body))]
    assert (body.asked, spans) == (0, [])
    provided.clear()
    gc.collect()
    assert [(span.outcome, span.chunk_count, span.output_messages) for span in spans] == [("abandoned", 0, None)]
    assert body.asked == 0


@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
def test_a_stream_that_breaks_half_way(spans, watched, case):
    half = half_of(case)

    def ask():
        body = Lines(case.events[:half], error=http.ReadError("gone"), done=False)
        try:
            list(stream(case, client(body)))
        except Exception as error:
            return type(error), str(error)

    with_us = ask()
    (span,) = spans
    assert span.outcome == "error"
    assert span.error.type.rpartition(".")[2] == with_us[0].__name__
    for name, value in case.partly.items():
        assert getattr(span, name) == value
    watched.undo()
    assert ask() == with_us


@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
async def test_a_stream_that_is_cancelled(spans, case):
    half = half_of(case)
    reached = asyncio.Event()
    asked(case, **case.streamed)  # skips here, where it can be seen

    class Stuck(Lines):
        async def read_async(self):
            for piece in self.pieces[:half]:
                yield piece
            reached.set()
            await asyncio.sleep(60)

    async def consume():
        async for _ in await stream(case, async_client(Stuck(case.events))):
            pass

    task = asyncio.create_task(consume())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (span,) = spans
    assert (span.outcome, span.status) == ("cancelled", "unset")
    for name, value in case.partly.items():
        assert getattr(span, name) == value


@pytest.mark.parametrize("case", STREAMED, ids=[case.name for case in STREAMED])
async def test_a_stream_that_is_left_half_way_async(spans, case):
    half = half_of(case)
    async with await stream(case, async_client(lines(case))) as provided:
        for _ in range(half):
            await provided.__anext__()
    (span,) = spans
    assert (span.outcome, span.chunk_count) == ("abandoned", half)
    for name, value in case.partly.items():
        assert getattr(span, name) == value
    assert provided.response.is_closed


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_an_error_of_the_server(spans, watched, case):
    def ask():
        refused = Answer({"error": {"message": "slow down"}}, 429, {"retry-after-ms": "1"})
        with pytest.raises(openai.RateLimitError) as caught:
            _create(case, client(refused, max_retries=1))
        return str(caught.value)

    with_us = ask()
    (span,) = spans
    assert (span.outcome, span.error.type) == ("error", "openai.RateLimitError")
    assert span.attributes["http.response.status_code"] == 429
    assert span.request["model"] == case.asked["model"]
    watched.undo()
    assert ask() == with_us


@pytest.mark.parametrize("case", CASES, ids=NAMES)
async def test_an_error_of_the_network_async(spans, case):
    def refuse(request):
        raise http.ConnectError("refused")

    with pytest.raises(openai.APIConnectionError):
        await _create_async(case, async_client(refuse))
    assert (spans[0].outcome, spans[0].error.type) == ("error", "openai.APIConnectionError")


@pytest.mark.parametrize("case", [case for case in CASES if case.content_type == "application/json"])
def test_an_answer_that_is_no_json(spans, watched, case):
    def ask():
        try:
            return plain(_create(case, client(Answer(b'{"id": "cut', headers={"content-type": "application/json"}))))
        except Exception as error:
            return type(error)

    with_us = ask()
    assert len(spans) == 1
    assert spans[0].output == '{"id": "cut'
    watched.undo()
    assert ask() == with_us
