"""Token counts as providers report them."""

from __future__ import annotations

import pytest

from callspan.model.usage import Usage, raw_usage, read_usage


def test_chat_completions():
    assert read_usage(
        {
            "prompt_tokens": 40,
            "completion_tokens": 12,
            "total_tokens": 52,
            "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 1, "text_tokens": 37, "image_tokens": 2},
            "completion_tokens_details": {
                "reasoning_tokens": 3,
                "audio_tokens": 0,
                "text_tokens": 9,
                "accepted_prediction_tokens": 5,
                "rejected_prediction_tokens": 6,
            },
        }
    ) == Usage(
        input_tokens=40,
        output_tokens=12,
        total_tokens=52,
        cache_read_tokens=16,
        reasoning_tokens=3,
        audio_input_tokens=1,
        audio_output_tokens=0,
        text_input_tokens=37,
        text_output_tokens=9,
        image_input_tokens=2,
        accepted_prediction_tokens=5,
        rejected_prediction_tokens=6,
        source="reported",
        tokenizer=None,
    )


def test_responses():
    assert read_usage(
        {
            "input_tokens": 40,
            "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 4},
            "output_tokens": 12,
            "output_tokens_details": {"reasoning_tokens": 3, "image_tokens": 7},
            "total_tokens": 52,
        }
    ) == Usage(
        input_tokens=40,
        output_tokens=12,
        total_tokens=52,
        cache_read_tokens=16,
        cache_write_tokens=4,
        reasoning_tokens=3,
        image_output_tokens=7,
    )


def test_usage_metadata_of_langchain():
    assert read_usage(
        {
            "input_tokens": 40,
            "output_tokens": 12,
            "total_tokens": 52,
            "input_token_details": {"cache_read": 16, "cache_creation": 4, "audio": 1},
            "output_token_details": {"reasoning": 3, "audio": 2},
        }
    ) == Usage(
        input_tokens=40,
        output_tokens=12,
        total_tokens=52,
        cache_read_tokens=16,
        cache_write_tokens=4,
        reasoning_tokens=3,
        audio_input_tokens=1,
        audio_output_tokens=2,
    )


