"""The Responses API beyond the usual: every kind of item, every status, stored answers, prompts of the provider."""

from __future__ import annotations

import openai
import pytest

import callspan
from callspan.integrations.openai.events import ResponseEvents
from callspan.integrations.openai.items import read_input, read_item
from openai_cases import CALL, EMPTY, RESPONSE_EVENTS, numbered, output_text, response
from openai_mock import Lines, async_client, client

pytestmark = pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="openai is too old for responses")
ASKED = {"model": "gpt-4.1-mini", "input": "Hello"}


def ask(answer, **more):
    return client(answer).responses.create(**{**ASKED, **more})


# -- items -------------------------------------------------------------------------------------------------------------

ITEMS = [
    (output_text("Hi"), [{"type": "text", "content": "Hi"}]),
    ({"type": "message", "role": "assistant", "content": "Hi"}, [{"type": "text", "content": "Hi"}]),
    (
        {"type": "message", "content": [{"type": "refusal", "refusal": "No"}]},
        [{"type": "refusal", "content": "No"}],
    ),
    (
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "Think"}]},
        [{"type": "reasoning", "content": "Think", "id": "rs"}],
    ),
    (
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "xxx"},
        [{"type": "reasoning", "content": "", "id": "rs"}],
    ),
    (CALL, [{"type": "tool_call", "name": "weather", "arguments": {"city": "Rome"}, "id": "call_1"}]),
    (
        {"type": "custom_tool_call", "call_id": "c", "name": "run", "input": "ls -l"},
        [{"type": "tool_call", "name": "run", "arguments": "ls -l", "id": "c"}],
    ),
    (
        {"type": "computer_call", "call_id": "c", "id": "x", "action": {"type": "click", "x": 1}},
        [{"type": "tool_call", "name": "computer", "arguments": {"type": "click", "x": 1}, "id": "c"}],
    ),
    (
        {"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}},
        [{"type": "tool_call", "name": "local_shell", "arguments": {"command": ["ls"]}, "id": "c"}],
    ),
    (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        [{"type": "tool_call", "name": "apply_patch", "arguments": {"type": "delete_file", "path": "a"}, "id": "c"}],
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "Rain"},
        [{"type": "tool_call_response", "response": "Rain", "id": "c"}],
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "Rain"}]},
        [{"type": "tool_call_response", "response": [{"type": "text", "content": "Rain"}], "id": "c"}],
    ),
    (
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "socks"}},
        [
            {
                "type": "server_tool_call",
                "name": "web_search",
                "server_tool_call": {
                    "type": "web_search_call",
                    "id": "ws",
                    "status": "completed",
                    "action": {"type": "search", "query": "socks"},
                },
                "id": "ws",
            }
        ],
    ),
    (
        {"type": "file_search_call", "id": "fs", "queries": ["a"], "results": [{"file_id": "f", "score": 0.5}]},
        [
            {
                "type": "server_tool_call",
                "name": "file_search",
                "server_tool_call": {"type": "file_search_call", "id": "fs", "queries": ["a"]},
                "id": "fs",
            },
            {
                "type": "server_tool_call_response",
                "server_tool_call_response": {
                    "type": "file_search_call",
                    "results": [{"file_id": "f", "score": 0.5}],
                },
                "id": "fs",
            },
        ],
    ),
    (
        {"type": "mcp_call", "id": "m", "name": "roll", "server_label": "dice", "arguments": '{"n": 1}', "output": "4"},
        [
            {
                "type": "server_tool_call",
                "name": "roll",
                "server_tool_call": {
                    "type": "mcp_call",
                    "id": "m",
                    "name": "roll",
                    "server_label": "dice",
                    "arguments": {"n": 1},
                },
                "id": "m",
            },
            {
                "type": "server_tool_call_response",
                "server_tool_call_response": {"type": "mcp_call", "output": "4"},
                "id": "m",
            },
        ],
    ),
    (
        {"type": "code_interpreter_call", "id": "ci", "code": "1+1", "outputs": None},
        [
            {
                "type": "server_tool_call",
                "name": "code_interpreter",
                "server_tool_call": {"type": "code_interpreter_call", "id": "ci", "code": "1+1"},
                "id": "ci",
            }
        ],
    ),
    (
        {"type": "image_generation_call", "id": "ig", "result": "AAAA", "output_format": "webp"},
        [
            {
                "type": "server_tool_call",
                "name": "image_generation",
                "server_tool_call": {"type": "image_generation_call", "id": "ig", "output_format": "webp"},
                "id": "ig",
            },
            {"type": "blob", "modality": "image", "mime_type": "image/webp", "content": "AAAA"},
        ],
    ),
    ({"type": "compaction", "id": "cm", "encrypted_content": "xxx"}, [{"type": "compaction", "id": "cm"}]),
    (
        {"type": "mcp_approval_request", "id": "ap", "name": "roll"},
        [{"type": "mcp_approval_request", "id": "ap", "name": "roll"}],
    ),
    ({"type": "news_of_2030", "wonder": {"a": [1]}, "no": None}, [{"type": "news_of_2030", "wonder": {"a": [1]}}]),
    ({"type": 7, "a": 1}, [{"type": "unknown", "a": 1}]),
]


