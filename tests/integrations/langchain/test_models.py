"""What is told of a model's call, whoever made the model."""

from __future__ import annotations

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel, FakeListLLM
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda

from langchain_chains import model, tree


class Vendor(GenericFakeChatModel):
    """A model of a provider that callspan knows nothing of."""

    temperature: float = 0.5

    @property
    def _llm_type(self):
        return "vendor-chat"

    @property
    def _identifying_params(self):
        return {"model": "vendor-1", "temperature": self.temperature, "max_tokens": 64, "seed": 7, "api_key": "sk-1"}

    def _get_ls_params(self, stop=None, **_):
        return {
            "ls_provider": "mistralai",
            "ls_model_name": "vendor-1",
            "ls_model_type": "chat",
            "ls_temperature": self.temperature,
            "ls_stop": stop,
        }


ANSWER = AIMessage(
    "Two.",
    id="msg_1",
    usage_metadata={
        "input_tokens": 30,
        "output_tokens": 12,
        "total_tokens": 42,
        "input_token_details": {"cache_read": 8, "audio": 1},
        "output_token_details": {"reasoning": 4},
    },
    response_metadata={
        "model_name": "vendor-1-2026",
        "finish_reason": "stop",
        "id": "resp_1",
        "system_fingerprint": "f",
    },
)


def test_provider_model_parameters_and_tools(spans):
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
    Vendor(messages=iter([ANSWER])).bind(tools=tools, top_p=0.9).invoke("1+1?", stop=["END"])
    (told,) = spans
    assert (told.kind, told.name, told.operation) == ("llm", "chat vendor-1", "chat")
    assert told.provider == "mistral_ai"
    assert told.request == {
        "model": "vendor-1",
        "temperature": 0.5,
        "max_tokens": 64,
        "stop_sequences": ["END"],
        "top_p": 0.9,
        "seed": 7,
        "api_key": "[redacted]",
    }
    assert told.tool_definitions == tools


def test_messages_become_parts(spans):
    call = {"name": "add", "args": {"a": 1, "b": 1}, "id": "call_1"}
    image = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    Vendor(messages=iter([ANSWER])).invoke(
        [
            SystemMessage("Be brief."),
            HumanMessage([{"type": "text", "text": "What is this?"}, image]),
            AIMessage("", tool_calls=[call]),
            ToolMessage("2", tool_call_id="call_1"),
        ]
    )
    (told,) = spans
    assert told.input_messages == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is this?"},
                {"type": "uri", "modality": "image", "uri": "https://example.org/cat.png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "add", "id": "call_1", "arguments": {"a": 1, "b": 1}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "2", "id": "call_1"}]},
    ]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": "QUJD" * 100, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": "QUJD" * 100, "mime_type": "image/png"},
    ],
    ids=["version 1", "version 0.3"],
)
def test_images_in_langchains_own_form_are_media_in_the_model_and_in_the_chain_around(spans, block):
    (RunnableLambda(list) | Vendor(messages=iter([ANSWER]))).invoke([HumanMessage([block])])
    said = "<image/png, 300 bytes, sha256 of base64 fb1302f41830a2e1>"
    told = spans.one("chat vendor-1")
    assert told.input_messages == [
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "image", "content": said, "mime_type": "image/png"}],
        }
    ]
    for span in spans:
        assert "QUJDQUJD" not in f"{span.input} {span.output}"
    (given,) = spans.one("RunnableSequence").input
    assert said in given["content"][0].values()


def test_the_answer_its_end_and_its_usage(spans):
    Vendor(messages=iter([ANSWER])).invoke("1+1?")
    (told,) = spans
    assert told.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Two."}], "finish_reason": "stop"}
    ]
    assert told.response == {
        "finish_reasons": ["stop"],
        "id": "resp_1",
        "model": "vendor-1-2026",
        "system_fingerprint": "f",
    }
    usage = told.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (30, 12, 42)
    assert (usage.cache_read_tokens, usage.audio_input_tokens, usage.reasoning_tokens) == (8, 1, 4)
    assert usage.raw == ANSWER.usage_metadata


