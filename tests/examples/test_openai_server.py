"""The examples' server, asked over real HTTP by the real openai client."""

import doctest
import http.client
import inspect
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import openai_server
import word_model

openai = pytest.importorskip("openai", reason="the server is asked by the openai client")

SCRIPT = Path(openai_server.__file__)
FACTS = "Paris is the capital of France. It lies on the Seine. Rome is the capital of Italy."
ABOUT_ITALY = [{"role": "user", "content": f"{FACTS}\n\nQuestion: What is the capital of Italy?"}]
# The server counts attempts by a header that the oldest clients do not send.
NUMBERS_RETRIES = "retry-count" in inspect.getsource(openai._base_client)
PROMPT_TOKENS = 29  # 20 words and 9 marks: FACTS 17 + 3, the question 7 + 2
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of the next days in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "description": "Tell the time in a city."}}


@pytest.fixture(scope="module")
def base_url():
    with openai_server.serve() as url:
        yield url


@pytest.fixture
def client(base_url):
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client


def chat(client, messages=ABOUT_ITALY, fault=None, **options):
    headers = {"x-fault": fault} if fault else {}
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages, extra_headers=headers, **options)


def ask(text):
    return [{"role": "user", "content": text}]


def dropped(error):
    """Say whether a client's error means a lost connection; older clients raise the transport's own."""
    return error.__class__.__name__ in {"APIConnectionError", "RemoteProtocolError"}


class TestChat:
    def test_answers_with_the_sentence_that_fits(self, client):
        before = int(time.time())
        response = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ABOUT_ITALY)
        assert re.fullmatch(r"req_[0-9a-f]{32}", response.headers["x-request-id"])
        completion = response.parse()
        assert isinstance(completion, openai.types.chat.ChatCompletion)
        assert completion.object == "chat.completion"
        assert completion.model == "gpt-4o-mini"
        assert completion.system_fingerprint == "fp_word_model"
        assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", completion.id)
        assert before <= completion.created <= time.time()
        (choice,) = completion.choices
        assert choice.message.role == "assistant"
        assert choice.message.content == "Rome is the capital of Italy."
        assert choice.finish_reason == "stop"
        assert completion.usage.model_dump(exclude_none=True) == {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": 7,
            "total_tokens": PROMPT_TOKENS + 7,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }

    def test_says_the_same_again_under_a_new_id(self, client):
        first, second = chat(client), chat(client)
        assert first.choices == second.choices
        assert first.id != second.id

    @pytest.mark.parametrize(
        ("messages", "answer"),
        [
            (ask("Hello"), "The text I was given does not say."),
            (ask(f"{FACTS} On which river is Paris?"), "Paris is the capital of France."),
            (ask(f"Context:\n{FACTS}\nQuery: Where is Rome?\nAnswer: "), "Rome is the capital of Italy."),
            ([{"role": "system", "content": FACTS}, *ask("And France?")], "Paris is the capital of France."),
            (
                [{"role": "user", "content": [{"type": "text", "text": FACTS}]}, *ask("Italy?")],
                "Rome is the capital of Italy.",
            ),
            (
                ask("# Rome\n| Rome |\n```\nRome\n```\n- Oslo is cold.\n- Rome\n  is warm.\n\nIs Rome warm?"),
                "Rome is warm.",
            ),
            ([*ask("Capital?"), {"role": "tool", "tool_call_id": "c1", "content": "Oslo"}], "The tool answered: Oslo"),
        ],
    )
    def test_finds_question_and_context_in_the_usual_prompts(self, client, messages, answer):
        assert chat(client, messages).choices[0].message.content == answer

    def test_several_choices_come_best_first(self, client):
        completion = chat(client, n=3)
        assert [choice.index for choice in completion.choices] == [0, 1, 2]
        assert [choice.message.content for choice in completion.choices] == [
            "Rome is the capital of Italy.",
            "Paris is the capital of France.",
            "The text I was given does not say.",
        ]
        assert completion.usage.completion_tokens == 7 + 7 + 9

    @pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
    def test_stops_at_the_token_limit(self, client, limit):
        completion = chat(client, extra_body={limit: 3})
        assert completion.choices[0].message.content == "Rome is the"
        assert completion.choices[0].finish_reason == "length"
        assert completion.usage.completion_tokens == 3

    def test_answers_in_json(self, client):
        plain = chat(client, response_format={"type": "json_object"})
        assert json.loads(plain.choices[0].message.content) == {"answer": "Rome is the capital of Italy."}

    def test_answers_in_json_of_a_schema(self, client):
        schema = {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "sure": {"type": "boolean"},
                "score": {"type": "number"},
                "sources": {"type": "array", "items": {"type": "string"}},
            },
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        answer = chat(client, response_format=wanted).choices[0].message.content
        assert json.loads(answer) == {
            "text": "Rome is the capital of Italy.",
            "sure": True,
            "score": 1,
            "sources": ["Rome is the capital of Italy."],
        }


