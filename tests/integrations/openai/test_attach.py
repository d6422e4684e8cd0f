"""The patches and the way of a request: before and after the import, beside other tools, and what the user gets."""

from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import textwrap
import weakref

import openai
import pydantic
import pytest
import wrapt
from openai._base_client import AsyncAPIClient, SyncAPIClient

import callspan
from callspan.capture import openers
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.openai import attach
from callspan.recording import otel
from callspan.recording.recorder import Recorder
from openai_mock import HELLO, Answer, Lines, async_client, chunk, client, completion, http, text_chunks

KINDS = (SyncAPIClient, AsyncAPIClient)
PATCHED = (
    "patched SyncAPIClient.request, SyncAPIClient._process_response, "
    "AsyncAPIClient.request, AsyncAPIClient._process_response"
)
# The oldest clients parse an answer after the request is over, so their error comes when the span has ended well.
PARSES_INSIDE = hasattr(openai.resources.chat.Completions, "parse")


def chat(client, **options):
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **options)


# -- attach and detach -------------------------------------------------------------------------------------------------


def test_undo_restores_exactly(watched):
    sync, asynchronous = vars(SyncAPIClient)["request"], vars(AsyncAPIClient)["request"]
    watched.undo()
    assert vars(SyncAPIClient)["request"] is sync.__wrapped__
    assert vars(AsyncAPIClient)["request"] is asynchronous.__wrapped__
    assert not hasattr(vars(SyncAPIClient)["request"], "__wrapped__")


def test_methods_look_like_themselves(watched):
    patched = [(inspect.signature(kind.request), inspect.iscoroutinefunction(kind.request)) for kind in KINDS]
    watched.undo()
    assert patched == [(inspect.signature(kind.request), inspect.iscoroutinefunction(kind.request)) for kind in KINDS]


def test_twice_is_once(spans):
    again = callspan.instrument("openai")
    assert f"already on: {PATCHED}" in str(again)
    chat(client(completion()))
    assert len(spans) == 1
    again.undo()  # took nothing on, so it takes nothing off
    chat(client(completion()))
    assert len(spans) == 2


def test_off_and_on_again(spans, watched):
    watched.undo()
    chat(client(completion()))
    assert spans == []
    callspan.instrument("openai")
    chat(client(completion()))
    callspan.uninstrument("openai")
    chat(client(completion()))
    assert len(spans) == 1


def test_clients_and_methods_that_were_there_before(spans, watched):
    watched.undo()
    before = client(completion())
    create, raw = before.chat.completions.create, before.chat.completions.with_raw_response
    callspan.instrument("openai")
    create(model="gpt-4o-mini", messages=HELLO)
    raw.create(model="gpt-4o-mini", messages=HELLO)
    before.with_options(max_retries=1).chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    before.post("/chat/completions", cast_to=object, body={"model": "gpt-4o-mini", "messages": HELLO})
    assert [span.usage.total_tokens for span in spans] == [12, 12, 12, 12]
    callspan.uninstrument()


@pytest.mark.parametrize("above", [True, False])
def test_another_tool_above_or_below(spans, watched, above):
    seen = []

    def note(wrapped, instance, args, kwargs):
        seen.append(args[1].url)
        return wrapped(*args, **kwargs)

    watched.undo()
    original = vars(SyncAPIClient)["request"]
    try:
        if above:
            callspan.instrument("openai")
        wrapt.wrap_function_wrapper("openai._base_client", "SyncAPIClient.request", note)
        callspan.instrument("openai")
        chat(client(completion()))
        callspan.uninstrument("openai")
        chat(client(completion()))
        assert seen == ["/chat/completions"] * 2
        assert len(spans) == 1
    finally:
        SyncAPIClient.request = original