def test_every_generation_has_its_own_reason_for_the_end(spans):
    class Twice(Vendor):
        def _generate(self, *_, **__):
            reasons = ("stop", "length")
            return ChatResult(
                generations=[
                    ChatGeneration(message=AIMessage(reason), generation_info={"finish_reason": reason})
                    for reason in reasons
                ],
                llm_output={
                    "token_usage": {"prompt_tokens": 3, "completion_tokens": 2, "queue_time": 0.5},
                    "model_name": "vendor-1-b",
                },
            )

    Twice(messages=iter([])).invoke("x")
    (told,) = spans
    assert told.response == {"finish_reasons": ["stop", "length"], "model": "vendor-1-b"}
    assert [message["parts"][0]["content"] for message in told.output_messages] == ["stop", "length"]
    assert (told.usage.input_tokens, told.usage.output_tokens) == (3, 2)
    assert told.usage.raw == {"prompt_tokens": 3, "completion_tokens": 2, "queue_time": 0.5}


def test_the_providers_words_of_the_usage_come_before_those_of_langchain(spans):
    theirs = {"prompt_tokens": 30, "completion_tokens": 12, "prompt_cache_hit_tokens": 8}
    answer = ANSWER.model_copy(update={"response_metadata": {"token_usage": theirs}})
    Vendor(messages=iter([answer])).invoke("1+1?")
    (told,) = spans
    assert (told.usage.input_tokens, told.usage.cache_read_tokens) == (30, 8)
    assert told.usage.raw == theirs


@pytest.mark.skipif(not hasattr(BaseChatModel, "_convert_cached_generations"), reason="an older langchain-core")
async def test_an_answer_from_the_cache_is_told_and_not_counted_again(spans):
    answer = ANSWER.model_copy(update={"response_metadata": {}, "id": None})  # most providers give no ID
    vendor = Vendor(messages=iter([answer]), cache=InMemoryCache())
    vendor.invoke("1+1?")
    vendor.invoke("1+1?")
    await vendor.ainvoke("1+1?")
    assert [told.usage_below for told in spans] == [False, True, True]
    assert [told.output_messages[0]["parts"][0]["content"] for told in spans] == ["Two."] * 3


def test_tool_calls_of_the_answer(spans):
    call = {"name": "add", "args": {"a": 1}, "id": "call_1"}
    content = [
        {"type": "text", "text": "Let me add."},
        {"type": "tool_use", "id": "call_1", "name": "add", "input": {}},
    ]
    Vendor(messages=iter([AIMessage(content, tool_calls=[call])])).invoke("x")
    (told,) = spans
    assert told.output_messages[0]["parts"] == [
        {"type": "text", "content": "Let me add."},
        {"type": "tool_call", "name": "add", "id": "call_1", "arguments": {"a": 1}},
    ]


def test_a_stream_tells_so_and_when_its_first_piece_came(spans):
    assert "".join(piece.content for piece in model("one two").stream("Hi")) == "one two"
    (told,) = spans
    assert told.request["stream"] is True
    assert told.chunk_count >= 3
    assert 0 < told.time_to_first_chunk_s * 1000 <= told.duration_ms
    assert told.output_messages[0]["parts"] == [{"type": "text", "content": "one two"}]


def test_without_a_stream_there_is_no_first_piece(spans):
    model("one").invoke("Hi")
    (told,) = spans
    assert "stream" not in told.request
    assert told.time_to_first_chunk_s is None


def test_a_model_for_texts(spans):
    assert FakeListLLM(responses=["Hello."]).invoke("Hi") == "Hello."
    (told,) = spans
    assert (told.kind, told.operation, told.name) == ("llm", "text_completion", "FakeListLLM")
    assert told.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert told.output_messages == [{"role": "assistant", "parts": [{"type": "text", "content": "Hello."}]}]


async def test_a_model_for_texts_asked_asynchronously_and_for_several_at_once(spans):
    texts = FakeListLLM(responses=["a", "b", "c"])
    assert await texts.ainvoke("1") == "a"
    assert texts.batch(["2", "3"]) == ["b", "c"]
    assert tree(spans) == "llm FakeListLLM\nllm FakeListLLM\nllm FakeListLLM"
    assert [span.output_messages[0]["parts"][0]["content"] for span in spans] == ["a", "b", "c"]


def test_what_the_model_object_holds_is_left_alone(spans):
    message = HumanMessage("Hi", additional_kwargs={"reasoning_content": "why not"})
    given = [message]
    model("Hello.").invoke(given)
    assert given == [message]
    assert message.additional_kwargs == {"reasoning_content": "why not"}
    (told,) = spans
    assert told.input_messages[0]["parts"] == [
        {"type": "reasoning", "content": "why not"},
        {"type": "text", "content": "Hi"},
    ]