class TestStream:
    def test_comes_as_one_chunk_a_token(self, client):
        chunks = list(chat(client, stream=True))
        assert [chunk.choices[0].delta.content for chunk in chunks] == [
            "", "Rome", " is", " the", " capital", " of", " Italy", ".", None,
        ]  # fmt: skip
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 8 + ["stop"]
        assert len({chunk.id for chunk in chunks}) == 1
        assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
        assert all(chunk.usage is None for chunk in chunks)

    def test_usage_comes_last_when_asked_for(self, client):
        *chunks, last = chat(client, stream=True, stream_options={"include_usage": True})
        assert all(chunk.usage is None for chunk in chunks)
        assert last.choices == []
        assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (PROMPT_TOKENS, 7)

    def test_several_choices_keep_their_index(self, client):
        texts = {0: "", 1: ""}
        for chunk in chat(client, stream=True, n=2):
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        assert texts == {0: "Rome is the capital of Italy.", 1: "Paris is the capital of France."}

    def test_tool_calls_come_in_pieces(self, client):
        chunks = list(chat(client, ask("What is the weather in Oslo?"), tools=[WEATHER], stream=True))
        calls = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks if chunk.choices[0].delta.tool_calls]
        assert calls[0].function.name == "get_weather"
        assert calls[0].id.startswith("call_")
        assert all(call.id is None for call in calls[1:])
        assert json.loads("".join(call.function.arguments for call in calls)) == {"city": "Oslo", "days": 1}
        assert chunks[-1].choices[0].finish_reason == "tool_calls"

    def test_a_reader_may_leave_early(self, client, capfd):
        with chat(client, stream=True, fault="slow=0.002") as stream:
            assert next(iter(stream)).choices[0].delta.role == "assistant"
        assert chat(client).choices[0].message.content == "Rome is the capital of Italy."
        assert capfd.readouterr().err == ""

    async def test_serves_the_async_client(self, base_url):
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:
            stream = await chat(client, stream=True)
            texts = [chunk.choices[0].delta.content async for chunk in stream]
        assert "".join(text or "" for text in texts) == "Rome is the capital of Italy."


class TestTools:
    def test_calls_the_tool_that_the_question_names(self, client):
        completion = chat(client, ask("How is the weather in Oslo for 3 days?"), tools=[CLOCK, WEATHER])
        (choice,) = completion.choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        (call,) = choice.message.tool_calls
        assert re.fullmatch(r"call_[0-9a-f]{24}", call.id)
        assert call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == {"city": "Oslo", "days": 3}

    def test_calls_several_at_once_unless_told_otherwise(self, client):
        question = ask("Tell me time and weather in the city of Oslo.")
        both = chat(client, question, tools=[CLOCK, WEATHER])
        assert [call.function.name for call in both.choices[0].message.tool_calls] == ["get_time", "get_weather"]
        one = chat(client, question, tools=[CLOCK, WEATHER], parallel_tool_calls=False)
        assert [call.function.name for call in one.choices[0].message.tool_calls] == ["get_time"]

    @pytest.mark.parametrize(
        ("choice", "called"),
        [
            ("auto", []),
            ("none", []),
            ("required", ["get_time"]),
            ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
        ],
    )
    def test_obeys_tool_choice(self, client, choice, called):
        message = chat(client, tools=[CLOCK, WEATHER], tool_choice=choice).choices[0].message
        assert [call.function.name for call in message.tool_calls or []] == called

    def test_answers_once_the_tool_has(self, client):
        messages = ask("How is the weather in Oslo?")
        first = chat(client, messages, tools=[WEATHER]).choices[0].message
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "Snow."}
        second = chat(client, [*messages, first, result], tools=[WEATHER]).choices[0].message
        assert second.content == "The tool answered: Snow."

    def test_a_text_argument_is_what_the_question_is_about(self, client):
        count = {"type": "function", "function": {
            "name": "count_words",
            "parameters": {"type": "object", "properties": {"page": {"type": "string"}}},
        }}  # fmt: skip
        for question in ("Count the words of docs/privacy.md", "Count the words of 'docs/privacy.md'"):
            (call,) = chat(client, ask(question), tools=[count]).choices[0].message.tool_calls
            assert json.loads(call.function.arguments) == {"page": "docs/privacy.md"}