@pytest.fixture
def subclass_patched_before(watched):
    """Another tool patches `OpenAI.request`, a subclass of what we patch, and was there before us."""
    seen = []

    def note(wrapped, instance, args, kwargs):
        seen.append(args[1].url)
        return wrapt.ObjectProxy(wrapped(*args, **kwargs))

    watched.undo()
    wrapt.wrap_function_wrapper("openai", "OpenAI.request", note)
    callspan.instrument("openai")
    yield seen
    callspan.uninstrument("openai")
    del openai.OpenAI.request


def test_another_tool_on_a_subclass(spans, subclass_patched_before):
    asking = client(completion())
    assert chat(asking).model_dump() == chat(asking.with_options(max_retries=1)).model_dump()
    chat(client(completion(), openai.AzureOpenAI, azure_endpoint="https://x.openai.azure.com", api_version="1"))
    assert [span.usage.total_tokens for span in spans] == [12, 12, 12]
    theirs = vars(openai.OpenAI)["request"].__wrapped__
    callspan.uninstrument("openai")
    assert vars(openai.OpenAI)["request"] is theirs
    chat(asking)
    assert (len(spans), len(subclass_patched_before)) == (3, 4)


def test_a_stream_in_another_tools_proxy(spans, subclass_patched_before):
    stream = chat(client(Lines(text_chunks("Hi", " there"))), stream=True)
    assert type(stream) is wrapt.ObjectProxy
    assert spans == []
    assert [one.choices[0].delta.content for one in stream] == ["", "Hi", " there", None]
    assert (spans[0].output_messages[0]["parts"], spans[0].chunk_count) == (
        [{"type": "text", "content": "Hi there"}],
        4,
    )


def test_another_tool_that_puts_back_what_it_found(spans, subclass_patched_before):
    openai.OpenAI.request = SyncAPIClient.request.__wrapped__
    for _ in range(3):
        chat(client(completion()))
    assert len(spans) == 2  # the first one showed us that nothing leads to us any more
    openai.OpenAI.request = SyncAPIClient.request  # with us inside, and then we come on top, too
    callspan.instrument("openai")
    with callspan.suppress():
        chat(client(completion()))
    chat(client(completion()))
    assert len(spans) == 3


def run(program):
    text = textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_before_the_import():
    assert run("""
        import sys, callspan
        print(callspan.instrument("openai"))
        assert "openai" not in sys.modules
        import openai
        print(callspan.instrument("openai"))
        request = vars(openai._base_client.SyncAPIClient)["request"]
        callspan.uninstrument()
        print(vars(openai._base_client.SyncAPIClient)["request"] is request.__wrapped__)
    """) == [
        "openai  to be patched when openai is imported",
        f"openai  already on: {PATCHED}",
        "True",
    ]


def test_taken_back_before_the_import():
    assert run("""
        import callspan
        for _ in range(2):
            callspan.instrument("openai").undo()
        import openai
        print(hasattr(vars(openai._base_client.SyncAPIClient)["request"], "__wrapped__"))
        callspan.instrument("openai")
        print(hasattr(vars(openai._base_client.SyncAPIClient)["request"], "__wrapped__"))
    """) == ["False", "True"]


def test_the_hook_never_fails_the_import(watched):
    watched.undo()
    guard.strict = False
    attach.OPENAI._is_wanted = True
    with pytest.raises(AttributeError):
        attach.OPENAI._when_imported(callspan)  # when_imported notes it: tests/capture/test_patching.py
    attach.OPENAI.detach()


# -- nothing to record -------------------------------------------------------------------------------------------------


def test_without_a_recorder_nothing_happens():
    assert switch.recorder is None
    assert chat(client(completion())).id == "chatcmpl-1"


async def test_without_a_recorder_nothing_happens_async():
    assert (await chat(async_client(completion()))).id == "chatcmpl-1"


async def test_suppressed(spans):
    with callspan.suppress():
        chat(client(completion()))
        await chat(async_client(completion()))
        stream = chat(client(Lines(text_chunks("a"))), stream=True)
        assert "close" not in vars(stream)
    assert spans == []