@pytest.mark.parametrize(("item", "parts"), ITEMS)
def test_items(spans, item, parts):
    assert read_item(item) == parts
    ask(response(item, usage=None), input=[{"role": "user", "content": "Hello"}, item])
    (span,) = spans  # whose messages pass the schemas, too
    assert span.output_messages[0]["parts"] == parts
    assert len(span.input_messages) == 2


def test_input():
    given = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a"}]},
        {"type": "function_call_output", "call_id": "c", "output": "Rain"},
        {"type": "item_reference", "id": "msg_1"},
        CALL,
    ]
    assert [message["role"] for message in read_input(given)] == ["system", "user", "tool", "user", "assistant"]
    assert read_input(given)[1]["parts"] == [{"type": "uri", "modality": "image", "uri": "https://x.example/a"}]
    assert read_input([]) is None
    assert read_input(["text"]) is None


# -- what is said of the request ---------------------------------------------------------------------------------------


def test_a_prompt_that_the_provider_keeps(spans):
    prompt = {"id": "pmpt_1", "version": "3", "variables": {"name": "Ada"}}
    client(response(output_text("Hi"))).post(
        "/responses", cast_to=object, body={"model": "m", "prompt": prompt, "input": "Hello"}
    )
    (used,) = spans[0].prompts
    assert (used.name, used.version, used.variables) == ("pmpt_1", "3", {"name": "Ada"})


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_the_providers_conversation(spans, conversation):
    body = {"model": "m", "input": "Hello", "conversation": conversation}
    client(response(output_text("Hi"))).post("/responses", cast_to=object, body=body)
    with callspan.conversation("mine"):
        client(response(output_text("Hi"))).post("/responses", cast_to=object, body=body)
    client(response(output_text("Hi"), conversation={"id": "conv_2"})).responses.create(**ASKED)
    assert [span.conversation_id for span in spans] == ["conv_1", "mine", "conv_2"]


def test_a_remembering_prompt(spans):
    template = callspan.PromptTemplate("Hello {name}", name="greeting")
    ask(response(output_text("Hi")), input=template.format(name="Ada"), instructions="Be brief.")
    ask(response(output_text("Hi")), input=[{"role": "user", "content": template.format(name="Bob")}])
    assert [span.prompts[0].variables for span in spans] == [{"name": "Ada"}, {"name": "Bob"}]


# -- how a response ends -----------------------------------------------------------------------------------------------