class TestEmbeddings:
    def embed(self, client, texts, **options):
        return client.embeddings.create(model="text-embedding-3-small", input=texts, **options)

    def similarity(self, client, one, other):
        vectors = [item.embedding for item in self.embed(client, [one, other]).data]
        return sum(a * b for a, b in zip(*vectors, strict=True))

    def test_vectors_have_length_one_and_the_models_dimensions(self, client):
        response = self.embed(client, ["red apples", "blue"])
        assert [item.index for item in response.data] == [0, 1]
        assert [len(item.embedding) for item in response.data] == [1536, 1536]
        assert sum(value * value for value in response.data[0].embedding) == pytest.approx(1)
        assert (response.usage.prompt_tokens, response.usage.total_tokens) == (3, 3)
        large = client.embeddings.create(model="text-embedding-3-large", input="blue")
        assert len(large.data[0].embedding) == 3072

    def test_dimensions_are_honoured(self, client):
        assert len(self.embed(client, "blue", dimensions=64).data[0].embedding) == 64

    def test_numbers_and_base64_say_the_same(self, client):
        as_numbers = self.embed(client, "red apples", encoding_format="float", dimensions=32)
        as_base64 = self.embed(client, "red apples", encoding_format="base64", dimensions=32)
        assert isinstance(as_base64.data[0].embedding, str)
        decoded = self.embed(client, "red apples", dimensions=32).data[0].embedding
        assert decoded == pytest.approx(as_numbers.data[0].embedding, abs=1e-6)

    def test_related_texts_are_closer(self, client):
        question = "Are recorded secrets redacted?"
        related = self.similarity(client, question, "callspan redacts a secret before recording it")
        unrelated = self.similarity(client, question, "A retriever returns documents with scores")
        assert related > 0.5
        assert unrelated < 0.2

    def test_same_words_in_other_order_are_the_same_text(self, client):
        assert self.similarity(client, "apples, red", "red apples") == pytest.approx(1, abs=1e-6)

    def test_a_text_without_meaning_has_a_vector(self, client):
        assert self.embed(client, "the", dimensions=4).data[0].embedding == [1, 0, 0, 0]

    @pytest.mark.parametrize("tokens", [[5, 6], [[5, 6]]])
    def test_takes_token_numbers(self, client, tokens):
        response = self.embed(client, tokens)
        assert len(response.data) == 1
        assert response.usage.prompt_tokens == 2