def test_an_unsampled_root_is_current_during_the_request_and_nothing_else():
    seen, kept = [], []

    def answer(request):
        seen.append(otel.get_context().get(otel.SPAN_KEY))
        return completion()

    with openers.captured_by(Recorder(kept.append, bound=0)):
        chat(client(answer))
        stream = chat(client(Lines(text_chunks("a"))), stream=True)
        assert "close" not in vars(stream)
        list(stream)
        with pytest.raises(openai.APIStatusError):
            chat(client(Answer({"error": {}}, 400)))
    assert seen[0].trace_id != 0
    assert not seen[0].is_recording()
    assert otel.get_context().get(otel.SPAN_KEY) is None
    assert kept == []


def test_other_requests_pass_through(spans):
    answer = {"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "x"}]}
    assert client(answer).models.list().data[0].id == "gpt-4o"
    client(completion()).get("/chat/completions/chatcmpl-1", cast_to=object)
    assert spans == []


# -- where the span stands ---------------------------------------------------------------------------------------------


def test_it_is_a_child_of_what_is_current_and_current_itself(spans):
    inside = []

    def answer(request):
        inside.append(callspan.current_span().name)
        return completion()

    with callspan.span("turn"):
        chat(client(answer))
        assert callspan.current_span().name == "turn"
    assert inside == ["chat gpt-4o-mini"]
    assert spans.tree() == "chain turn\n  llm chat gpt-4o-mini"


async def test_a_stream_is_not_current_once_create_has_returned(spans):
    answer = Lines(text_chunks("a", "b"))
    with callspan.span("turn"):
        stream = chat(client(answer), stream=True)
        assert callspan.current_span().name == "turn"
        for _ in stream:
            assert callspan.current_span().name == "turn"
    stream = await chat(async_client(Lines(text_chunks("a"))), stream=True)
    async for _ in stream:
        assert not callspan.current_span().is_recording()
    assert spans.tree().count("llm chat gpt-4o-mini") == 2


ANSWERS_WITH_USAGE = [
    (completion(), {}),
    (Lines([*text_chunks("a"), chunk(choices=[], usage={"prompt_tokens": 1})]), {"stream": True}),
]


@pytest.mark.parametrize(("answer", "options"), ANSWERS_WITH_USAGE)
def test_tokens_are_counted_once_below_a_model_span(spans, answer, options):
    with callspan.span("ask", kind="llm"):
        result = chat(client(answer), **options)
        if options:
            list(result)
    assert spans.one("ask").usage_below
    assert spans.one("chat gpt-4o-mini").usage is not None


def test_tokens_are_counted_once_below_a_model_span_raw(spans):
    with callspan.span("ask", kind="llm"):
        client(completion()).chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert spans.one("ask").usage_below


def test_a_model_span_keeps_its_usage_when_no_model_call_below_reports_any(spans):
    vectors = {
        "object": "list",
        "model": "m",
        "data": [{"index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1},
    }
    with callspan.span("ask", kind="llm"):
        chat(client(completion(usage=None)))
        client(vectors).embeddings.create(model="m", input="text", encoding_format="float")
    assert not spans.one("ask").usage_below


def test_a_model_span_that_has_ended_is_left_alone(spans):
    with callspan.span("ask", kind="llm"):
        answer = Lines([*text_chunks("a"), chunk(choices=[], usage={"prompt_tokens": 1})])
        stream = chat(client(answer), stream=True)
    list(stream)
    assert not spans.one("ask").usage_below


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_of_the_server(spans):
    answer = Answer({"error": {"message": "slow down"}}, 429, {"retry-after-ms": "1"})
    with pytest.raises(openai.RateLimitError) as caught:
        chat(client(answer, max_retries=1))
    (span,) = spans
    assert (span.outcome, span.status) == ("error", "error")
    assert span.error.type == "openai.RateLimitError"
    assert "slow down" in span.error.message
    assert span.attributes == {"http.response.status_code": 429}
    assert span.response == {"request_id": "req_1"}
    assert span.request["model"] == "gpt-4o-mini"
    assert not any("callspan" in frame.file for frame in span.error.frames)
    assert caught.value.status_code == 429


async def test_no_connection_async(spans):
    def answer(request):
        raise http.ConnectError("refused")

    with pytest.raises(openai.APIConnectionError):
        await chat(async_client(answer))
    (span,) = spans
    assert span.error.type == "openai.APIConnectionError"
    assert span.attributes == {}


async def test_a_cancelled_request(spans):
    async def answer(request):
        await asyncio.sleep(30)

    asking = asyncio.create_task(chat(async_client(answer)))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert spans[0].outcome == "cancelled"


def test_an_exception_of_the_users_own_transport(spans):
    class Mine(Exception):
        status_code = 1

    def answer(request):
        raise Mine("mine")

    if hasattr(openai._base_client, "request_exceptions"):
        with pytest.raises(Mine):
            chat(client(answer))
        assert spans[0].attributes == {}


def test_a_parsed_answer_that_was_cut_keeps_what_came(spans):
    class Answer(pydantic.BaseModel):
        text: str

    cut = completion('{"te')
    cut["choices"][0]["finish_reason"] = "length"
    asking = client(cut)
    parse = getattr(asking.chat.completions, "parse", None) or asking.beta.chat.completions.parse
    with pytest.raises(openai.LengthFinishReasonError):
        parse(model="gpt-4o-mini", messages=HELLO, response_format=Answer)
    (span,) = spans
    assert span.outcome == "error" or not PARSES_INSIDE
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": '{"te'}]
    assert span.usage.total_tokens == 12
    assert span.response["finish_reasons"] == ["length"]


# -- our own faults ----------------------------------------------------------------------------------------------------


class Unlucky:
    """A client, and everything else, that fails when it is looked at."""

    def __getattribute__(self, name):
        raise LookupError(name)


@pytest.mark.parametrize(
    ("part", "cause", "outcomes"),
    [
        ("attach.endpoint_of", "opening a request of openai", []),
        ("exchange.Exchange._receive", "reading an answer of openai", ["ok", "error"]),
        ("exchange.Exchange._note_error", "reading an error of openai", ["ok", "error"]),
    ],
)
def test_faults_of_ours_change_nothing(spans, monkeypatch, part, cause, outcomes):
    guard.strict = False

    def fail(*args, **kwargs):
        raise LookupError("ours")

    monkeypatch.setattr(f"callspan.integrations.openai.{part}", fail)
    assert chat(client(completion())).id == "chatcmpl-1"
    with pytest.raises(openai.BadRequestError):
        chat(client(Answer({"error": {}}, 400)))
    assert guard.counts[cause] > 0
    assert [span.outcome for span in spans] == outcomes
    assert not callspan.current_span().is_recording()


def test_a_client_that_cannot_be_looked_at(spans):
    guard.strict = False
    from openai._models import FinalRequestOptions

    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data={"model": "m"})
    assert attach.watch_request(lambda *args: 7, Unlucky(), (object, options), {}) == 7
    assert attach.watch_request(lambda *args: 7, None, (), {}) == 7
    assert [span.output for span in spans] == [None]
    assert guard.counts["describing a request of openai"] == 1


def test_a_span_is_freed_without_the_collector(watched):
    kept = []
    with openers.captured_by(Recorder(lambda span: kept.append(weakref.ref(span)))):
        gc.disable()
        try:
            chat(client(completion()))
            list(chat(client(Lines(text_chunks("a"))), stream=True))
            with pytest.raises(openai.BadRequestError):
                chat(client(Answer({"error": {}}, 400)))
            assert [reference() for reference in kept] == [None] * 3
        finally:
            gc.enable()