INCOMPLETE = response(output_text("Hi"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
FAILED = response(status="failed", error={"code": "server_error", "message": "It broke."})


@pytest.mark.parametrize("way", ["whole", "stream", "raw", "lines"])
def test_incomplete(spans, way):
    _ask_in(way, INCOMPLETE, "response.incomplete")
    (span,) = spans
    assert (span.outcome, span.status) == ("incomplete", "unset")
    assert span.response["finish_reasons"] == ["length"]
    assert span.response["status"] == "incomplete"
    assert span.output_messages[0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert span.usage.total_tokens == 26


@pytest.mark.parametrize("way", ["whole", "stream", "raw", "lines"])
def test_failed(spans, way):
    _ask_in(way, FAILED, "response.failed")
    (span,) = spans
    assert (span.outcome, span.status) == ("error", "error")
    assert (span.error.type, span.error.message) == ("server_error", "It broke.")
    assert span.response["finish_reasons"] == ["error"]
    assert span.usage.total_tokens == 26


def _ask_in(way, answer, event):
    events = numbered(*RESPONSE_EVENTS[:1], {"type": event, "response": answer})
    if way == "whole":
        return ask(answer)
    if way == "raw":
        return client(answer).responses.with_raw_response.create(**ASKED).parse()
    if way == "stream":
        return list(ask(Lines(events), stream=True))
    with client(Lines(events)).responses.with_streaming_response.create(**ASKED, stream=True) as unread:
        return list(unread.iter_lines())


def test_an_error_among_the_events(spans):
    error = {"type": "error", "code": "rate_limit", "message": "Slow down.", "param": None}
    list(ask(Lines(numbered(*RESPONSE_EVENTS[:9], error)), stream=True))
    (span,) = spans
    assert (span.outcome, span.error.type, span.error.message) == ("error", "rate_limit", "Slow down.")
    assert span.output_messages[0]["parts"][1] == {"type": "text", "content": "Hi"}


def test_a_break_after_the_last_event_is_no_abandonment(spans):
    with ask(Lines(RESPONSE_EVENTS), stream=True) as events:
        for event in events:
            if event.type == "response.completed":
                break
    assert spans[0].outcome == "ok"


async def test_the_helper_that_puts_events_together_itself(spans):
    helper = getattr(client({}).responses, "stream", None)
    if helper is None:
        pytest.skip("this version of openai does not have it")
    with client(Lines(RESPONSE_EVENTS)).responses.stream(**ASKED) as stream:
        assert stream.get_final_response().output_text == "Hi there"
    async with async_client(Lines(RESPONSE_EVENTS)).responses.stream(**ASKED) as stream:
        assert (await stream.get_final_response()).output_text == "Hi there"
    assert [(span.outcome, span.usage.total_tokens) for span in spans] == [("ok", 26), ("ok", 26)]


def test_what_is_half_said_never_hurts():
    collected = ResponseEvents(1, None)
    for odd in (
        {},
        {"type": None},
        {"type": "response.created", "response": None},
        {"type": "response.output_text.delta"},
        {"type": "response.output_text.delta", "output_index": "x", "content_index": 0, "delta": "a"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": 5},
        {"type": "response.output_item.added", "output_index": 1, "item": None},
        {"type": "response.output_item.done", "output_index": None, "item": {}},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"},
        {"type": "news_of_2030", "delta": "?"},
        7,
    ):
        collected.add(odd)
    collected.compact()
    assert collected.is_complete() is False
    assert collected.read()["output"][-1] == {"type": "function_call", "arguments": "{}"}


# -- stored answers ----------------------------------------------------------------------------------------------------


def test_an_answer_that_is_fetched_later_is_counted_once(spans):
    queued = response(**{**EMPTY, "status": "queued"})
    ask(queued, background=True) if _knows("background") else ask(queued, extra_body={"background": True})
    asking = client(response(output_text("Hi")))
    asking.responses.retrieve("resp_1")
    asking.responses.retrieve("resp_1")
    first, second, third = spans
    assert (first.usage, first.response["status"]) == (None, "queued")
    assert (second.name, second.operation, second.component) == ("fetch_response", "fetch_response", "fetch")
    assert second.output_messages[0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert (second.usage.total_tokens, second.usage_below) == (26, False)
    assert third.usage_below


def test_an_answer_that_was_counted_is_not_counted_when_it_is_fetched(spans):
    ask(response(output_text("Hi")))
    client(response(output_text("Hi"))).responses.retrieve("resp_1")
    assert [span.usage_below for span in spans] == [False, True]


def _knows(parameter):
    import inspect

    return parameter in inspect.signature(client({}).responses.create).parameters