class TestFaults:
    def test_drop_loses_the_answer(self, client):
        with pytest.raises(Exception) as caught:
            chat(client, fault="drop")
        assert dropped(caught.value)

    def test_drop_ends_a_stream_half_way(self, client):
        texts = []
        with pytest.raises(Exception) as caught:
            for chunk in chat(client, fault="drop", stream=True):
                texts.append(chunk.choices[0].delta.content)
        assert dropped(caught.value)
        assert texts == ["", "Rome", " is", " the", " capital"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_disconnect_ends_before_the_answer(self, client, stream):
        with pytest.raises(openai.APIConnectionError):
            chat(client, fault="disconnect", stream=stream)
        assert chat(client).choices[0].message.content == "Rome is the capital of Italy."

    def test_malformed_is_not_json(self, client):
        with pytest.raises(json.JSONDecodeError):
            chat(client, fault="malformed")

    def test_malformed_stops_a_stream_half_way(self, client):
        texts = []
        with pytest.raises(json.JSONDecodeError):
            for chunk in chat(client, fault="malformed", stream=True):
                texts.append(chunk.choices[0].delta.content)
        assert texts == ["", "Rome", " is", " the", " capital"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_rate_limit_says_when_to_come_back(self, client, stream):
        with pytest.raises(openai.RateLimitError) as caught:
            chat(client, fault="rate-limit", stream=stream)
        assert caught.value.response.headers["retry-after"] == "1"
        assert caught.value.response.headers["retry-after-ms"] == "50"
        assert caught.value.code == "rate_limit_exceeded"
        assert caught.value.request_id.startswith("req_")

    def test_error_is_a_server_error(self, client):
        with pytest.raises(openai.InternalServerError):
            chat(client, fault="error")

    @pytest.mark.skipif(not NUMBERS_RETRIES, reason="this openai client does not number its retries")
    @pytest.mark.parametrize("fault", ["error=1", "rate-limit=2", "drop=1", "disconnect=1"])
    def test_a_number_lets_a_later_attempt_through(self, client, fault):
        patient = client.with_options(max_retries=2)
        assert chat(patient, fault=fault).choices[0].message.content == "Rome is the capital of Italy."

    def test_a_number_above_the_retries_still_fails(self, client):
        with pytest.raises(openai.RateLimitError):
            chat(client.with_options(max_retries=1), fault="rate-limit=2")

    def test_slow_waits_first_and_between_the_pieces(self, client):
        arrivals = [time.monotonic()]
        for _ in chat(client, fault="slow=0.04", stream=True, max_tokens=2):
            arrivals.append(time.monotonic())
        assert arrivals[1] - arrivals[0] >= 0.04
        assert arrivals[-1] - arrivals[0] >= (0.04 + 3 * 0.02) * 0.9  # the first piece may have come late, too
        with pytest.raises(openai.APITimeoutError):
            chat(client.with_options(timeout=0.05), fault="slow")

    def test_a_server_can_give_every_request_the_same_fault(self):
        with (
            openai_server.serve(fault="error") as url,
            openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client,
            pytest.raises(openai.InternalServerError),
        ):
            client.models.list()

    def test_an_unknown_fault_is_named(self, client):
        with pytest.raises(openai.BadRequestError, match="no fault named 'bogus'"):
            chat(client, fault="bogus")
        with pytest.raises(ValueError, match="no fault named 'bogus'"), openai_server.serve(fault="bogus"):
            pass


class TestHTTP:
    def test_lists_models(self, client):
        assert [model.id for model in client.models.list()] == [
            "gpt-4o-mini",
            "gpt-4o",
            "text-embedding-3-small",
            "text-embedding-3-large",
        ]

    def test_an_unknown_path_is_not_found(self, client):
        with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(POST /v1/images/generations\)"):
            client.images.generate(prompt="x")

    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("chat/completions", b"{", "could not read your request"),
            ("chat/completions", b"[]", "must be a JSON object"),
            ("chat/completions", b'{"model": "m", "messages": []}', "at least one message"),
            ("chat/completions", b'{"messages": [{"role": "user", "content": "x"}]}', "a model parameter"),
            ("embeddings", b'{"model": "m", "input": []}', "a list of at least one"),
        ],
    )
    def test_a_wrong_request_is_refused_on_a_living_connection(self, base_url, path, body, message):
        host = base_url.removeprefix("http://").removesuffix("/v1")
        connection = http.client.HTTPConnection(host)
        for _ in range(2):
            connection.request("POST", f"/v1/{path}", body)
            response = connection.getresponse()
            error = json.loads(response.read())["error"]
            assert response.status == 400
            assert message in error["message"]
            assert error["type"] == "invalid_request_error"
        connection.close()

    def test_events_are_framed_as_server_sent_events(self, base_url):
        host = base_url.removeprefix("http://").removesuffix("/v1")
        connection = http.client.HTTPConnection(host)
        body = {"model": "m", "messages": ABOUT_ITALY, "stream": True}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        response = connection.getresponse()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = response.read().decode().split("\n\n")
        connection.close()
        assert all(event.startswith("data: {") for event in events[:-2])
        assert events[-2:] == ["data: [DONE]", ""]

    def test_runs_as_a_script(self):
        command = [sys.executable, str(SCRIPT), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline()
                (url,) = re.findall(r"http://\S+", line)
                with openai.OpenAI(base_url=url, api_key="none") as client:
                    assert chat(client).choices[0].message.content == "Rome is the capital of Italy."
            finally:
                process.terminate()


def test_the_examples_in_the_documentation_are_right():
    assert doctest.testmod(word_model) == (0, 2)