def test_what_langchain_says_of_anthropics_cache_by_age_and_zero_in_sum():
    by_age = {"cache_read": 100, "cache_creation": 0, "ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 5}
    told = {"input_tokens": 146, "output_tokens": 7, "total_tokens": 153, "input_token_details": by_age}
    assert read_usage(told) == Usage(146, 7, 153, cache_read_tokens=100, cache_write_tokens=35)
    summed = {**told, "input_token_details": {**by_age, "cache_creation": 35}}
    assert read_usage(summed) == Usage(146, 7, 153, cache_read_tokens=100, cache_write_tokens=35)
    assert read_usage({**told, "input_token_details": None}) == Usage(146, 7, 153)


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_what_langchain_names_by_the_service_tier(tier):
    told = {
        "input_tokens": 40,
        "output_tokens": 12,
        "total_tokens": 52,
        "input_token_details": {f"{tier}_cache_read": 16, f"{tier}_cache_creation": 4, tier: 24},
        "output_token_details": {f"{tier}_reasoning": 3, tier: 9},
    }
    counts = Usage(40, 12, 52, cache_read_tokens=16, cache_write_tokens=4, reasoning_tokens=3)
    assert read_usage(told) == counts


def test_names_of_other_providers():
    assert read_usage({"prompt_token_count": 4, "candidates_token_count": 2, "total_token_count": 6}) == Usage(
        input_tokens=4, output_tokens=2, total_tokens=6
    )


def test_thoughts_and_texts_of_tools_that_google_tells_beside_the_rest_are_output_and_input():
    told = {
        "prompt_token_count": 100,
        "cached_content_token_count": 60,
        "candidates_token_count": 10,
        "thoughts_token_count": 50,
        "tool_use_prompt_token_count": 7,
        "total_token_count": 167,
    }
    assert read_usage(told) == Usage(107, 60, 167, cache_read_tokens=60, reasoning_tokens=50)
    assert read_usage({**told, "candidates_token_count": None, "total_token_count": 157}).output_tokens == 50
    within = read_usage({**told, "candidates_token_count": 60, "total_token_count": 160})
    assert (within.input_tokens, within.output_tokens, within.reasoning_tokens) == (100, 60, 50)
    assert read_usage({"candidates_token_count": 10, "thoughts_token_count": -5}) == Usage(None, 10)


def test_input_that_anthropic_tells_beside_the_rest_is_input():
    cached = {"cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
    assert read_usage({"input_tokens": 4, "output_tokens": 5, **cached}) == Usage(
        input_tokens=1204, output_tokens=5, cache_read_tokens=1000, cache_write_tokens=200
    )
    assert read_usage({"input_tokens": 4, "cache_read_input_tokens": None, "cache_creation_input_tokens": -1}) == Usage(
        4
    )
    assert read_usage({"prompt_tokens": 1204, **cached}).input_tokens == 1204
    assert read_usage({"input_tokens": 1204, "total_tokens": 1209, **cached}).input_tokens == 1204
    assert read_usage(cached).input_tokens is None


def test_nothing_is_invented():
    assert read_usage({"prompt_tokens": 0}) == Usage(input_tokens=0, output_tokens=None, total_tokens=None)


@pytest.mark.parametrize("count", [None, True, 5.0, "5", -1, {}, []], ids=repr)
def test_what_is_no_count(count):
    assert read_usage({"prompt_tokens": count}) is None
    assert read_usage({"prompt_tokens": count, "completion_tokens": 3}) == Usage(output_tokens=3)
    assert read_usage({"input_tokens": count, "prompt_tokens": 3}) == Usage(input_tokens=3)


@pytest.mark.parametrize("tree", [None, 5, "usage", [], {}, {"prompt_tokens_details": 7}, {"cost": 3}], ids=repr)
def test_what_is_no_usage(tree):
    assert read_usage(tree) is None


def test_the_providers_own_words_are_kept_beside_the_counts():
    told = {
        "prompt_tokens": 40,
        "completion_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "server_tool_use": {"web_search_requests": 2},
        "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
        "cost": 0.0125,
        "is_byok": False,
        "service_tier": "standard",
        "queue_time": None,
    }
    usage = read_usage(told)
    assert usage is not None
    del told["queue_time"]
    assert usage.raw == told
    assert usage.raw["server_tool_use"] is not told["server_tool_use"]


def test_of_the_raw_usage_only_numbers_and_known_words_are_kept():
    told = {
        "prompt_tokens": 1,
        "note": "api_key=hush",
        "service_tier": "sk-1234567890",
        "type": "a text of several words",
        "sk-abcdefgh": 1,
        "gsk_aB3dE5fG7hJ9kL": 1,
        "the key of Jane": 1,
        "x" * 65: 1,
        "name\n": 1,
        7: 1,
        "nan": float("nan"),
        "huge": 2**60,
        "empty": {},
        "texts": ["a", "b"],
        "numbers": [1, 2],
    }
    usage = read_usage(told)
    assert usage is not None
    assert usage.raw == {"prompt_tokens": 1}


def test_the_raw_usage_is_bounded():
    deep = {"a": {"a": {"a": {"a": {"a": 1}, "n": 4}, "n": 3}, "n": 2}, "n": 1}
    wide = {f"n{'a' * index}": index for index in range(70)}
    many = {"a": [{"n": 1}] * 1000}
    assert raw_usage(deep) == {"a": {"a": {"a": {"n": 4}, "n": 3}, "n": 2}, "n": 1}
    assert raw_usage(wide) is None
    assert raw_usage(many) == {"a": [{"n": 1}] * 64}
    assert raw_usage("12 tokens") is None
